/** Columns of the table of runs: what they are called and which are shown when nobody chose. Pure. */
import type { Cell, ConfigKey, Keys, MetricKey, Mode, RunRow } from "../../api";
import { keyParts } from "../../format";

export interface Column {
  key: string; // as in the filter language; "progress" is the one that only the page knows
  kind: "field" | "config" | "metric";
  prefix: string;
  label: string;
  numeric: boolean;
  mode: Mode | null; // of metrics
  width: number;
}

const FIELDS: Record<string, { label: string; width: number; numeric?: boolean }> = {
  project: { label: "project", width: 110 },
  created: { label: "created", width: 104, numeric: true },
  seconds: { label: "duration", width: 98, numeric: true },
  progress: { label: "progress", width: 132 },
  step: { label: "step", width: 76, numeric: true },
  steps: { label: "steps", width: 76, numeric: true },
  seed: { label: "seed", width: 62, numeric: true },
  tag: { label: "tags", width: 130 },
  notes: { label: "notes", width: 200 },
  id: { label: "id", width: 210 },
  recipe: { label: "recipe", width: 110 },
  host: { label: "host", width: 110 },
  commit: { label: "commit", width: 100 },
  data: { label: "data", width: 100 },
  archived: { label: "archived", width: 84 },
};

/** Fields a column can show beside the status and the name, which are always there. */
export const FIELD_KEYS = Object.keys(FIELDS);

const AGGREGATE = /^(last|min|max|best)\((.+)\)$/s;
const PLAIN = /^[^\s"'=<>~!(),\\]+$/;
const MISREAD = /^(config|metric)\.|\.(last|min|max|best)$|^-/; // what a plain metric name would be taken for
const quote = (name: string) => `"${name.replace(/[\\"]/g, "\\$&")}"`;

/** A config key as the filter language writes it: odd names are quoted. */
export function configKey(key: string): string {
  return PLAIN.test(key) ? key : `config.${quote(key.slice("config.".length))}`;
}

/** The name of a metric without what is done with it: `last(metric."my loss")` -> `my loss`. */
export function metricName(key: string): string {
  const inside = AGGREGATE.exec(key)?.[2] ?? key;
  const quoted = /^metric\."((?:[^"\\]|\\.)*)"$/s.exec(inside);
  return quoted ? quoted[1]!.replace(/\\(.)/gs, "$1") : inside.replace(/^metric\./, "");
}

export type Aggregate = "best" | "last" | "min" | "max";

/** How a metric is written as a column: its best value plainly, others as `last(name)`. */
export function metricKey(name: string, aggregate: Aggregate = "best"): string {
  const safe = PLAIN.test(name) && !MISREAD.test(name) && !(name in FIELDS) && !["name", "status", "tags"].includes(name);
  const written = safe ? name : `metric.${quote(name)}`;
  return aggregate === "best" ? written : `${aggregate}(${written})`;
}

export function aggregateOf(key: string): Aggregate {
  return (AGGREGATE.exec(key)?.[1] as Aggregate | undefined) ?? "best";
}

const textWidth = (characters: number) => Math.round(characters * 8.5 + 24);
const between = (low: number, number: number, high: number) => Math.min(high, Math.max(low, number));

/** A class by its name and a path by its end: what tells them apart. */
export function shortText(key: string, text: string): string {
  if (key.endsWith("._target_")) {
    const parts = text.split(".");
    return /^[A-Z]/.test(parts.at(-1)!) ? parts.at(-1)! : parts.slice(-2).join(".");
  }
  const parts = text.split("/");
  return /^(\/|[a-z]+:|\.\.?\/|~)/.test(text) && parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : text;
}

/** All about the column `key`; a key that no run has is a column too, an empty one. */
export function column(key: string, known: Keys | null): Column {
  const field = FIELDS[key];
  if (field) return { key, kind: "field", prefix: "", label: field.label, numeric: field.numeric ?? false, mode: null, width: field.width };
  if (key.startsWith("config.")) {
    const [prefix, label] = keyParts(key.replace(/^config\."(.*)"$/s, "$1").replace(/\._target_$/, "")); // the class stands for the part
    const found = known?.keys.find((one) => configKey(one.key) === key);
    const numeric = found?.kind === "number";
    const longest = Math.max(0, ...(found?.values ?? []).map((value) => shortText(key, String(value)).length));
    const wide = Math.max(textWidth(label.length), numeric ? 76 : between(70, textWidth(longest), 170));
    return { key, kind: "config", prefix, label, numeric, mode: null, width: between(70, wide, 190) };
  }
  const name = metricName(key);
  const aggregate = AGGREGATE.exec(key)?.[1];
  const [prefix, label] = keyParts(name);
  const shown = aggregate && aggregate !== "best" ? `${label} (${aggregate})` : label;
  const mode = known?.metrics.find((one) => one.key === name)?.mode ?? null;
  return { key, kind: "metric", prefix, label: shown, numeric: true, mode, width: between(84, textWidth(shown.length), 200) };
}

const NOT_COMPARED = /(^|[._])(seed|name|project|tags|notes|runs_dir|run_dir|output_dir|threads|num_workers|workers|device)$/;
const TOLD_FIRST: readonly RegExp[] = [
  /\.(task|model|adapter)\._target_$|\.model\.(path|name|architecture)$/,
  /\.(lr|learning_rate|batch\.size|batch_size|dropout|weight_decay|max_epochs|optimizer\._target_|width|layers|vocab_size)$/,
];
const DULL_METRIC = /(^perf\/|tokens|seconds|time|epoch|(^|\/)lr|grad_norm|memory|samples_per|per_s|examples)/;
const SECOND_METRIC = /(precision|recall|calibration|_micro|hamming|roc_auc|best_)/; // seldom what a run is chosen by

/** Keys that tell the same story: equal in number of values and, as far as known, in the values themselves. */
function twins(one: ConfigKey, other: ConfigKey): boolean {
  return one.distinct === other.distinct && one.runs === other.runs && JSON.stringify(one.values) === JSON.stringify(other.values);
}

/** Config keys that differ, the telling ones first: those of most runs, of well-known names, of few values. */
export function differing(keys: readonly ConfigKey[], limit = 6): string[] {
  const runs = Math.max(0, ...keys.map((one) => one.runs));
  const differ = keys.filter(
    (one) => one.distinct > 1 && !NOT_COMPARED.test(one.key) && !(one.kind === "text" && one.distinct === runs && runs > 4),
  );
  const told = (key: string) => TOLD_FIRST.findIndex((names) => names.test(key));
  const rank = (one: ConfigKey) =>
    (one.runs >= 0.6 * runs ? 0 : 6) + (told(one.key) < 0 ? 4 : 2 * told(one.key)) + (one.distinct > Math.max(12, runs / 2) ? 1 : 0);
  const ordered = differ.map((one, at) => ({ one, at })).sort((a, b) => rank(a.one) - rank(b.one) || a.at - b.at);
  const kept: ConfigKey[] = [];
  for (const { one } of ordered) if (kept.length < limit && !kept.some((other) => twins(one, other))) kept.push(one);
  return kept.map((one) => configKey(one.key));
}

/** All keys that differ, those that tell something first. */
export function byTelling(keys: readonly ConfigKey[]): ConfigKey[] {
  const first = differing(keys, keys.length);
  const place = (one: ConfigKey) => (first.indexOf(configKey(one.key)) + 1 || first.length + 1);
  return keys.filter((one) => one.distinct > 1).sort((a, b) => place(a) - place(b));
}

/** Metrics worth a column: of validation and test before others, scores before losses, of many runs before of few. */
export function telling(metrics: readonly MetricKey[], limit = 5): string[] {
  const rank = (key: string) => (/^(val|valid|validation|dev)\//.test(key) ? 0 : /^test\//.test(key) ? 1 : 3) + (/loss|nll/.test(key) ? 0.5 : SECOND_METRIC.test(key) ? 1.2 : 0);
  const runs = Math.max(0, ...metrics.map((one) => one.runs));
  const found = metrics.filter((one) => !DULL_METRIC.test(one.key));
  const common = (one: MetricKey) => (one.runs >= runs / 4 ? 0 : one.runs >= runs / 10 ? 1 : 2);
  const ordered = [...found].sort((a, b) => common(a) - common(b) || rank(a.key) - rank(b.key) || b.runs - a.runs || a.key.localeCompare(b.key));
  return ordered.slice(0, limit).map((one) => metricKey(one.key));
}

/** The columns of a table that nobody arranged: what differs, how good, at what cost. */
export function defaultColumns(known: Keys | null, narrow = false): string[] {
  if (!known) return narrow ? [] : ["seconds", "created"];
  if (narrow) return [...telling(known.metrics, 1), ...differing(known.keys, 1), "created"];
  const projects = known.keys.find((one) => one.key === "config.project")?.distinct ?? known.projects.length;
  const project = projects > 1 ? ["project"] : [];
  return [...project, ...differing(known.keys), ...telling(known.metrics), "seconds", "created"];
}

const OF_ROW: Record<string, (row: RunRow) => Cell> = {
  project: (row) => row.project,
  created: (row) => row.created_at,
  seconds: (row) => row.seconds,
  progress: (row) => row.step,
  step: (row) => row.step,
  steps: (row) => row.steps,
  seed: (row) => row.seed,
  tag: (row) => row.tags.join(", "),
  notes: (row) => row.notes,
  id: (row) => row.id,
  recipe: (row) => row.recipe,
  archived: (row) => row.archived,
};

/**
 * The columns the server is asked for: a row brings most fields by itself, a group brings none. What no run has is not
 * asked for, since the server would refuse the whole question.
 */
export function asked(keys: readonly string[], known: Keys | null, grouped: boolean): string[] {
  const names = new Set([...(known?.keys ?? []).map((one) => configKey(one.key)), ...(known?.metrics ?? []).map((one) => one.key)]);
  const there = (key: string) => key in FIELDS || names.has(key.startsWith("config.") ? key : metricName(key));
  const sent = keys.filter((key) => there(key) && (grouped || !(key in OF_ROW)));
  return [...new Set(sent.map((key) => (key === "progress" ? "step" : key)))];
}

/** What `row` has in the column `key`; `cells` are the columns that were asked for, in order. */
export function cellOf(row: RunRow, key: string, cells: readonly string[]): Cell {
  return OF_ROW[key]?.(row) ?? row.cells[cells.indexOf(key)] ?? null;
}

/** `keys` with `key` at place `to`. */
export function moved(keys: readonly string[], key: string, to: number): string[] {
  const rest = keys.filter((one) => one !== key);
  const at = between(0, to, rest.length);
  return [...rest.slice(0, at), key, ...rest.slice(at)];
}

/** Pinned columns first, in their own order. */
export function pinnedFirst(keys: readonly string[], pinned: readonly string[]): string[] {
  return [...keys.filter((key) => pinned.includes(key)), ...keys.filter((key) => !pinned.includes(key))];
}
