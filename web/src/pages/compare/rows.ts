/** Tables of the comparison, worked out: which rows differ, which value is best, how far from the base. */
import type { Mode } from "../../api";
import { bytes, count, duration, num, value, type Num } from "../../format";
import { exact } from "../../parts/exact";
import { inOrder } from "../../parts/metrics";
import type { Comparison, Head } from "./answer";

/** Rows to show: those that differ unless `all`, those that contain `query` in the key or a value. */
export function chosenRows<T extends { values: readonly unknown[]; differs: boolean }>(rows: readonly T[], name: (row: T) => string, { all, query }: { all: boolean; query: string }): T[] {
  const wanted = query.trim().toLowerCase();
  const holds = (row: T) => !wanted || [name(row), ...row.values.map(exact)].some((text) => text.toLowerCase().includes(wanted));
  return rows.filter((row) => (all || row.differs) && holds(row));
}

/** Places of the best values; none where fewer than two runs have one, or all are equal. */
export function bestAt(values: readonly Num[], mode: Mode): Set<number> {
  const numbers = values.map((one) => num(one));
  const finite = numbers.filter((one): one is number => one !== null && Number.isFinite(one));
  if (finite.length < 2) return new Set();
  const best = mode === "max" ? Math.max(...finite) : Math.min(...finite);
  if (finite.every((one) => one === best) && finite.length === values.length) return new Set();
  return new Set(numbers.flatMap((one, at) => (one === best ? [at] : [])));
}

export interface Delta {
  text: string;
  better: boolean | null; // null: the same, or nothing can be said
}

/** How far `given` is from the base run's value, and whether that is better by `mode`. */
export function delta(base: Num, given: Num, mode: Mode): Delta | null {
  const [from, to] = [num(base), num(given)];
  if (from === null || to === null || !Number.isFinite(from) || !Number.isFinite(to)) return null;
  const by = to - from;
  if (by === 0) return { text: "=", better: null };
  return { text: `${by > 0 ? "+" : "−"}${value(Math.abs(by))}`, better: by > 0 === (mode === "max") };
}

/** Whether the runs were tested on the same data, in words. */
export function dataVerdict({ data, runs }: Pick<Comparison, "data" | "runs">): { same: boolean; text: string } {
  const prints = data.map((one) => one.fingerprint);
  if (prints.some((one) => one === null)) return { same: false, text: "Not every run recorded a fingerprint of its data: nothing says whether the test sets are the same." };
  if (new Set(prints).size === 1) return { same: true, text: `${data.length === 2 ? "Both runs" : `All ${data.length} runs`} used the same data and splits: their results can be compared.` };
  const others = runs.filter((_, at) => prints[at] !== prints[0]).map(label);
  return { same: false, text: `Different data: ${others.join(", ")} ${others.length === 1 ? "was" : "were"} trained or tested on other examples than ${label(runs[0]!)}. Differences of metrics need not be the models'.` };
}

export const label = (run: Pick<Head, "id" | "name">): string => run.name ?? run.id;

/** Short names of columns: the name alone where it is the only one, else with the end of the id. */
export function columnNames(runs: readonly Pick<Head, "id" | "name">[]): string[] {
  const names = runs.map(label);
  return runs.map((run, at) => (run.name && names.filter((one) => one === names[at]).length > 1 ? `${run.name} ${run.id.slice(-6)}` : names[at]!));
}

export interface Row {
  name: string;
  values: string[];
  differs: boolean;
}

const row = (name: string, values: string[]): Row => ({ name, values, differs: new Set(values).size > 1 });

const whole = (given: unknown) => (typeof given === "number" ? given.toLocaleString("en-US") : "");

const seconds = (given: unknown) => (typeof given === "number" ? duration(given) : "");
const size = (given: unknown) => (typeof given === "number" ? bytes(given) : "");
const COSTS: readonly [string, string, (given: unknown) => string][] = [
  ["time", "seconds", (given) => duration(given as number | null)],
  ["steps", "steps", whole],
  ["training", "training_s", seconds],
  ["waiting for data", "waiting_s", seconds],
  ["evaluating", "evaluation_s", seconds],
  ["compiling", "compile_s", seconds],
  ["tokens/s", "tokens_per_s", (given) => value(given as Num, 0)],
  ["examples/s", "examples_per_s", (given) => value(given as Num, 1)],
  ["share of the machine's peak", "mfu", (given) => (typeof given === "number" ? `${(100 * given).toFixed(0)} %` : "")],
  ["memory", "memory_bytes", size],
  ["GPU memory", "gpu_memory_bytes", size],
  ["parameters", "parameters", whole],
  ["trained parameters", "trained", whole],
  ["attempts", "attempts", whole],
  ["machine", "host", exact],
  ["CPUs", "cpus", whole],
];

export function costRows(cost: Comparison["cost"]): Row[] {
  return COSTS.map(([name, key, shown]) => row(name, cost.map((one) => shown(one[key])))).filter((one) => one.values.some(Boolean));
}

export function codeRows(code: Comparison["code"]): Row[] {
  return [
    row("commit", code.map((one) => one.commit?.slice(0, 12) ?? "no repository")),
    row("uncommitted changes", code.map((one) => (one.dirty ? bytes(one.patch_bytes) : one.commit ? "none" : ""))),
  ];
}

export function dataRows(data: Comparison["data"]): Row[] {
  const splits = [...new Set(data.flatMap((one) => Object.keys(one.splits)))];
  return [
    row("fingerprint", data.map((one) => one.fingerprint?.slice(0, 12) ?? "none")),
    ...splits.map((split) => row(split, data.map((one) => (one.splits[split] === undefined || one.splits[split] === null ? "" : count(one.splits[split]!, "row"))))),
    ...splits.filter((split) => data.some((one) => one.tokens?.[split])).map((split) => row(`${split} tokens`, data.map((one) => whole(one.tokens?.[split])))),
  ];
}

/** Metrics that at least two runs have: losses first, then the others in their order; what is measured once (test) last. */
export function sharedMetrics(metrics: Comparison["metrics"]): string[] {
  const shared = metrics.filter((one) => one.last.filter((each) => each !== null && each !== undefined).length > 1).map((one) => one.key);
  const rank = (key: string) => (key.startsWith("test/") ? 2 : key.endsWith("/loss") ? 0 : 1);
  return inOrder(shared).sort((a, b) => rank(a) - rank(b));
}

/** `runs` with the one at `from` moved to `to`. */
export function moved(runs: readonly string[], from: number, to: number): string[] {
  const next = [...runs];
  next.splice(to, 0, ...next.splice(from, 1));
  return next;
}
