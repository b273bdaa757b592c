/** From values to pixels, and the ticks of an axis. */
import type { Axis } from "../api";

export interface Scale {
  min: number;
  max: number;
  log: boolean;
}

/** value -> pixel: `min` lies at `from`, `max` at `to`. A log scale gives NaN for what it cannot show. */
export function placing(scale: Scale, from: number, to: number): (value: number) => number {
  const bend = scale.log ? Math.log : (value: number) => value;
  const low = bend(scale.min);
  const factor = (to - from) / (bend(scale.max) - low || 1);
  if (!scale.log) return (value) => from + (value - low) * factor;
  return (value) => (value > 0 ? from + (Math.log(value) - low) * factor : NaN);
}

/** pixel -> value: the inverse of `placing`. */
export function valueAt(scale: Scale, from: number, to: number, pixel: number): number {
  const part = (pixel - from) / (to - from);
  if (!scale.log) return scale.min + part * (scale.max - scale.min);
  return scale.min * (scale.max / scale.min) ** part;
}

/** Linear between the two neighbours, as numpy.quantile does by default. `sorted` ascends. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)]!, high = sorted[Math.ceil(at)]!;
  return low + (high - low) * (at - Math.floor(at));
}

const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

/** The distance of about `wanted` ticks: 1, 2 or 5 times a power of ten; of seconds, whole minutes, hours and days. */
export function tickStep(span: number, wanted: number, kind: Axis | "value" = "value"): number {
  const rough = span / Math.max(1, wanted);
  if (kind === "time" && rough >= 1) return SECONDS.find((step) => step >= rough) ?? 604800 * Math.ceil(rough / 604800);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((one) => one * power >= rough * (1 - 1e-9)) ?? 10);
  return kind === "step" || kind === "tokens" ? Math.max(1, step) : step;
}

export function ticks(scale: Scale, wanted: number, kind: Axis | "value" = "value"): number[] {
  const { min, max } = scale;
  if (!(max > min)) return [min];
  if (scale.log) return logTicks(min, max, wanted);
  const step = tickStep(max - min, wanted, kind);
  const found: number[] = [];
  for (let at = Math.ceil(min / step - 1e-9); at * step <= max + step * 1e-9; at++) found.push(round(at * step, step));
  return found;
}

/** Powers of ten, thinned to about `wanted`; with 2 and 5 between them where there is room; linear inside one decade. */
function logTicks(min: number, max: number, wanted: number): number[] {
  const first = Math.floor(Math.log10(min)), last = Math.ceil(Math.log10(max));
  const inside = (value: number) => value >= min * (1 - 1e-9) && value <= max * (1 + 1e-9);
  const decades = Math.log10(max / min);
  if (decades < 0.7) return ticks({ min, max, log: false }, wanted).filter((value) => value > 0);
  const every = Math.max(1, Math.ceil(decades / wanted));
  const factors = decades * 3 <= wanted + 1 ? [1, 2, 5] : decades * 2 <= wanted + 1 ? [1, 3] : [1];
  const found: number[] = [];
  for (let power = first; power <= last; power++) {
    if (power % every !== 0) continue;
    for (const factor of factors) if (inside(factor * 10 ** power)) found.push(Number(`${factor}e${power}`));
  }
  return found;
}

/** 0.30000000000000004 -> 0.3 */
function round(value: number, step: number): number {
  const digits = Math.max(0, Math.ceil(-Math.log10(step)) + 1);
  return digits > 15 ? value : Number(value.toFixed(digits)) + 0;
}

const BIG: readonly [number, string][] = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];

/** Labels for ticks: as few digits as tell them apart; "20k", "1.5M"; seconds as "1h 30m". */
export function tickTexts(values: readonly number[], kind: Axis | "value" = "value"): string[] {
  if (kind === "time") return values.map(clock);
  const largest = Math.max(...values.map(Math.abs), 0);
  const gaps = values.slice(1).map((value, at) => Math.abs(value - values[at]!));
  const step = gaps.length ? Math.min(...gaps) : largest || 1;
  if (largest > 0 && largest < 1e-3) {
    const digits = digitsOf(step / 10 ** Math.floor(Math.log10(largest)));
    return values.map((value) => (value === 0 ? "0" : trimmed(value.toExponential(digits))));
  }
  return values.map((value) => {
    const size = Math.abs(value);
    if (size >= 1e15) return value.toExponential(1);
    const [unit, letter] = (largest >= 1e4 && BIG.find(([one]) => size >= one)) || [1, ""];
    if (size > 0 && size < 1e-3 && step < 1e-3 && largest / size >= 10) return trimmed(value.toExponential(0));
    return Number((value / unit).toFixed(Math.max(digitsOf(step / unit), size > 0 && size < 1 && unit === 1 ? digitsOf(size) : 0))).toString() + letter;
  });
}

const digitsOf = (step: number) => Math.min(12, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
const trimmed = (text: string) => text.replace("e+", "e");

/** 90 -> "1m 30s", 7200 -> "2h", 0.5 -> "0.5s" */
export function clock(seconds: number): string {
  if (seconds !== 0 && Math.abs(seconds) < 1) return `${Number(seconds.toPrecision(2))}s`;
  let left = Math.round(Math.abs(seconds));
  const parts: string[] = [];
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]] as const) {
    const count = Math.floor(left / size);
    left %= size;
    if (count) parts.push(`${count}${unit}`);
    else if (parts.length) break;
  }
  return (seconds < 0 ? "-" : "") + (parts.slice(0, 2).join(" ") || "0s");
}
