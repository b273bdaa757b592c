/** Which runs are selected after a click, a key or a range. Pure. */

export const MOST = 500; // ids that fit into an address

export function toggled(selected: readonly string[], ids: readonly string[]): string[] {
  const all = ids.length > 0 && ids.every((id) => selected.includes(id));
  return all ? selected.filter((id) => !ids.includes(id)) : union(selected, ids);
}

/** Both, in order, each once, at most `MOST`. */
export function union(selected: readonly string[], ids: readonly string[]): string[] {
  return [...new Set([...selected, ...ids])].slice(0, MOST);
}

/** The places from the anchor to the clicked one, at most `MOST` of them, counted from the anchor. */
export function range(anchor: number, clicked: number): { first: number; last: number } {
  if (clicked >= anchor) return { first: anchor, last: Math.min(clicked, anchor + MOST - 1) };
  return { first: Math.max(clicked, anchor - MOST + 1), last: anchor };
}

/** Where to scroll so that row `at` is between the header and the foot; null where it is. */
export function scrolled(at: number, view: { top: number; height: number; header: number; row: number }): number | null {
  const start = at * view.row;
  const end = view.header + start + view.row;
  if (start < view.top) return start;
  return end > view.top + view.height ? end - view.height : null;
}
