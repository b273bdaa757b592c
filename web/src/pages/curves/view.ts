/** The state of the page as it stands in the address. */
import type { Axis } from "../../api";
import type { Band } from "../../charts/groups";
import type { Range } from "../../charts/line";
import { splitList } from "../../url";

export const AXES: readonly Axis[] = ["step", "epoch", "tokens", "time"];
export const MOST = 200; // runs on one page

export interface View {
  runs: string[]; // those chosen one by one; empty: those that match the filter
  metrics: string[];
  sizes: string[];
  x: Axis;
  smooth: number;
  logX: boolean;
  logY: boolean;
  outliers: boolean;
  range: Range | null;
  linked: boolean;
  group: string; // "", "recipe", or keys joined by commas
  band: Band;
  hidden: string[];
  archived: boolean;
}

export function viewOf(params: URLSearchParams): View {
  const numberOf = (key: string) => (params.has(key) ? Number(params.get(key)) : NaN);
  const from = numberOf("from"), to = numberOf("to"), smooth = numberOf("smooth");
  const runs = splitList(params.get("runs"));
  return {
    runs: (runs.length ? runs : splitList(params.get("sel"))).slice(0, MOST),
    metrics: splitList(params.get("m")),
    sizes: splitList(params.get("size")),
    x: AXES.find((axis) => axis === params.get("x")) ?? "step",
    smooth: smooth > 0 ? Math.min(smooth, 0.999) : 0,
    logX: params.get("logx") === "1",
    logY: params.get("logy") === "1",
    outliers: params.get("outliers") !== "ignore",
    range: from < to ? [from, to] : null,
    linked: params.get("zoom") !== "own",
    group: params.get("group") ?? "",
    band: params.get("band") === "range" ? "range" : "sd",
    hidden: splitList(params.get("hide")),
    archived: params.get("archived") === "1",
  };
}

const short = (value: number) => Number(value.toPrecision(7));

export const rangeParams = (range: Range | null) => ({ from: range && short(range[0]), to: range && short(range[1]) });
