/** What the page of a run says, worked out from what was recorded. */
import type { RunDetail } from "../../api";
import { count, num, type Num } from "../../format";

export interface MetricRow {
  name: string;
  last: Num;
  lastStep: number | null;
  best: Num;
  bestStep: number | null;
  mode: "min" | "max";
}

/** Every metric with its last value and its best. */
export function metricRows({ summary }: Pick<RunDetail, "summary">): MetricRow[] {
  return Object.entries(summary).map(([name, one]) => {
    const { mode } = one;
    return { name, last: one.last, lastStep: one.last_step ?? null, mode, best: one[mode], bestStep: one[`${mode}_step`] ?? null };
  });
}

export interface SplitFacts {
  split: string;
  rows: number | null;
  tokens: number | null;
  dropped: number;
  duplicates: number;
  labels: [string, number][];
}

interface Recorded {
  tokens?: Record<string, number>;
  splits?: Record<string, { rows?: number; dropped_empty?: number; dropped_label?: number; duplicates?: number; label_counts?: Record<string, number> }>;
  duplicates_across?: { splits: string[]; count: number }[];
  cut_texts?: Record<string, number>;
  checks?: { warnings?: string[]; near_duplicates?: { count: number }[]; shortcuts?: { large: boolean }[] };
}

export function splitFacts(data: Record<string, unknown>): SplitFacts[] {
  const { splits = {}, tokens = {} } = data as Recorded;
  return Object.entries(splits).map(([split, one]) => ({
    split,
    rows: one.rows ?? null,
    tokens: tokens[split] ?? null,
    dropped: (one.dropped_empty ?? 0) + (one.dropped_label ?? 0),
    duplicates: one.duplicates ?? 0,
    labels: Object.entries(one.label_counts ?? {}),
  }));
}

/** What a reader of results has to know of the data, as sentences; an overlap of splits is grave. */
export function dataWarnings(data: Record<string, unknown>): { text: string; grave: boolean }[] {
  const { duplicates_across: across = [], cut_texts: cut = {}, checks = {} } = data as Recorded;
  const found = across.filter((one) => one.count > 0).map((one) => ({
    text: `${count(one.count, "example")} of ${one.splits.at(-1)} ${one.count === 1 ? "is" : "are"} also in ${one.splits[0]}`, grave: true,
  }));
  const { warnings = [], near_duplicates: near = [], shortcuts = [] } = checks;
  const graver = near.filter((one) => one.count > 0).length + shortcuts.filter((one) => one.large).length; // their sentences come first
  warnings.forEach((text, at) => found.push({ text, grave: at < graver }));
  for (const one of splitFacts(data)) {
    if (one.duplicates) found.push({ text: `${count(one.duplicates, "duplicate")} within ${one.split}`, grave: false });
    if (one.dropped) found.push({ text: `${count(one.dropped, "row")} of ${one.split} left out (empty or without a known label)`, grave: false });
  }
  for (const [split, n] of Object.entries(cut)) if (n) found.push({ text: `${count(n, "text")} of ${split} cut to the maximum length`, grave: false });
  return found;
}

/** "1,234 of 5,678 (22%) trained". */
export function parameters(model: Record<string, unknown>): { all: number; trained: number; frozen: number; share: number } | null {
  const [all, trained] = [num(model["parameters"] as Num), num(model["trained"] as Num)];
  if (all === null || trained === null) return null;
  return { all, trained, frozen: all - trained, share: all ? trained / all : 0 };
}

/** Commands to copy, the ones asked for most first. */
export function commands(run: Pick<RunDetail, "commands" | "resume" | "reproduce">): [string, string][] {
  const all = new Map<string, string>();
  if (run.resume) all.set("resume", run.resume);
  if (run.reproduce) all.set("reproduce", run.reproduce);
  for (const [name, text] of Object.entries(run.commands)) if (!all.has(name)) all.set(name, text);
  return [...all];
}
