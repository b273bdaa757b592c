/** What /api/compare and /api/compare/predictions answer. Lists have one entry for each run, in the order asked for. */
import type { Cell, Mode, Status } from "../../api";
import type { Num } from "../../format";
import type { Kind, Prediction } from "../../parts/prediction";

export interface Head {
  id: string;
  name: string | null;
  project: string;
  status: Status;
  seed: number | null;
  created_at?: string;
  tags?: string[];
}

export interface Comparison {
  runs: Head[];
  config: { key: string; values: (Cell | unknown[])[]; differs: boolean }[];
  environment: { package: string; values: (string | null)[]; differs: boolean }[];
  code: { commit: string | null; dirty: boolean | null; patch_bytes: number }[];
  patch_diff: string | null;
  data: { fingerprint: string | null; splits: Record<string, number | null>; tokens?: Record<string, number>; same: boolean }[];
  metrics: { key: string; mode: Mode; values: Num[]; last: Num[] }[];
  cost: Record<string, Cell>[];
  evaluations: Record<string, unknown[]>;
}

export type Case = "both_right" | "fixed" | "broken" | "both_wrong";

export interface Answer {
  prediction?: Prediction["prediction"];
  confidence?: Prediction["confidence"];
  loss?: Num;
  answer?: string;
  margin?: Num;
  scores?: number[];
  wrong?: boolean | null;
  correct?: number;
}

export interface Pair {
  id: string;
  input: Partial<Prediction>;
  gold: Prediction["gold"];
  a: Answer;
  b: Answer;
}

export interface Pairs {
  split: string;
  a: { run: string; step: number };
  b: { run: string; step: number };
  kind: Kind;
  shared: number;
  only_a: number;
  only_b: number;
  counts: Record<Case, number> | null;
  matched: number;
  rows: Pair[];
  reason: string | null;
}
