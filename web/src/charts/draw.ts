/** Lines onto a canvas, or onto anything that has the same few methods (svg.ts). */
import { visible, type Line, type Numbers, type Range } from "./line";
import { placing, type Scale } from "./scale";

export type Surface = Pick<
  CanvasRenderingContext2D,
  "save" | "restore" | "beginPath" | "closePath" | "moveTo" | "lineTo" | "rect" | "clip" | "stroke" | "fill" | "fillRect" | "fillText" | "setLineDash"
> & {
  strokeStyle: unknown; fillStyle: unknown; lineWidth: number; lineJoin: unknown; lineCap: unknown; globalAlpha: number; font: string; textAlign: unknown; textBaseline: unknown;
};

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Frame {
  box: Box; // in pixels of the surface
  x: Scale;
  y: Scale;
  ratio: number; // device pixels per CSS pixel
}

const FEW = 12; // up to here the mean stands on the span from minimum to maximum; beyond it the span alone is drawn
const CROWD = 60; // from here on the unsmoothed lines are left out behind smoothed ones
const ROOM = 9; // CSS pixels between points from which on each is marked

/** All `lines`, clipped to the frame. */
export function drawLines(on: Surface, lines: readonly Line[], frame: Frame): void {
  const { box, ratio } = frame;
  on.save();
  on.beginPath();
  const air = 3 * ratio; // the marks of points at the frame are not cut
  on.rect(box.left - air, box.top - air, box.width + 2 * air, box.height + 2 * air);
  on.clip();
  on.lineJoin = "bevel";
  on.lineCap = "butt";
  const few = lines.length <= FEW;
  const width = few ? 1.5 * ratio : Math.min(ratio, 1);
  for (const line of lines) {
    if (line.counts) drawBand(on, line, frame, few ? 0.18 : 0.08);
    else if (line.raw && lines.length > CROWD) continue;
    else if (line.low !== line.y && (few || line.raw)) drawSpans(on, line, frame, Math.min(ratio, width), few && !line.raw ? 0.35 : 0.18);
    if (line.raw && few) drawPath(on, line, line.raw, frame, ratio, 0.3);
  }
  for (const line of lines) {
    if (few || line.raw || line.counts || line.low === line.y) drawLine(on, line, frame, line.counts ? 1.75 * ratio : width);
    else drawSpans(on, line, frame, width, 0.75);
  }
  for (const line of lines) drawLost(on, line, frame);
  on.restore();
}

/** One line above all others: its span, its path, thicker. */
export function drawHighlight(on: Surface, line: Line, frame: Frame): void {
  on.save();
  on.lineJoin = "round";
  if (line.counts) drawBand(on, line, frame, 0.25);
  else if (line.low !== line.y) drawSpans(on, line, frame, frame.ratio, 0.5);
  if (line.raw) drawPath(on, line, line.raw, frame, frame.ratio, 0.4);
  drawLine(on, line, frame, 2.25 * frame.ratio);
  on.restore();
}

function places({ box, x, y }: Frame) {
  return { xOf: placing(x, box.left, box.left + box.width), yOf: placing(y, box.top + box.height, box.top) };
}

function drawLine(on: Surface, line: Line, frame: Frame, width: number): void {
  on.setLineDash(line.dash.map((part) => part * frame.ratio));
  drawPath(on, line, line.y, frame, width, 1);
  on.setLineDash([]);
  const [from, to] = visible(line.x, [frame.x.min, frame.x.max]);
  if (to - from === 1 || frame.box.width / frame.ratio / (to - from) >= ROOM) drawPoints(on, line, from, to, frame);
}

function drawPath(on: Surface, line: Line, y: Numbers, frame: Frame, width: number, alpha: number): void {
  const { xOf, yOf } = places(frame);
  const [from, to] = visible(line.x, [frame.x.min, frame.x.max]);
  on.beginPath();
  let down = false;
  for (let i = from; i < to; i++) {
    const px = xOf(line.x[i]!), py = yOf(y[i]!);
    if (!Number.isFinite(px) || !Number.isFinite(py)) {
      down = false;
      continue;
    }
    if (down) on.lineTo(px, py);
    else on.moveTo(px, py);
    down = true;
  }
  stroke(on, line.color, width, alpha);
}

function stroke(on: Surface, color: string, width: number, alpha: number): void {
  on.strokeStyle = color;
  on.lineWidth = width;
  on.globalAlpha = alpha;
  on.stroke();
  on.globalAlpha = 1;
}

function drawPoints(on: Surface, line: Line, from: number, to: number, frame: Frame): void {
  const { xOf, yOf } = places(frame);
  const size = 2.25 * frame.ratio;
  on.fillStyle = line.color;
  for (let i = from; i < to; i++) {
    const px = xOf(line.x[i]!), py = yOf(line.y[i]!);
    if (Number.isFinite(px) && Number.isFinite(py)) on.fillRect(px - size, py - size, 2 * size, 2 * size);
  }
}

/** A path that goes through the minimum and the maximum of every point, the nearer one first. */
function drawSpans(on: Surface, line: Line, frame: Frame, width: number, alpha: number): void {
  const { xOf, yOf } = places(frame);
  const [from, to] = visible(line.x, [frame.x.min, frame.x.max]);
  const foot = frame.box.top + frame.box.height;
  on.beginPath();
  let down = false, last = 0;
  for (let i = from; i < to; i++) {
    const px = xOf(line.x[i]!), high = yOf(line.high[i]!);
    let low = yOf(line.low[i]!);
    if (Number.isNaN(low)) low = foot; // not positive on a log axis
    if (!Number.isFinite(px) || !Number.isFinite(high)) {
      down = false;
      continue;
    }
    const lowFirst = down && Math.abs(low - last) < Math.abs(high - last);
    const first = lowFirst ? low : high;
    last = lowFirst ? high : low;
    if (down) on.lineTo(px, first);
    else on.moveTo(px, first);
    on.lineTo(px, last);
    down = true;
  }
  stroke(on, line.color, width, alpha);
}

function drawBand(on: Surface, line: Line, frame: Frame, alpha: number): void {
  const { xOf, yOf } = places(frame);
  const [from, to] = visible(line.x, [frame.x.min, frame.x.max]);
  const foot = frame.box.top + frame.box.height;
  on.fillStyle = line.color;
  on.globalAlpha = alpha;
  const holds = (i: number) => Number.isFinite(xOf(line.x[i]!)) && Number.isFinite(yOf(line.high[i]!));
  for (let start = from; start < to; start++) {
    if (!holds(start)) continue;
    let end = start;
    while (end < to && holds(end)) end++;
    on.beginPath();
    for (let i = start; i < end; i++) {
      if (i === start) on.moveTo(xOf(line.x[i]!), yOf(line.high[i]!));
      else on.lineTo(xOf(line.x[i]!), yOf(line.high[i]!));
    }
    for (let i = end - 1; i >= start; i--) {
      const low = yOf(line.low[i]!);
      on.lineTo(xOf(line.x[i]!), Number.isFinite(low) ? low : foot);
    }
    on.closePath();
    on.fill();
    start = end;
  }
  on.globalAlpha = 1;
}

/** Values that are no numbers (NaN, infinite): a small triangle at the top of the frame, where the line has its gap. */
function drawLost(on: Surface, line: Line, frame: Frame): void {
  const { xOf } = places(frame);
  const size = 4 * frame.ratio, top = frame.box.top;
  const values = line.raw ?? line.y;
  const [from, to] = visible(line.x, [frame.x.min, frame.x.max] satisfies Range);
  let last = -Infinity;
  on.fillStyle = line.color;
  for (let i = from; i < to; i++) {
    if (Number.isFinite(values[i]!)) continue;
    const px = xOf(line.x[i]!);
    if (!Number.isFinite(px) || px - last < 1.5 * size) continue;
    last = px;
    on.beginPath();
    on.moveTo(px - size, top);
    on.lineTo(px + size, top);
    on.lineTo(px, top + 1.6 * size);
    on.closePath();
    on.fill();
  }
}
