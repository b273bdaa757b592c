/** Parallel coordinates and scatter onto a surface: the screen, PNG or SVG. */
import type { Box, Surface } from "../../charts/draw";
import type { Look } from "../../charts/figure";
import { axisName, marks, UNSET, type Brushes, type ParamAxis } from "./axes";
import type { Model } from "./model";

export const AIR = { top: 40, bottom: 34, side: 62 };

export function spots(axes: number, width: number): number[] {
  const room = width - 2 * AIR.side;
  return Array.from({ length: axes }, (_, at) => AIR.side + (axes > 1 ? (room * at) / (axes - 1) : room / 2));
}

export const heightOf = (place: number, height: number) => height - AIR.bottom - place * (height - AIR.top - AIR.bottom);
export const placeOf = (y: number, height: number) => (height - AIR.bottom - y) / (height - AIR.top - AIR.bottom);

/** Lines that pass the brushes, by colour; all others pale below them. */
export function drawParallel(on: Surface, model: Model, passing: readonly boolean[], brushes: Brushes, size: { width: number; height: number }, look: Look, named: boolean): void {
  const { width, height } = size;
  const xs = spots(model.axes.length, width);
  on.fillStyle = look.paper;
  on.fillRect(0, 0, width, height);
  on.lineWidth = 1;
  on.lineJoin = "bevel";
  const shown = passing.filter(Boolean).length;
  if (shown < model.runs.length) {
    on.beginPath();
    for (let run = 0; run < model.runs.length; run++) if (!passing[run]) trace(on, model, run, xs, height);
    on.strokeStyle = look.grid;
    on.globalAlpha = model.runs.length > 1000 ? 0.25 : 0.6;
    on.stroke();
  }
  on.globalAlpha = Math.min(0.85, 12 / Math.sqrt(shown || 1));
  on.lineWidth = shown > 300 ? 1 : 1.5;
  for (let run = 0; run < model.runs.length; ) {
    const color = model.colors[run]!; // sorted by the metric: equal colours stand together
    on.beginPath();
    for (; run < model.runs.length && model.colors[run] === color; run++) if (passing[run]) trace(on, model, run, xs, height);
    on.strokeStyle = color;
    on.stroke();
  }
  on.globalAlpha = 1;
  for (const [at, axis] of model.axes.entries()) drawAxis(on, axis, xs[at]!, at === model.axes.length - 1, height, look, named, brushes.get(axis.key));
}

export function trace(on: Surface, { crossings: { axes, at } }: Model, run: number, xs: readonly number[], height: number): void {
  for (let axis = 0; axis < axes; axis++) {
    const y = heightOf(at[run * axes + axis]!, height);
    if (axis === 0) on.moveTo(xs[axis]!, y);
    else on.lineTo(xs[axis]!, y);
  }
}

function drawAxis(on: Surface, axis: ParamAxis, x: number, last: boolean, height: number, look: Look, named: boolean, brush: readonly [number, number] | undefined): void {
  const top = heightOf(1, height), foot = heightOf(0, height);
  on.strokeStyle = look.dim;
  on.lineWidth = 1;
  on.beginPath();
  on.moveTo(x, top);
  on.lineTo(x, foot);
  on.stroke();
  const cell = (text: string) => (text.length > 16 ? `${text.slice(0, 7)}…${text.slice(-8)}` : text);
  for (const { at, text } of marks(axis, (height - AIR.top - AIR.bottom) / 28)) written(on, cell(text), last ? x + 6 : x - 6, heightOf(at, height), look, last ? "left" : "right");
  if (axis.unset) written(on, "unset", x - 6, heightOf(UNSET, height), look, "right");
  if (named) written(on, last ? axis.key : axisName(axis.key), x, 14, look, "center", 600);
  if (brush) {
    on.fillStyle = look.ink;
    on.globalAlpha = 0.22;
    const from = heightOf(brush[1], height);
    on.fillRect(x - 7, from, 14, heightOf(brush[0], height) - from);
    on.globalAlpha = 1;
  }
}

function written(on: Surface, text: string, x: number, y: number, look: Look, align: "left" | "center" | "right", weight?: number): void {
  on.font = `${weight ? `${weight} ` : ""}11px ${look.font}`;
  on.textAlign = align;
  on.textBaseline = "middle";
  on.fillStyle = look.paper;
  on.globalAlpha = 0.75;
  const wide = text.length * 6.4;
  const left = { left: x, center: x - wide / 2, right: x - wide }[align];
  if (!weight) on.fillRect(left, y - 7, wide, 14); // lines behind a number make it unreadable
  on.globalAlpha = 1;
  on.fillStyle = weight ? look.ink : look.dim;
  on.fillText(text, x, y);
}

export interface Dots {
  x: ParamAxis;
  y: ParamAxis;
  px: Float32Array; // places on both axes
  py: Float32Array;
  colors: readonly string[];
}

export const dotsBox = (width: number, height: number): Box => ({ left: 64, top: 12, width: width - 84, height: height - 62 });

export function drawDots(on: Surface, { x, y, px, py, colors }: Dots, width: number, height: number, look: Look): void {
  const box = dotsBox(width, height), foot = box.top + box.height;
  on.fillStyle = look.paper;
  on.fillRect(0, 0, width, height);
  on.strokeStyle = look.grid;
  on.lineWidth = 1;
  const texts = (text: string, most: number) => (text.length > most ? `…${text.slice(1 - most)}` : text);
  const across = marks(x, box.width / 90), room = Math.max(8, Math.floor(box.width / Math.max(1, across.length) / 6.5));
  for (const { at, text } of across) {
    const left = box.left + spread(x, at) * box.width;
    on.beginPath();
    on.moveTo(left, box.top);
    on.lineTo(left, foot);
    on.stroke();
    written(on, texts(text, room), left, foot + 13, look, "center");
  }
  for (const { at, text } of marks(y, box.height / 36)) {
    const top = foot - spread(y, at) * box.height;
    on.beginPath();
    on.moveTo(box.left, top);
    on.lineTo(box.left + box.width, top);
    on.stroke();
    written(on, text, box.left - 8, top, look, "right");
  }
  written(on, x.key.replace(/^config\./, ""), box.left + box.width / 2, foot + 34, look, "center", 600);
  const size = px.length > 2000 ? 1.5 : px.length > 300 ? 2.25 : 3.25;
  on.globalAlpha = px.length > 2000 ? 0.6 : 0.9;
  for (let at = 0; at < px.length; at++) {
    if (!Number.isFinite(px[at]! + py[at]!)) continue; // the key is not set
    on.fillStyle = colors[at]!;
    on.fillRect(box.left + px[at]! * box.width - size, foot - py[at]! * box.height - size, 2 * size, 2 * size);
  }
  on.globalAlpha = 1;
}

/** Categories keep half a step of room at the ends, for the jitter. */
export function spread(axis: ParamAxis, place: number): number {
  const inset = axis.kind === "category" ? Math.min(0.25, 0.5 / Math.max(1, axis.labels.length)) : 0.03;
  return inset + place * (1 - 2 * inset);
}
