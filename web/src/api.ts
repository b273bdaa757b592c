/** The server's answers as types, and the few ways to ask. Shapes are those of headway/web. */
import type { Num } from "./format";
import { href, type Patch } from "./url";

export type Status = "created" | "running" | "finished" | "failed" | "crashed" | "diverged" | "preempted" | "stopped";
export type Mode = "min" | "max";
export type Cell = string | number | boolean | null;

export interface Meta {
  version: string;
  roots: string[];
  read_only: boolean;
  runs: number;
  pending: number;
  now: number;
  commands: Record<string, string>;
}

export interface RunRow {
  id: string;
  name: string | null;
  project: string;
  status: Status;
  tags: string[];
  notes: string | null;
  archived: boolean;
  created_at: string;
  seconds: number | null;
  step: number | null;
  steps: number | null;
  seed: number | null;
  recipe: string;
  cells: Cell[];
}

export interface RunTable {
  total: number;
  all: number;
  offset: number;
  columns: string[];
  rows: RunRow[];
  pending: number;
}

export type GroupCell = { n: number; mean: number; sd: number | null; min: number; max: number } | { value: Cell } | null;

export interface Group {
  key: [string, Cell][];
  title: string;
  n: number;
  statuses: Partial<Record<Status, number>>;
  ids: string[];
  cells: GroupCell[];
}

export interface GroupTable {
  total: number;
  columns: string[];
  groups: Group[];
}

export interface ConfigKey {
  key: string;
  kind: "number" | "text" | "bool";
  distinct: number;
  runs: number;
  values: Cell[];
}

export interface MetricKey {
  key: string;
  runs: number;
  mode: Mode;
}

export interface Keys {
  keys: ConfigKey[];
  metrics: MetricKey[];
  fields: string[];
  tags: string[];
  projects: string[];
}

export type Axis = "step" | "epoch" | "tokens" | "time";

/** Points of one run, ordered by x. `min` and `max` bound what each point stands for; absent where it is one value. */
export interface Curve {
  run: string;
  name: string | null;
  x: Float64Array;
  mean: Float32Array;
  min: Float32Array;
  max: Float32Array;
}

export interface Curves {
  metric: string;
  x: Axis;
  total: number;
  series: Curve[];
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint: string | null = null,
    readonly position: number | null = null,
  ) {
    super(message);
  }
}

async function answer(response: Response): Promise<Response> {
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  const error = body?.error ?? {};
  throw new ApiError(response.status, error.message ?? response.statusText, error.hint ?? null, error.position ?? null);
}

async function fetched(path: string, init: RequestInit): Promise<Response> {
  try {
    return await answer(await fetch(path, init));
  } catch (error) {
    if (error instanceof ApiError || (error as Error).name === "AbortError") throw error;
    throw new ApiError(0, "the server does not answer; is `headway ui` still running?");
  }
}

export async function get<T>(path: string, params: Patch = {}, abort?: AbortSignal): Promise<T> {
  const response = await fetched(href(path, params), { signal: abort ?? null });
  return (await response.json()) as T;
}

async function write<T>(method: "PATCH" | "DELETE", path: string, body: unknown): Promise<T> {
  const headers = { "Content-Type": "application/json" };
  return (await (await fetched(path, { method, headers, body: JSON.stringify(body) })).json()) as T;
}

export interface Marks {
  name?: string | null;
  notes?: string | null;
  add_tags?: string[];
  remove_tags?: string[];
  archived?: boolean;
}

export const mark = (ids: readonly string[], marks: Marks) => write<{ changed: string[] }>("PATCH", "/api/runs", { ids, ...marks });
export const remove = (ids: readonly string[]) =>
  write<{ deleted: string[] }>("DELETE", "/api/runs", { ids, confirm: ids.length });

export async function curves(params: Patch, abort?: AbortSignal): Promise<Curves> {
  const response = await fetched(href("/api/curves", params), { signal: abort ?? null });
  return decodeCurves(await response.arrayBuffer());
}

interface Header {
  metric: string;
  x: Axis;
  total: number;
  series: { run: string; name: string | null; n: number; raw: boolean }[];
}

/**
 * The binary form of /api/curves: u32 length of a JSON header, the header, then for each series x as float64 and
 * mean, min, max as float32 (`raw`: the mean alone), every array padded to 8 bytes. Arrays are views, not copies.
 */
export function decodeCurves(buffer: ArrayBuffer): Curves {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as Header;
  let at = 4 + length;
  const float32 = (n: number) => {
    const array = new Float32Array(buffer, at, n);
    at += Math.ceil((4 * n) / 8) * 8;
    return array;
  };
  const series = header.series.map(({ run, name, n, raw }) => {
    const x = new Float64Array(buffer, at, n);
    at += 8 * n;
    const mean = float32(n);
    return { run, name, x, mean, min: raw ? mean : float32(n), max: raw ? mean : float32(n) };
  });
  return { metric: header.metric, x: header.x, total: header.total, series };
}

export interface RunDetail {
  id: string;
  name: string | null;
  project: string;
  path: string;
  status: Status;
  cause: string | null;
  exit_code: number | null;
  tags: string[];
  notes: string | null;
  archived: boolean;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  seconds: number | null;
  step: number | null;
  steps: number | null;
  seed: number | null;
  host: string | null;
  command: string[];
  monitor: { metric: string | null; mode: Mode | null; best: Num; best_step: number | null };
  metrics: Record<string, Num>;
  summary: Record<string, { last: Num; last_step: number; min?: Num; min_step?: number; max?: Num; max_step?: number; mode: Mode }>;
  checkpoints: { file: string; bytes: number; is: string[] }[];
  files: { path: string; bytes: number; files?: number }[];
  mirrors: Record<string, unknown>[];
  commands: Record<string, string>;
  overrides: string[];
  config: Record<string, Cell>;
  versions: Record<string, string>;
  hardware: Record<string, Cell>;
  git: { commit?: string | null; dirty?: boolean } | null;
  data: Record<string, unknown>;
  model: Record<string, unknown>;
  attempts: { started_at: string; ended_at: string | null; seconds: number | null; status: string; cause: string | null }[];
  splits: { split: string; steps: number[] }[];
  evaluations: { split: string; step: number }[];
  has_system: boolean;
  resume: string | null;
  reproduce: string | null;
}

export interface Changed {
  ids: string[];
  removed: string[];
  runs: number;
  pending: number;
  version: number;
}
