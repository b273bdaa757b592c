import { useLayoutEffect, useState } from "preact/hooks";
import type { RefObject } from "preact";

export interface Row {
  index: number;
  start: number; // pixels from the top
}

/** The rows of `height` pixels that a window of `view` pixels shows when scrolled to `top`, and `more` on either side. */
export function rowsWithin(count: number, height: number, top: number, view: number, more = 12): Row[] {
  const first = Math.max(0, Math.floor(top / height) - more);
  const last = Math.min(count, Math.ceil((top + view) / height) + more);
  return Array.from({ length: Math.max(0, last - first) }, (_, at) => ({ index: first + at, start: (first + at) * height }));
}

/** The rows to draw of `count` inside `scroller`: a table of any length costs what is on screen. All rows are equally high. */
export function useRows(count: number, height: number, scroller: RefObject<HTMLElement | null>): { items: Row[]; total: number } {
  const [{ top, view }, setWindow] = useState({ top: 0, view: 0 });
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const look = () => setWindow({ top: box.scrollTop, view: box.clientHeight });
    const sizes = new ResizeObserver(look);
    sizes.observe(box);
    box.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      sizes.disconnect();
      box.removeEventListener("scroll", look);
    };
  }, [scroller.current]);
  return { items: rowsWithin(count, height, top, view), total: count * height };
}
