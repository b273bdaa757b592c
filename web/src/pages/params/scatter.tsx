/** One key against the metric, a dot per run. */
import { useCallback, useMemo, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { ChartMenu } from "../../charts/chart-menu";
import { look } from "../../charts/look";
import { valueAt } from "../../charts/scale";
import { useWidth } from "../../charts/width";
import { color } from "../../colors";
import { cell, count, title, value } from "../../format";
import { dark } from "../../theme";
import { go } from "../../url";
import { axisName, axisOf, jitter, shade, spreading, UNSET } from "./axes";
import { Canvas } from "./canvas";
import { dotsBox, drawDots, spread, type Dots } from "./drawing";
import type { Params, ParamRun } from "./model";

const HEIGHT = 330;
const REACH = 14; // pixels
const NAMED = 8; // categories named in the legend

/** Where a tip stands beside a point, on the side that has room. */
export function beside({ left, top }: { left: number; top: number }, width: number) {
  const above = `${Math.max(0, top - 20)}px`;
  return left < width / 2 ? { left: `${left + 14}px`, top: above } : { right: `${width - left + 14}px`, top: above };
}

export function Scatter({ params, x, by, runs, children }: { params: Params; x: string; by: string; runs: readonly ParamRun[]; children: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const night = dark.value;
  const [hovered, setHovered] = useState<number | null>(null);
  const column = params.keys.findIndex((one) => one.key === x);
  const colored = params.keys.findIndex((one) => one.key === by);
  const { dots, legend } = useMemo(() => {
    const all = params.runs.filter(({ metric }) => metric !== null); // scales stay where they are while brushes move
    const across = axisOf(x, all.map((run) => run.values[column] ?? null)), up = axisOf(params.metric, all.map((run) => run.metric));
    const step = spreading(across);
    const px = Float32Array.from(runs, (run) => {
      const place = across.place(run.values[column] ?? null);
      return place === UNSET ? NaN : spread(across, place) + jitter(run.id) * step;
    });
    const hue = colored < 0 ? null : axisOf(by, all.map((run) => run.values[colored] ?? null));
    const colors = runs.map((run) => {
      if (!hue) return color(0, night);
      const of = run.values[colored] ?? null;
      if (hue.kind !== "category") return hue.place(of) === UNSET ? "#888888" : shade(hue.place(of), night);
      return of === null ? "#888888" : color(hue.labels.indexOf(cell(of)), night);
    });
    const names = !hue ? []
      : hue.kind === "category" ? hue.labels.slice(0, NAMED).map((label, at) => [label, color(at, night)] as const)
      : [0, 0.5, 1].map((part) => [value(valueAt(hue.scale, 0, 1, part)), shade(part, night)] as const);
    const drawn: Dots = { x: across, y: up, px, py: Float32Array.from(runs, (run) => spread(up, up.place(run.metric))), colors };
    return { dots: drawn, legend: names };
  }, [params, x, by, runs, night]);
  const draw = useCallback((on: CanvasRenderingContext2D) => drawDots(on, dots, width, HEIGHT, look()), [dots, width]);
  const frame = dotsBox(width, HEIGHT);
  const spot = (at: number) => ({ left: frame.left + dots.px[at]! * frame.width, top: frame.top + (1 - dots.py[at]!) * frame.height });
  const point = (event: PointerEvent) => {
    const bounds = (event.currentTarget as Element).getBoundingClientRect();
    let best: number | null = null, distance = REACH;
    for (let at = 0; at < runs.length; at++) {
      const { left, top } = spot(at), away = Math.hypot(event.clientX - bounds.left - left, event.clientY - bounds.top - top);
      if (away < distance) [best, distance] = [at, away];
    }
    setHovered(best);
  };
  const unset = dots.px.filter(Number.isNaN).length;
  const run = hovered === null ? null : runs[hovered];
  const also = <T,>(given: T) => (colored < 0 ? [] : [given]);
  const table = () => [["run", x, ...also(by), params.metric], ...runs.map((one) => [one.id, one.values[column], ...also(one.values[colored]), one.metric])];
  return (
    <section class="card scatter" aria-label="Scatter">
      <div class="part-head">
        <h2>{params.metric} by</h2>
        {children}
        <span class="grow" />
        <ChartMenu table={table} picture={() => ({ name: `${params.metric}-by-${x}`, width, height: HEIGHT, draw: (on) => drawDots(on, dots, width, HEIGHT, look()) })} />
      </div>
      <div class="scatter-box" ref={box} style={{ height: `${HEIGHT}px` }}>
        {width > 0 && <Canvas width={width} height={HEIGHT} draw={draw} />}
        <div class="catch" role="img" aria-label={`${params.metric} by ${x}, ${runs.length} runs`} style={{ cursor: run ? "pointer" : "default" }}
          onPointerMove={point} onPointerLeave={() => setHovered(null)}
          onClick={() => run && go(`/run/${encodeURIComponent(run.id)}`)} />
        {run && hovered !== null && (
          <>
            <i class="ring" style={{ left: `${spot(hovered).left}px`, top: `${spot(hovered).top}px` }} />
            <div class="tip" style={beside(spot(hovered), width)}>
              <b>{title(run)}</b>
              <strong>{params.metric} {value(run.metric)}</strong>
              <span><small>{axisName(x)}</small> {cell(run.values[column]) || "unset"}</span>
              {colored >= 0 && <span><small>{axisName(by)}</small> {cell(run.values[colored]) || "unset"}</span>}
            </div>
          </>
        )}
      </div>
      {unset > 0 && <p class="dim">{count(unset, "run")} without {axisName(x)} left out</p>}
      {legend.length > 0 && (
        <div class="chart-legend">
          <span class="dim">{axisName(by)}</span>
          {legend.map(([label, hue]) => <span key={label} style={{ "--color": hue }}><i class="dot" /> {label}</span>)}
        </div>
      )}
    </section>
  );
}
