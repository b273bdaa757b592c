/** The page's colours and type, for canvases. */
import type { Look } from "./figure";

export function look(): Look {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return { paper: of("--panel"), ink: of("--ink"), dim: of("--dim"), grid: of("--line"), font: "system-ui, sans-serif" };
}
