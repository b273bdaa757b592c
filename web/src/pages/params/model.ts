/** The server's answer as what the page draws: axes, where each run crosses them, colours. */
import type { Cell, Mode } from "../../api";
import { axisOf, crossings, shade, UNSET, type Crossings, type ParamAxis } from "./axes";

export interface ParamKey {
  key: string;
  kind: "number" | "text" | "bool";
  importance: number | null;
  runs: number;
  values: string[];
}

export interface ParamRun {
  id: string;
  name: string | null;
  values: Cell[];
  metric: number | null;
}

export interface Params {
  metric: string;
  mode: Mode;
  keys: ParamKey[];
  runs: ParamRun[];
  total: number; // runs that match
  method: string;
}

export interface Model {
  metric: string;
  axes: ParamAxis[]; // the keys, then the metric
  runs: ParamRun[]; // with a metric, the worst first, so that the best is drawn last
  rows: Cell[][]; // values by axis
  crossings: Crossings;
  colors: string[];
  without: number; // runs that have no value of the metric
}

const FIRST = 6;

/** What is shown before anyone has chosen: the keys that explain most of the metric, then those of most runs. */
export function usualKeys(keys: readonly ParamKey[]): string[] {
  return [...keys].sort((a, b) => (b.importance ?? -1) - (a.importance ?? -1) || b.runs - a.runs).slice(0, FIRST).map(({ key }) => key);
}

export function modelOf(params: Params, keys: readonly string[], dark: boolean): Model {
  const columns = keys.map((key) => params.keys.findIndex((one) => one.key === key)).filter((at) => at >= 0);
  const better = params.mode === "min" ? -1 : 1;
  const runs = params.runs.filter(({ metric }) => metric !== null && Number.isFinite(metric)).sort((a, b) => better * (a.metric! - b.metric!));
  const rows = runs.map((run) => [...columns.map((at) => run.values[at] ?? null), run.metric]);
  const axes = [...columns.map((at, axis) => axisOf(params.keys[at]!.key, rows.map((row) => row[axis]!))), axisOf(params.metric, runs.map(({ metric }) => metric))];
  const metric = axes.at(-1)!;
  const colors = runs.map((run) => {
    const place = metric.place(run.metric);
    return shade(place === UNSET ? 0 : better > 0 ? place : 1 - place, dark);
  });
  return { metric: params.metric, axes, runs, rows, crossings: crossings(rows, axes), colors, without: params.runs.length - runs.length };
}
