/** Scales of parameters: numbers linear or logarithmic, all else spread evenly; and what brushes on them leave. Pure. */
import type { Cell } from "../../api";
import { cell } from "../../format";
import { placing, tickTexts, ticks, type Scale } from "../../charts/scale";

export interface ParamAxis {
  key: string;
  kind: "linear" | "log" | "category";
  scale: Scale;
  labels: readonly string[]; // of a category, from the bottom up
  few: readonly number[]; // the numbers themselves where they are few
  unset: boolean; // whether a run has no value
  place: (value: Cell) => number; // 0 at the bottom, 1 at the top; UNSET where there is no value
}

export const UNSET = -0.08; // below the axis
const FEW = 8;
const WIDE = 100; // numbers that span more than this factor, most of them crowded at the small end, are spread by their logarithm

export function axisOf(key: string, values: readonly Cell[]): ParamAxis {
  const set = values.filter((value) => value !== null);
  const numbers = set.filter((value) => typeof value === "number");
  const unset = set.length < values.length;
  if (set.length && numbers.length === set.length) {
    const low = numbers.reduce((a, b) => Math.min(a, b)), high = numbers.reduce((a, b) => Math.max(a, b));
    const distinct = [...new Set(numbers)].sort((a, b) => a - b);
    const log = low > 0 && high / low > WIDE && distinct[(distinct.length - 1) >> 1]! <= high / 10;
    const scale = low === high ? { min: low - (Math.abs(low) || 1), max: high + (Math.abs(high) || 1), log: false } : { min: low, max: high, log };
    const of = placing(scale, 0, 1);
    return { key, kind: log ? "log" : "linear", scale, labels: [], few: distinct.length <= FEW ? distinct : [], unset, place: (value) => (typeof value === "number" ? of(value) : UNSET) };
  }
  const labels = [...new Set(set.map(cell))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const places = new Map(labels.map((label, at) => [label, labels.length > 1 ? at / (labels.length - 1) : 0.5]));
  return { key, kind: "category", scale: { min: 0, max: 1, log: false }, labels, few: [], unset, place: (value) => (value === null ? UNSET : (places.get(cell(value)) ?? UNSET)) };
}

/** Where to write what along the axis, at most about `wanted` texts. */
export function marks({ kind, scale, labels, few }: ParamAxis, wanted: number): { at: number; text: string }[] {
  if (kind === "category") {
    const every = Math.max(1, Math.round(labels.length / Math.max(2, wanted)));
    return labels.map((text, at) => ({ at: labels.length > 1 ? at / (labels.length - 1) : 0.5, text })).filter((_, at) => at % every === 0);
  }
  const of = placing(scale, 0, 1);
  if (few.length) {
    const apart: { at: number; text: string }[] = [];
    for (const value of few) if (of(value) - (apart.at(-1)?.at ?? -1) >= 0.6 / wanted) apart.push({ at: of(value), text: brief(value) });
    return apart;
  }
  const values = ticks(scale, wanted);
  const texts = tickTexts(values);
  return values.map((value, at) => ({ at: of(value), text: texts[at]! }));
}

/** 0.00003 -> "3e-5", 0.1 -> "0.1", 1234.5678 -> "1235" */
function brief(value: number): string {
  const short = Number(value.toPrecision(4));
  return short !== 0 && Math.abs(short) < 1e-3 ? short.toExponential() : String(short);
}

/** Runs by axes, row after row: where each run crosses each axis. */
export interface Crossings {
  runs: number;
  axes: number;
  at: Float32Array;
}

export function crossings(rows: readonly (readonly Cell[])[], axes: readonly ParamAxis[]): Crossings {
  const at = new Float32Array(rows.length * axes.length);
  for (const [run, row] of rows.entries()) for (const [axis, { place }] of axes.entries()) at[run * axes.length + axis] = place(row[axis] ?? null);
  return { runs: rows.length, axes: axes.length, at };
}

export type Brushes = ReadonlyMap<string, readonly [number, number]>; // key -> from and to, as positions on its axis

/** Which runs cross every brushed axis inside its brush. */
export function inside({ runs, axes: width, at }: Crossings, axes: readonly ParamAxis[], brushes: Brushes): boolean[] {
  const set = axes.flatMap(({ key }, axis) => (brushes.has(key) ? [[axis, ...brushes.get(key)!] as const] : []));
  return Array.from({ length: runs }, (_, run) => set.every(([axis, low, high]) => {
    const place = at[run * width + axis]!;
    return place >= low - 1e-6 && place <= high + 1e-6;
  }));
}

/** The run whose line passes nearest to a point between the axes: `x` in axes (1.5: between the second and third), `y` a position. */
export function nearestRun({ runs, axes, at }: Crossings, x: number, y: number, reach: number, among?: readonly boolean[]): number | null {
  const left = Math.max(0, Math.min(axes - 2, Math.floor(x))), part = Math.max(0, Math.min(1, x - left));
  let best = -1, distance = reach;
  for (let run = 0; run < runs; run++) {
    if (among && !among[run]) continue;
    const from = at[run * axes + left]!, to = at[run * axes + Math.min(axes - 1, left + 1)]!;
    const away = Math.abs(from + (to - from) * part - y);
    if (away < distance) [best, distance] = [run, away];
  }
  return best < 0 ? null : best;
}

const PLAIN = new Set(["name", "path", "kind", "type", "size", "_target_", "weight"]);

/** What an axis is called where there is little room: the last part of its key, or two where one says nothing. */
export function axisName(key: string): string {
  const parts = key.replace(/^config\./, "").split(".");
  return parts.slice(PLAIN.has(parts.at(-1)!) ? -2 : -1).join(".");
}

/** How far points of equal value may be spread on the axis, as a part of it. */
export function spreading({ kind, labels, few, place }: ParamAxis): number {
  if (kind === "category") return 0.5 / Math.max(1, labels.length);
  if (few.length < 2) return few.length ? 0.3 : 0;
  const gaps = few.slice(1).map((value, at) => place(value) - place(few[at]!));
  return Math.min(0.12, 0.6 * Math.min(...gaps));
}

/** A number between -0.5 and 0.5 that is always the same for the same text: spreads points of equal value apart. */
export function jitter(text: string): number {
  let hash = 2166136261;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 16777619);
  hash ^= hash >>> 15;
  return ((Math.imul(hash, 2246822519) >>> 0) / 2 ** 32) - 0.5;
}

export const writtenBrushes = (brushes: Brushes): string[] => [...brushes].map(([key, [low, high]]) => `${key}:${low.toFixed(3)}:${high.toFixed(3)}`);

export function readBrushes(texts: readonly string[]): Map<string, readonly [number, number]> {
  const found = texts.map((text) => /^(.+):(-?[\d.]+):(-?[\d.]+)$/s.exec(text)).filter((match) => match !== null);
  return new Map(found.map(([, key, low, high]) => [key!, [Number(low), Number(high)] as const]));
}

const LIGHT = [[214, 205, 178], [142, 183, 170], [47, 134, 160], [11, 55, 96]];
const DARK = [[74, 70, 56], [70, 120, 112], [79, 184, 216], [238, 250, 255]];
const STEPS = 24;

/** The colour of a value between worst (0) and best (1), in steps, so that lines of one colour are drawn at once. */
export function shade(part: number, dark: boolean): string {
  const stops = dark ? DARK : LIGHT;
  const at = (Math.round(Math.max(0, Math.min(1, part)) * STEPS) / STEPS) * (stops.length - 1);
  const low = stops[Math.floor(at)]!, high = stops[Math.ceil(at)]!;
  return `#${low.map((value, channel) => Math.round(value + (high[channel]! - value) * (at - Math.floor(at))).toString(16).padStart(2, "0")).join("")}`;
}
