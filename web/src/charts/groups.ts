/** Several runs as one line: their mean, and how far they lie apart. */
import type { Curve } from "../api";
import { lowerBound, type Numbers } from "./line";

export type Band = "sd" | "range";

export interface Mean {
  x: Float64Array;
  mean: Float64Array;
  low: Float64Array;
  high: Float64Array;
  counts: Float64Array; // runs that reach this x
}

/** y at `x` on the straight line between the neighbours; NaN outside the points and beside a gap. */
export function interpolated(xs: Numbers, ys: Numbers, x: number): number {
  const at = lowerBound(xs, x);
  if (at >= xs.length) return NaN;
  if (xs[at] === x) return ys[at]!;
  if (at === 0) return NaN;
  const part = (x - xs[at - 1]!) / (xs[at]! - xs[at - 1]!);
  return ys[at - 1]! + part * (ys[at]! - ys[at - 1]!);
}

/** The x of all runs where they are few (validation points), else `points` evenly spaced ones over their whole range. */
export function grid(curves: readonly Curve[], points: number): Float64Array {
  const all = new Set<number>();
  for (const { x } of curves) for (const at of x) if (all.size <= points) all.add(at);
  if (all.size <= points) return Float64Array.from(all).sort();
  const low = Math.min(...curves.map(({ x }) => x[0] ?? Infinity)), high = Math.max(...curves.map(({ x }) => x[x.length - 1] ?? -Infinity));
  return Float64Array.from({ length: points }, (_, at) => low + ((high - low) * at) / (points - 1));
}

/**
 * Mean over runs at every x of a common grid, each run inside its own range only. The band is the mean plus and minus
 * the sample standard deviation (0 where one run is left), or from the smallest to the largest value.
 */
export function averaged(curves: readonly Curve[], band: Band, points = 400): Mean {
  const x = grid(curves, points);
  const make = () => new Float64Array(x.length).fill(NaN);
  const result: Mean = { x, mean: make(), low: make(), high: make(), counts: new Float64Array(x.length) };
  for (const [at, place] of x.entries()) {
    let n = 0, mean = 0, squares = 0, low = Infinity, high = -Infinity;
    for (const curve of curves) {
      const value = interpolated(curve.x, curve.mean, place);
      if (!Number.isFinite(value)) continue;
      n++;
      const before = value - mean; // Welford's update
      mean += before / n;
      squares += before * (value - mean);
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    if (n === 0) continue;
    const sd = n > 1 ? Math.sqrt(squares / (n - 1)) : 0;
    result.counts[at] = n;
    result.mean[at] = mean;
    result.low[at] = band === "sd" ? mean - sd : low;
    result.high[at] = band === "sd" ? mean + sd : high;
  }
  return result;
}
