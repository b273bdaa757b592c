/** The sort order as text (`-val/accuracy,name`) and what a click on a header makes of it. Pure. */
import type { Column } from "./columns";

export interface Order {
  key: string;
  down: boolean;
}

export const DEFAULT_SORT = "-created";

/** Keys are parted by commas outside quotes and brackets. */
export function parseSort(text: string): Order[] {
  const parts = text.match(/(?:"(?:[^"\\]|\\.)*"|\([^)]*\)|[^,"(])+/gs) ?? [];
  const orders = parts.map((part) => part.trim()).filter((part) => part && part !== "-");
  return orders.map((part) => (part.startsWith("-") ? { key: part.slice(1), down: true } : { key: part, down: false }));
}

export function writeSort(orders: readonly Order[]): string {
  return orders.map(({ key, down }) => (down ? `-${key}` : key)).join(",");
}

/** What the server sorts by where a column is the page's own. */
export const sortKey = (key: string) => (key === "progress" ? "step" : key);

/** The good or the new end of a column comes first. */
export function firstDown(column: Pick<Column, "key" | "kind" | "mode">): boolean {
  if (column.kind === "metric") return column.mode !== "min";
  return ["created", "seconds", "progress", "step", "steps"].includes(column.key);
}

/**
 * The order after a click: the first click sorts, the second turns it around, the third takes it away.
 * `add` (Shift) leaves the other keys as they are.
 */
export function clicked(orders: readonly Order[], column: Pick<Column, "key" | "kind" | "mode">, add: boolean): Order[] {
  const key = sortKey(column.key);
  const first = { key, down: firstDown(column) };
  const at = orders.findIndex((one) => one.key === key);
  const old = orders[at];
  if (!old) return add ? [...orders, first] : [first];
  if (!add && orders.length > 1) return [old];
  const turned = old.down === first.down ? [{ key, down: !old.down }] : [];
  return [...orders.slice(0, at), ...turned, ...orders.slice(at + 1)];
}

/** Place (from 1) and direction of a column in the order. */
export function orderOf(orders: readonly Order[], key: string): { place: number; down: boolean } | null {
  const at = orders.findIndex((one) => one.key === sortKey(key));
  return at < 0 ? null : { place: at + 1, down: orders[at]!.down };
}
