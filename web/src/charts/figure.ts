/** A chart as a picture to keep: title, axes, ticks, lines and a legend, on any surface. */
import type { Axis } from "../api";
import { drawLines, type Frame, type Surface } from "./draw";
import type { Line } from "./line";
import { placing, tickTexts, ticks, type Scale } from "./scale";
import { SvgSurface } from "./svg";

export interface Look {
  paper: string;
  ink: string;
  dim: string;
  grid: string;
  font: string;
}

export interface Figure {
  title: string;
  note: string;
  lines: readonly Line[];
  x: Scale;
  y: Scale;
  axis: Axis;
  width: number; // CSS pixels
  height: number;
}

const NAMES = 24; // lines named in the legend; the rest is counted

/** What the axis is called. */
export const axisTitle = (axis: Axis) => ({ step: "step", epoch: "epoch", tokens: "training tokens", time: "time since start" })[axis];

interface Legend {
  columns: number;
  rows: number;
  named: readonly Line[];
  more: number;
}

function legendOf({ lines, width }: Figure): Legend {
  const named = lines.length > 1 ? lines.slice(0, NAMES) : [];
  const columns = Math.max(1, Math.floor((width - 24) / 200));
  const more = lines.length > 1 ? lines.length - named.length : 0;
  return { columns, rows: Math.ceil((named.length + (more ? 1 : 0)) / columns), named, more };
}

const shortened = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** Height of the whole picture: the legend comes below the plot. */
export const figureHeight = (figure: Figure) => figure.height + legendOf(figure).rows * 16 + 8;

export function drawFigure(on: Surface, figure: Figure, look: Look): void {
  const { width, height, x, y } = figure;
  const legend = legendOf(figure);
  const yTicks = ticks(y, height / 38), yTexts = tickTexts(yTicks);
  const left = 16 + Math.max(3, ...yTexts.map((text) => text.length)) * 6.4;
  const box = { left, top: 34, width: width - left - 16, height: height - 34 - 42 };
  const frame: Frame = { box, x, y, ratio: 1 };
  on.fillStyle = look.paper;
  on.fillRect(0, 0, width, figureHeight(figure));
  write(on, figure.title, 12, 16, look.ink, `600 13px ${look.font}`);
  write(on, figure.note, width - 16, 16, look.dim, `11px ${look.font}`, "right");
  const xOf = placing(x, box.left, box.left + box.width), yOf = placing(y, box.top + box.height, box.top);
  on.strokeStyle = look.grid;
  on.lineWidth = 1;
  for (const [at, tick] of yTicks.entries()) {
    segment(on, box.left, yOf(tick), box.left + box.width, yOf(tick));
    write(on, yTexts[at]!, box.left - 6, yOf(tick), look.dim, `11px ${look.font}`, "right");
  }
  const xTicks = ticks(x, box.width / 80, figure.axis), xTexts = tickTexts(xTicks, figure.axis);
  for (const [at, tick] of xTicks.entries()) {
    segment(on, xOf(tick), box.top, xOf(tick), box.top + box.height);
    write(on, xTexts[at]!, xOf(tick), box.top + box.height + 11, look.dim, `11px ${look.font}`, "center");
  }
  write(on, axisTitle(figure.axis), box.left + box.width / 2, box.top + box.height + 27, look.dim, `11px ${look.font}`, "center");
  drawLines(on, figure.lines, frame);
  const column = (width - 24) / legend.columns;
  for (let at = 0; at < legend.named.length + (legend.more ? 1 : 0); at++) {
    const line = legend.named[at];
    const fromLeft = 12 + (at % legend.columns) * column, fromTop = height + Math.floor(at / legend.columns) * 16 + 8;
    if (!line) {
      write(on, `and ${legend.more} more`, fromLeft, fromTop, look.dim, `11px ${look.font}`);
      continue;
    }
    on.strokeStyle = line.color;
    on.lineWidth = 2;
    on.setLineDash(line.dash);
    segment(on, fromLeft, fromTop, fromLeft + 18, fromTop);
    on.setLineDash([]);
    write(on, shortened(line.label, Math.floor((column - 30) / 6)), fromLeft + 24, fromTop, look.ink, `11px ${look.font}`);
  }
}

function segment(on: Surface, x0: number, y0: number, x1: number, y1: number): void {
  on.beginPath();
  on.moveTo(x0, y0);
  on.lineTo(x1, y1);
  on.stroke();
}

function write(on: Surface, text: string, x: number, y: number, color: string, font: string, align = "left"): void {
  if (!text) return;
  on.font = font;
  on.fillStyle = color;
  on.textAlign = align;
  on.textBaseline = "middle";
  on.fillText(text, x, y);
}

export function svg(figure: Figure, look: Look): string {
  const on = new SvgSurface(figure.width, figureHeight(figure));
  drawFigure(on, figure, look);
  return on.text();
}

/** One row per point: run, x, value and, where they say more, minimum and maximum of the point and its smoothed value. */
export function rows({ lines, axis, title }: Figure): unknown[][] {
  const spans = lines.some((line) => line.low !== (line.raw ?? line.y)), smooth = lines.some((line) => line.raw !== null);
  const table: unknown[][] = [["run", axis, title, ...(spans ? ["min", "max"] : []), ...(smooth ? ["smoothed"] : [])]];
  for (const { label, x, y, raw, low, high } of lines) {
    const values = raw ?? y;
    for (let i = 0; i < x.length; i++) table.push([label, x[i], values[i], ...(spans ? [low[i], high[i]] : []), ...(smooth ? [y[i]] : [])]);
  }
  return table;
}
