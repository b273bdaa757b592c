/** The best value of a metric's column, and how far along its range a value is. Pure. */
import type { Cell, Group, GroupCell, Mode } from "../../api";

export interface Extremes {
  min: number;
  max: number;
}

/** Of the finite numbers; null where there are fewer than two values, since one is not better than others. */
export function extremes(cells: Iterable<Cell | undefined>): Extremes | null {
  let min = Infinity, max = -Infinity, count = 0;
  for (const cell of cells) {
    if (typeof cell !== "number" || !Number.isFinite(cell)) continue;
    min = Math.min(min, cell);
    max = Math.max(max, cell);
    count++;
  }
  return count > 1 ? { min, max } : null;
}

const isSpread = (cell: GroupCell | undefined): cell is Extract<GroupCell, { mean: number }> => cell !== null && cell !== undefined && "mean" in cell;

/** The ends over all runs of all groups, for column `at`. */
export function endsOfGroups(groups: readonly Group[], at: number): Extremes | null {
  return extremes(groups.flatMap((group) => {
    const cell = group.cells[at];
    return isSpread(cell) ? [cell.min, cell.max] : cell && "value" in cell ? [cell.value] : [];
  }));
}

/** The ends of the groups' means, for column `at`. */
export function endsOfMeans(groups: readonly Group[], at: number): Extremes | null {
  return extremes(groups.map((group) => centre(group.cells[at])));
}

export function centre(cell: GroupCell | undefined): Cell {
  return isSpread(cell) ? cell.mean : cell && "value" in cell ? cell.value : null;
}

/** Whether `value` is the best there is; where all are equal none is. */
export function isBest(value: Cell, ends: Extremes | null | undefined, mode: Mode | null): boolean {
  if (!ends || !mode || typeof value !== "number" || ends.min === ends.max) return false;
  return value === (mode === "min" ? ends.min : ends.max);
}

/** 0 at the smallest to 1 at the largest; null where there is no range to be in. */
export function share(value: Cell, ends: Extremes | null | undefined): number | null {
  if (!ends || typeof value !== "number" || !Number.isFinite(value) || ends.min === ends.max) return null;
  return Math.min(1, Math.max(0, (value - ends.min) / (ends.max - ends.min)));
}
