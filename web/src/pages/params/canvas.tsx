import { useEffect, useRef } from "preact/hooks";

/** A canvas of `width` by `height` CSS pixels at the screen's own fineness, drawn again whenever `draw` is another function. */
export function Canvas({ width, height, draw, name }: { width: number; height: number; draw: (on: CanvasRenderingContext2D) => void; name?: string }) {
  const ref = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const canvas = ref.current!, ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const on = canvas.getContext("2d")!;
    on.scale(ratio, ratio);
    draw(on);
  }, [width, height, draw]);
  return <canvas ref={ref} class={name} style={{ width: `${width}px`, height: `${height}px` }} />;
}
