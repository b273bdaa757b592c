/** Axes, cursor and zoom by uPlot; lines by draw.ts, straight from typed arrays that need not share their x. */
import type { Signal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Axis } from "../api";
import { dark } from "../theme";
import { drawHighlight, drawLines, type Frame } from "./draw";
import type { Line, Range } from "./line";
import { look } from "./look";
import { nearest, type Found } from "./nearest";
import { placing, tickTexts, ticks, type Scale } from "./scale";
import { Tip } from "./tip";

const TWICE = 260; // ms in which a second click makes it a double click, which resets the zoom

export interface PlotProps {
  lines: readonly Line[];
  axis: Axis;
  x: Scale;
  y: Scale;
  width: number;
  height: number;
  label: string; // read aloud
  focus: Signal<string | null>; // the line under the pointer, here or in another chart
  onRange: (range: Range | null) => void;
  onPick?: ((line: Line) => void) | undefined;
  unit?: ((value: number) => string) | undefined;
}

export function Plot(props: PlotProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const overlay = useRef<HTMLCanvasElement | null>(null);
  const now = useRef(props);
  now.current = props;
  const [tip, setTip] = useState<{ found: Found; left: number; top: number } | null>(null);
  const { x, y, width, height, axis, lines, focus } = props;
  const night = dark.value;

  const highlight = useMemo(() => () => {
    const on = overlay.current?.getContext("2d"), u = plot.current;
    if (!on || !u) return;
    const { width: wide, height: high } = overlay.current!;
    on.clearRect(0, 0, wide, high);
    const line = now.current.lines.find((one) => one.id === focus.peek());
    if (!line) return;
    if (now.current.lines.length > 1) {
      on.globalAlpha = 0.62; // a veil dims all others without drawing them again
      on.fillStyle = look().paper;
      on.fillRect(0, 0, wide, high);
      on.globalAlpha = 1;
    }
    drawHighlight(on, line, { ...frameOf(u, now.current), box: { left: 0, top: 0, width: wide, height: high } });
  }, []);

  useEffect(() => {
    const colors = look();
    let waiting = 0;
    const hover = (u: uPlot) => {
      const { left = -1, top = -1 } = u.cursor;
      const found = left < 0 ? null : pointed(u, now.current, left, top);
      setTip(found && { found, left: u.over.offsetLeft + left, top: u.over.offsetTop + top });
      if (found || focus.peek() !== null) focus.value = found ? found.line.id : null;
      u.over.style.cursor = found && now.current.onPick ? "pointer" : "crosshair";
    };
    const zoom = (u: uPlot) => {
      const { left, width: wide } = u.select;
      if (wide > 3) now.current.onRange([u.posToVal(left, "x"), u.posToVal(left + wide, "x")]);
      u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    };
    const u = new uPlot(
      {
        width, height, pxAlign: 1,
        legend: { show: false },
        padding: [8, 10, 0, 0],
        scales: { x: { time: false, distr: x.log ? 3 : 1 }, y: { distr: y.log ? 3 : 1, auto: false } },
        series: [{}, { scale: "y", paths: () => null, points: { show: false } }],
        axes: [
          {
            ...axisLook(colors), size: 30, filter: (_, at) => at, values: (_, at) => tickTexts(at, axis),
            splits: (_, __, min, max) => ticks({ min, max, log: x.log }, now.current.width / 90, axis),
          },
          {
            ...axisLook(colors), size: (_, at) => 14 + 6.3 * Math.max(3, ...(at ?? []).map((text) => text.length)), filter: (_, at) => at,
            splits: (_, __, min, max) => ticks({ min, max, log: y.log }, now.current.height / 38),
            values: (_, at) => (now.current.unit ? at.map(now.current.unit) : tickTexts(at)),
          },
        ],
        cursor: {
          y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 4 },
          bind: { dblclick: () => () => (clearTimeout(waiting), now.current.onRange(null), null) },
        },
        hooks: {
          init: [(self) => {
            overlay.current = document.createElement("canvas");
            overlay.current.className = "chart-over";
            self.over.before(overlay.current);
          }],
          draw: [(self) => {
            drawLines(self.ctx, now.current.lines, frameOf(self, now.current));
            fitOver(overlay.current!, self);
            highlight();
          }],
          setCursor: [hover],
          setSelect: [zoom],
        },
      },
      [[x.min, x.max], [y.min, y.max]],
      host.current!,
    );
    plot.current = u;
    let from = 0;
    const press = (event: PointerEvent) => (from = event.clientX);
    const pick = (event: MouseEvent) => {
      const found = Math.abs(event.clientX - from) < 4 ? pointed(u, now.current, u.cursor.left ?? -1, u.cursor.top ?? -1) : null;
      clearTimeout(waiting);
      if (found) waiting = window.setTimeout(() => now.current.onPick?.(found.line), TWICE);
    };
    u.over.addEventListener("pointerdown", press);
    u.over.addEventListener("click", pick);
    return () => {
      clearTimeout(waiting);
      u.destroy();
    };
  }, [night, x.log, y.log, axis]);

  useEffect(() => {
    const u = plot.current!; // each call only asks for the one drawing at the end of this task
    u.setData([[x.min, x.max], [y.min, y.max]], false);
    u.setScale("x", { min: x.min, max: x.max });
    u.setScale("y", { min: y.min, max: y.max });
    u.redraw(false, true);
  }, [lines, x.min, x.max, y.min, y.max, night, x.log, y.log, axis]);
  useEffect(() => {
    const u = plot.current!;
    if (u.width !== width || u.height !== height) u.setSize({ width, height });
  }, [width, height]);
  useEffect(() => focus.subscribe(highlight), [focus]);

  return (
    <div class="plot" role="img" aria-label={props.label}>
      <div ref={host} />
      {tip && <Tip {...tip} axis={axis} width={width} height={height} unit={props.unit} opens={props.onPick !== undefined} />}
    </div>
  );
}

const axisLook = (colors: ReturnType<typeof look>) => ({
  stroke: colors.dim, font: `11px ${colors.font}`, gap: 4,
  grid: { stroke: colors.grid, width: 1 }, ticks: { show: false },
});

function frameOf(u: uPlot, { x, y }: PlotProps): Frame {
  return { box: u.bbox, x, y, ratio: uPlot.pxRatio };
}

function fitOver(canvas: HTMLCanvasElement, u: uPlot): void {
  const { bbox } = u;
  if (canvas.width !== bbox.width || canvas.height !== bbox.height) Object.assign(canvas, { width: bbox.width, height: bbox.height });
  const ratio = uPlot.pxRatio;
  Object.assign(canvas.style, {
    left: `${bbox.left / ratio}px`, top: `${bbox.top / ratio}px`, width: `${bbox.width / ratio}px`, height: `${bbox.height / ratio}px`,
  });
}

function pointed(u: uPlot, { lines, x, y }: PlotProps, left: number, top: number): Found | null {
  const { clientWidth: wide, clientHeight: high } = u.over;
  return nearest(lines, u.posToVal(left, "x"), left, top, placing(x, 0, wide), placing(y, high, 0));
}
