/** What the rows of a grouped table say. Pure. */
import type { Group, GroupCell, RunRow, Status } from "../../api";
import { cell as cellText, count, value } from "../../format";
import type { Column } from "./columns";
import { narrowed, term } from "./filters";
import { textOf } from "./text";

/** The filter of a group's own runs, within `filter`. */
export function filterOf(group: Group, filter: string): string {
  return group.key.reduce((text, [key, value]) => narrowed(text, term(key, "=", value)), filter);
}

export const groupId = (group: Group) => JSON.stringify(group.key);

export interface GroupText {
  text: string;
  spread: string; // " ± 0.0012"
  title: string;
  several: boolean;
}

const NOTHING: GroupText = { text: "", spread: "", title: "", several: true };

/**
 * mean ± sd of metrics, the one value or the range of what was configured; the rest is in the title.
 * Null stands for texts that differ, a null value for what no run has.
 */
export function groupText(column: Column, cell: GroupCell | undefined): GroupText {
  if (cell === undefined) return NOTHING;
  if (cell === null) return { ...NOTHING, text: "several" };
  if ("value" in cell) return { text: textOf(column, cell.value), spread: "", title: cellText(cell.value), several: false };
  const ends = `${textOf(column, cell.min)} to ${textOf(column, cell.max)}`;
  if (column.kind !== "metric") {
    const same = cell.min === cell.max;
    const text = same ? textOf(column, cell.min) : column.kind === "config" ? "several" : textOf(column, cell.mean);
    return { text, spread: "", title: same ? text : ends, several: !same && column.kind === "config" };
  }
  const spread = cell.sd === null || cell.n < 2 ? "" : ` ± ${value(cell.sd)}`;
  return { text: textOf(column, cell.mean), spread, title: cell.n < 2 ? "1 run" : `mean ± sd of ${count(cell.n, "run")}; ${ends}`, several: false };
}

/** Titles of overrides without those that all groups have: what is left tells the groups apart. */
export function shortTitles(titles: readonly string[]): string[] {
  const parts = titles.map((title) => title.split(" "));
  const common = new Set(titles.length > 1 ? parts[0]!.filter((part) => parts.every((other) => other.includes(part))) : []);
  return parts.map((part, at) => part.filter((one) => !common.has(one)).join(" ") || titles[at]!);
}

/** "3 finished, 1 running": the most first. */
export function statusText(statuses: Group["statuses"]): string {
  const parts = Object.entries(statuses) as [Status, number][];
  return parts.sort((a, b) => b[1] - a[1]).map(([status, number]) => `${number} ${status}`).join(", ");
}

export type Item =
  | { kind: "run"; row: RunRow; inside: boolean }
  | { kind: "group"; group: Group; title: string; open: boolean }
  | { kind: "more"; group: Group; left: number }
  | { kind: "waiting" };

/** Groups and, below the open ones, their runs as far as they are known. */
export function flat(groups: readonly Group[], open: ReadonlySet<string>, members: ReadonlyMap<string, readonly RunRow[]>): Item[] {
  const titles = shortTitles(groups.map((group) => group.title));
  return groups.flatMap((group, at): Item[] => {
    const id = groupId(group);
    const title = titles[at]!;
    if (!open.has(id)) return [{ kind: "group", group, title, open: false }];
    const rows = members.get(id);
    const inside: Item[] = rows ? rows.map((row) => ({ kind: "run", row, inside: true })) : [{ kind: "waiting" }];
    const left = rows ? group.n - rows.length : 0;
    return [{ kind: "group", group, title, open: true }, ...inside, ...(left > 0 ? [{ kind: "more", group, left } as const] : [])];
  });
}

/** What the cursor is on: by what it is, so that it stays there when rows come and go. */
export interface Cursor {
  index: number;
  id: string | null;
}

export const idOf = (item: Item): string | null => (item.kind === "run" ? item.row.id : item.kind === "group" ? groupId(item.group) : null);
