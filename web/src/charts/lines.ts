/** Curves of the server as lines of a chart: coloured, grouped, smoothed. */
import type { Curve } from "../api";
import { color, dash } from "../colors";
import { averaged, type Band } from "./groups";
import { extent, type Line } from "./line";
import { distinctTitles } from "./names";
import { smoothed } from "./smooth";

export interface Making {
  smooth: number;
  dark: boolean;
  groups?: ReadonlyMap<string, string> | undefined; // run id -> title of its group
  band?: Band | undefined;
  hidden?: ReadonlySet<string> | undefined; // run ids or group titles
  colorOf?: ((id: string, index: number) => string) | undefined;
  order?: ReadonlyMap<string, number> | undefined; // id -> place in the list of colours; without, the place in the answer
}

const DASHED = 30; // dashes tell a few lines apart, and are slow to draw

export function toLines(curves: readonly Curve[], { smooth, dark, groups, band = "sd", hidden, colorOf, order }: Making): Line[] {
  const paint = (id: string, index: number, all: number) => {
    const at = order?.get(id) ?? index;
    return { color: colorOf?.(id, at) ?? color(at, dark), dash: !colorOf && all <= DASHED ? dash(at) : [] };
  };
  let lines: Line[];
  if (groups) {
    const members = new Map<string, Curve[]>();
    for (const curve of curves) {
      const name = groups.get(curve.run);
      if (name !== undefined) members.set(name, [...(members.get(name) ?? []), curve]);
    }
    lines = [...members].map(([name, of], index) => {
      const { x, mean, low, high, counts } = averaged(of, band);
      return { id: name, label: name, ...paint(name, index, members.size), x, y: mean, low, high, raw: null, counts };
    });
  } else {
    const titles = distinctTitles(curves.map(({ run, name }) => ({ id: run, name })));
    lines = curves.map((curve, index) => {
      const { x, mean: y, min: low, max: high } = curve;
      return { id: curve.run, label: titles[index]!, ...paint(curve.run, index, curves.length), x, y, low, high, raw: null };
    });
  }
  lines = lines.filter((line) => line.x.length > 0 && !hidden?.has(line.id));
  const range = smooth > 0 ? extent(lines, false) : null;
  if (!range) return lines;
  return lines.map((line) => {
    const span = range[1] - range[0];
    if (!line.counts) return { ...line, raw: line.y, y: smoothed(line.x, line.y, smooth, span) };
    const of = (y: Line["y"]) => smoothed(line.x, y, smooth, span);
    return { ...line, y: of(line.y), low: of(line.low), high: of(line.high) };
  });
}
