/** Which metrics are on the page, in which order and size. Pure, so that it is tested. */
import type { MetricKey } from "../../api";

export type Size = "s" | "m" | "l";

export interface Tile {
  metric: string;
  size: Size;
}

const FIRST = 6;
const SIZES: readonly string[] = ["s", "m", "l"];
export const HEIGHTS: Record<Size, number> = { s: 180, m: 250, l: 400 };

/** What is shown before anyone has chosen: validation metrics, those of most runs first, and the training loss. */
export function usual(metrics: readonly MetricKey[]): string[] {
  const val = metrics.filter(({ key }) => key.startsWith("val/")).sort((a, b) => b.runs - a.runs || rank(a.key) - rank(b.key) || (a.key < b.key ? -1 : 1));
  const train = metrics.find(({ key }) => key === "train/loss");
  const chosen = val.slice(0, train ? FIRST - 1 : FIRST).map(({ key }) => key);
  if (train) chosen.push(train.key);
  return chosen.length ? chosen : metrics.slice(0, FIRST).map(({ key }) => key);
}

const rank = (key: string) => (key === "val/loss" ? 0 : 1);

export function tiles(metrics: readonly string[], sizes: readonly string[]): Tile[] {
  return metrics.map((metric, at) => ({ metric, size: (SIZES.includes(sizes[at] ?? "") ? sizes[at] : "m") as Size }));
}

/** As parameters of the address; sizes are left out where all are as usual. */
export function written(list: readonly Tile[]): { m: string[]; size: string[] } {
  const plain = list.every(({ size }) => size === "m");
  return { m: list.map(({ metric }) => metric), size: plain ? [] : list.map(({ size }) => size) };
}

/** The tile at `from` put at `to`; the others keep their order. */
export function moved(list: readonly Tile[], from: number, to: number): Tile[] {
  const next = [...list];
  const [tile] = next.splice(from, 1);
  if (tile) next.splice(Math.max(0, Math.min(to, next.length)), 0, tile);
  return next;
}

export function toggled(list: readonly Tile[], metric: string): Tile[] {
  return list.some((one) => one.metric === metric) ? list.filter((one) => one.metric !== metric) : [...list, { metric, size: "m" }];
}

/** A filter that names exactly these runs. */
export const filterOf = (ids: readonly string[]) => `id in (${ids.map((id) => JSON.stringify(id)).join(", ")})`;

/** From a smoothing weight to the next: steps of 0.1, finer near 1 where they are felt. */
export function smoother(weight: number, up: boolean): number {
  const stops = [0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995];
  const next = up ? stops.find((stop) => stop > weight + 1e-9) : stops.findLast((stop) => stop < weight - 1e-9);
  return next ?? weight;
}
