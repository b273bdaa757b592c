/** Which line is under the pointer. */
import { lowerBound, type Line } from "./line";

export interface Found {
  line: Line;
  index: number; // of the point nearest in x
  distance: number; // pixels
}

function toSegment(px: number, py: number, ax: number, ay: number, bx: number, by: number): number {
  const length = (bx - ax) ** 2 + (by - ay) ** 2;
  const part = length ? Math.min(1, Math.max(0, ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length)) : 0;
  return Math.hypot(px - ax - part * (bx - ax), py - ay - part * (by - ay));
}

/**
 * The line nearest to the pixel (px, py), at most `reach` pixels away: by its segments beside the pointer and by the span
 * from minimum to maximum of the point there. `xOf` and `yOf` place values, `x` is the pointer's value on the x axis.
 */
export function nearest(
  lines: readonly Line[], x: number, px: number, py: number, xOf: (x: number) => number, yOf: (y: number) => number, reach = 40,
): Found | null {
  let best: Found | null = null;
  for (const line of lines) {
    const at = lowerBound(line.x, x);
    let distance = Infinity;
    for (let i = Math.max(0, at - 2); i < Math.min(line.x.length, at + 2); i++) {
      const ax = xOf(line.x[i]!), ay = yOf(line.y[i]!);
      if (!Number.isFinite(ax + ay)) continue;
      distance = Math.min(distance, Math.hypot(px - ax, py - ay));
      if (i + 1 < line.x.length) {
        const bx = xOf(line.x[i + 1]!), by = yOf(line.y[i + 1]!);
        if (Number.isFinite(bx + by)) distance = Math.min(distance, toSegment(px, py, ax, ay, bx, by));
      }
      if (line.low !== line.y) distance = Math.min(distance, toSegment(px, py, ax, yOf(line.high[i]!), ax, yOf(line.low[i]!)) + 2);
    }
    if (distance <= reach && (!best || distance < best.distance)) best = { line, index: nearer(line, at, x), distance };
  }
  return best;
}

function nearer(line: Line, at: number, x: number): number {
  if (at >= line.x.length) return line.x.length - 1;
  return at > 0 && x - line.x[at - 1]! < line.x[at]! - x ? at - 1 : at;
}
