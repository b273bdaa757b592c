/** Smoothing that knows how far apart the points are. */
import type { Numbers } from "./line";

const SCALE = 1000; // a weight holds per thousandth of the span of x

/**
 * Time-weighted exponential moving average with bias correction, as Weights & Biases and TensorBoard define it:
 * s_i = (s_(i-1) w_i + y_i), d_i = (d_(i-1) w_i + 1), result s_i / d_i, w_i = min(sqrt(weight), 0.999)^(1000 dx / span).
 * `span` is the width of the x axis, so that runs of different length are smoothed alike. Gaps (NaN) stay gaps.
 */
export function smoothed(x: Numbers, y: Numbers, weight: number, span: number): Float64Array {
  const result = new Float64Array(y.length);
  const base = Math.min(Math.sqrt(weight), 0.999);
  let sum = 0, total = 0, before = NaN;
  for (let i = 0; i < y.length; i++) {
    if (!Number.isFinite(y[i]!)) {
      result[i] = NaN;
      continue;
    }
    const distance = Number.isNaN(before) || span <= 0 ? 0 : ((x[i]! - before) / span) * SCALE;
    const decay = base ** distance;
    sum = sum * decay + y[i]!;
    total = total * decay + 1;
    before = x[i]!;
    result[i] = sum / total;
  }
  return result;
}
