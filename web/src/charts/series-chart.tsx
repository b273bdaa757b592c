/** Plain arrays over time or steps: system metrics and the like. */
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { Axis } from "../api";
import { color, dash } from "../colors";
import { bytes, value } from "../format";
import { dark } from "../theme";
import { Chart } from "./chart";
import type { Line, Numbers, Range } from "./line";

export interface SeriesChartProps {
  x: Numbers;
  series: readonly { label: string; values: readonly (number | null)[] | Numbers; color?: string }[];
  unit?: string; // "bytes" and "percent" are written as such, others after the number
  title: string;
  note?: string;
  axis?: Axis;
  height?: number;
  menu?: (close: () => void) => ComponentChildren;
}

export function SeriesChart({ x, series, unit = "", title, note, axis = "time", height = 180, menu }: SeriesChartProps) {
  const [range, setRange] = useState<Range | null>(null);
  const night = dark.value;
  const lines = useMemo<Line[]>(
    () =>
      series.map(({ label, values, color: given }, at) => {
        const y = Float64Array.from(values as ArrayLike<number | null>, (one) => one ?? NaN);
        return { id: label, label, color: given ?? color(at, night), dash: dash(at), x, y, low: y, high: y, raw: null };
      }),
    [x, series, night],
  );
  return (
    <Chart name={title} title={title} note={note} lines={lines} axis={axis} height={height} logX={false} logY={false} outliers range={range}
      onRange={setRange} unit={written(unit)} menu={menu} empty="Nothing recorded." />
  );
}

function written(unit: string): ((value: number) => string) | undefined {
  if (unit === "") return undefined;
  if (unit === "bytes") return (amount) => bytes(Math.max(0, amount));
  if (unit === "percent" || unit === "%") return (amount) => `${value(amount, 1)} %`;
  return (amount) => `${value(amount, 2)} ${unit}`;
}
