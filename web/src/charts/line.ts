/** What every chart draws: lines of points ordered by x, each with the span of values that a point stands for. */
import { quantile, type Scale } from "./scale";

export type Numbers = Float64Array | Float32Array | readonly number[];
export type Range = readonly [number, number];

export interface Line {
  id: string;
  label: string;
  color: string;
  dash: readonly number[];
  x: Numbers;
  y: Numbers;
  low: Numbers; // the same array as y where a point is one value
  high: Numbers;
  raw: Numbers | null; // y before it was smoothed
  counts?: Numbers; // of a group: how many runs each point is the mean of
}

/** First index whose x is not below `wanted`. */
export function lowerBound(x: Numbers, wanted: number): number {
  let from = 0, to = x.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (x[middle]! < wanted) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Indices [from, to) to draw for `range`: the points inside it and one on each side, so that lines reach the frame. */
export function visible(x: Numbers, range: Range): [number, number] {
  const from = lowerBound(x, range[0]);
  let to = lowerBound(x, range[1]);
  while (to < x.length && x[to]! === range[1]) to++;
  return [Math.max(0, from - 1), Math.min(x.length, to + 1)];
}

/** Smallest and largest x of all lines; null where there is no point. A log axis begins at the smallest positive x. */
export function extent(lines: readonly Line[], log: boolean): Range | null {
  let low = Infinity, high = -Infinity;
  for (const { x } of lines) {
    const first = log ? lowerBound(x, Number.MIN_VALUE) : 0;
    if (first >= x.length) continue;
    low = Math.min(low, x[first]!);
    high = Math.max(high, x[x.length - 1]!);
  }
  if (!(low <= high)) return null;
  if (low < high) return [low, high];
  return log ? [low / 2, high * 2] : [low - Math.max(0.5, Math.abs(low) * 0.05), high + Math.max(0.5, Math.abs(high) * 0.05)];
}

export interface Fit {
  scale: Scale;
  leftOut: number; // points that a log axis cannot show
  beyond: number; // values outside the scale because outliers are ignored
}

/**
 * The y scale that fits what is seen inside `range`: minima and maxima too, so that no spike is cut. Without `outliers`
 * it spans the 1st to the 99th percentile. Null where nothing can be shown.
 */
export function fit(lines: readonly Line[], range: Range, { log = false, outliers = true } = {}): Fit | null {
  const values: number[] = [];
  let low = Infinity, high = -Infinity, leftOut = 0;
  const take = (value: number) => {
    if (!Number.isFinite(value) || (log && value <= 0)) return;
    if (value < low) low = value;
    if (value > high) high = value;
    if (!outliers) values.push(value);
  };
  for (const line of lines) {
    const first = lowerBound(line.x, range[0]);
    for (let i = first; i < line.x.length && line.x[i]! <= range[1]; i++) {
      if (log && line.y[i]! <= 0) leftOut++;
      take(line.y[i]!);
      if (line.raw) take(line.raw[i]!);
      if (line.low !== line.y) {
        take(line.low[i]!);
        take(line.high[i]!);
      }
    }
  }
  if (low > high) return null;
  let beyond = 0;
  if (!outliers && values.length > 20) {
    const sorted = Float64Array.from(values).sort();
    low = quantile(sorted, 0.01);
    high = quantile(sorted, 0.99);
    beyond = lowerBound(sorted, low) + (sorted.length - lowerBound(sorted, high + Number.EPSILON * Math.abs(high)));
  }
  return { scale: { ...padded(low, high, log), log }, leftOut, beyond };
}

/** A little air above and below; a single value stands in the middle. */
function padded(low: number, high: number, log: boolean): { min: number; max: number } {
  if (log) {
    const air = low === high ? 2 : (high / low) ** 0.04;
    return { min: low / air, max: high * air };
  }
  const air = low === high ? Math.max(Math.abs(low) * 0.1, 1e-6) : (high - low) * 0.04;
  return { min: low - air, max: high + air };
}
