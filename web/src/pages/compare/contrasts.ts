/** What /api/examples answers: B against A, example by example. Pure. */
import { value } from "../../format";
import type { RunGroup, Study } from "./verdicts";

export interface Slice {
  name: string;
  expression: string;
  n: number;
  a: number;
  b: number;
  difference: number;
  low: number | null;
  high: number | null;
  adjusted: number | null;
}

interface Side {
  score: number;
  answers: { text: string; runs: number }[];
}

export interface Case {
  id: string;
  outcome: string;
  input: Record<string, unknown>;
  gold: unknown;
  a: Side;
  b: Side;
}

export interface Contrast {
  kind: "right" | "graded";
  level: number;
  higher_is_better: boolean;
  a: { ids: string[] };
  b: { ids: string[] };
  counts: Record<string, number>;
  tables: { by: string; metric: string; slices: Slice[] }[];
  concentration: { sentences: string[] };
  shown: number;
  cases: Case[];
  columns: string[];
  notes: string[];
}

/** The groups named, else the leader as B against the next as A; null where there are no two. */
export function sidesOf({ places, groups }: Pick<Study, "places" | "groups">, from: string, to: string): { a: RunGroup; b: RunGroup } | null {
  const ranked = places.flatMap(({ name }) => groups.find((group) => group.name === name && group.ids.length) ?? []);
  const named = (name: string, other: string | undefined) => ranked.find((group) => group.name === name && name !== other) ?? ranked.find((group) => group.name !== other);
  const b = ranked.find(({ name }) => name === to) ?? named(to, from);
  const a = named(from, b?.name);
  return a && b ? { a, b } : null;
}

export const signed = (given: number) => `${given > 0 ? "+" : given < 0 ? "−" : ""}${value(Math.abs(given))}`;

/** Words are joined; a list of answers is parted. */
export function asText(given: unknown): string {
  if (given === null || given === undefined) return "";
  return Array.isArray(given) ? given.map(asText).join(" ") : String(given);
}
