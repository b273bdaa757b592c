/** One metric of some runs over steps, epochs, tokens or time. */
import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { Axis } from "../api";
import { dark } from "../theme";
import { Failed } from "../ui/empty";
import { go, href, type Patch } from "../url";
import { Chart } from "./chart";
import type { Band } from "./groups";
import type { Line, Range } from "./line";
import { toLines } from "./lines";
import { useCurves } from "./use-curves";

export interface CurveChartProps {
  metric: string;
  x: Axis;
  params: Patch; // which runs: {runs: [...]} or {f, sort, limit}, as /api/curves takes them
  title?: ComponentChildren;
  note?: string;
  height?: number;
  points?: number; // at most this many per run
  smooth?: number; // 0 to 1
  logX?: boolean;
  logY?: boolean;
  outliers?: boolean; // false: the y range ignores the outer 1 % on each side
  range?: Range | null; // with onRange: which part of x is shown; without, the chart keeps it
  onRange?: (range: Range | null) => void;
  groups?: ReadonlyMap<string, string>; // run id -> title of its group: mean with a band
  band?: Band;
  hidden?: ReadonlySet<string>;
  colorOf?: (id: string, index: number) => string;
  order?: ReadonlyMap<string, number>; // id -> place in the list of colours
  focus?: Signal<string | null>; // shared by charts that highlight together
  legend?: boolean;
  menu?: (close: () => void) => ComponentChildren;
}

/** Points to ask for: about one per pixel, in steps so that small changes of size ask nothing. Each has its minimum and maximum. */
export const pointsFor = (width: number, most = 2000) => Math.min(most, Math.max(200, Math.ceil(width / 200) * 200));

export function CurveChart(props: CurveChartProps) {
  const { metric, x, params, smooth = 0, logX = false, logY = false, outliers = true, groups, band, hidden, colorOf, order } = props;
  const [own, setOwn] = useState<Range | null>(null);
  const [points, setPoints] = useState(0);
  const range = props.onRange ? (props.range ?? null) : own;
  const { data, error, loading, reload } = useCurves(points ? { ...params, metric, x, points, from: range?.[0], to: range?.[1] } : null);
  const night = dark.value;
  const lines = useMemo(
    () => (data ? toLines(data.series, { smooth, dark: night, groups, band, hidden, colorOf, order }) : []),
    [data, smooth, night, groups, band, hidden, colorOf, order],
  );
  if (error && !data) return <Failed error={error} retry={reload} />;
  const open = (line: Line) => go(href(`/run/${encodeURIComponent(line.id)}`));
  return (
    <Chart name={metric} title={props.title ?? metric} note={props.note} lines={lines} axis={x} height={props.height ?? 260} logX={logX} logY={logY}
      outliers={outliers} range={range} onRange={props.onRange ?? setOwn} onPick={groups ? undefined : open} focus={props.focus} legend={props.legend}
      menu={props.menu} busy={loading && data !== null} onWidth={(width) => setPoints(Math.max(points, pointsFor(width, props.points)))}
      empty={data ? empty(metric, x, data.series.length) : "…"} />
  );
}

function empty(metric: string, x: Axis, runs: number): string {
  if (x === "tokens" && runs) return "These runs did not count training tokens; choose another x axis.";
  return runs ? `No points of ${metric} here.` : `No run here recorded ${metric}.`;
}
