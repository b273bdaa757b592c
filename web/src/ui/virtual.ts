import { elementScroll, observeElementOffset, observeElementRect, Virtualizer, type VirtualItem } from "@tanstack/virtual-core";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";

export interface Rows {
  items: VirtualItem[];
  total: number; // pixels of all rows
  scrollTo: (index: number) => void;
}

/** Which of `count` rows of `height` pixels are on screen inside `scroller`, plus some before and after. */
export function useRows(count: number, height: number, scroller: RefObject<HTMLElement | null>, overscan = 12): Rows {
  const [, redraw] = useState(0);
  const options = {
    count,
    estimateSize: () => height,
    getScrollElement: () => scroller.current,
    overscan,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => redraw((n) => n + 1),
  };
  const virtual = useRef<Virtualizer<HTMLElement, HTMLElement> | null>(null);
  virtual.current ??= new Virtualizer<HTMLElement, HTMLElement>(options);
  virtual.current.setOptions(options);
  useLayoutEffect(() => virtual.current!._didMount(), []);
  useLayoutEffect(() => virtual.current!._willUpdate());
  return {
    items: virtual.current.getVirtualItems(),
    total: virtual.current.getTotalSize(),
    scrollTo: (index) => virtual.current!.scrollToIndex(index, { align: "auto" }),
  };
}
