import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { HEIGHTS, type Size, type Tile } from "./layout";

export interface TileActions {
  onMove: (to: number) => void;
  onSize: (size: Size) => void;
  onHide: () => void;
  onFull: (full: boolean) => void;
}

const SIZES: readonly [Size, string][] = [["s", "Small"], ["m", "Medium"], ["l", "Large"]];

/** What a chart's menu offers besides saving it. */
export function tileMenu(tile: Tile, at: number, full: boolean, actions: TileActions) {
  return (close: () => void): ComponentChildren => {
    const item = (text: string, run: () => void) => <button class="item" onClick={() => { close(); run(); }}>{text}</button>;
    return (
      <>
        <div class="segments sizes" role="group" aria-label="Size">
          {SIZES.map(([size, text]) => <button key={size} aria-pressed={size === tile.size} onClick={() => { close(); actions.onSize(size); }}>{text}</button>)}
        </div>
        {item(full ? "Back to the page (f)" : "Whole page (f)", () => actions.onFull(!full))}
        {item("Move earlier", () => actions.onMove(at - 1))}
        {item("Move later", () => actions.onMove(at + 1))}
        {item("Take off the page", actions.onHide)}
      </>
    );
  };
}

/** Place of one chart: drawn once it comes near the screen, dragged by its name, over the whole page when `full`. */
export function TileBox({ tile, at, full, dragged, onDrag, onDrop, onPoint, children }: {
  tile: Tile;
  at: number;
  full: boolean;
  dragged: number | null;
  onDrag: (at: number | null) => void;
  onDrop: () => void;
  onPoint: () => void;
  children: (height: number) => ComponentChildren;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [near, setNear] = useState(false);
  const [over, setOver] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && setNear(true), { rootMargin: "400px" });
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  const height = full ? Math.max(260, innerHeight - 66) : HEIGHTS[tile.size];
  const accepts = dragged !== null && dragged !== at;
  return (
    <div
      ref={box}
      class={`card tile ${tile.size}${full ? " full" : ""}${over && accepts ? " over" : ""}${dragged === at ? " dragged" : ""}`}
      onPointerEnter={onPoint}
      onFocusIn={onPoint}
      onDragStart={(event) => {
        if (!(event.target as Element).classList?.contains("grip")) return;
        event.dataTransfer?.setData("text/plain", tile.metric);
        onDrag(at);
      }}
      onDragEnd={() => onDrag(null)}
      onDragOver={(event) => { if (accepts) { event.preventDefault(); setOver(true); } }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => { event.preventDefault(); setOver(false); onDrop(); }}
    >
      {near || full ? children(height) : <div style={{ height: `${height + 28}px` }} />}
    </div>
  );
}
