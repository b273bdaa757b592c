/** Parallel coordinates: a line per run through its values; brushes on the axes choose runs; axes are moved by their names. */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ChartMenu } from "../../charts/chart-menu";
import type { Surface } from "../../charts/draw";
import { look } from "../../charts/look";
import { useWidth } from "../../charts/width";
import { cell, title, value } from "../../format";
import { dark } from "../../theme";
import { go } from "../../url";
import { axisName, nearestRun, type Brushes } from "./axes";
import { Canvas } from "./canvas";
import { AIR, drawParallel, heightOf, placeOf, spots, trace } from "./drawing";
import type { Model } from "./model";
import { beside } from "./scatter";

const ROOM = 108; // least pixels between two axes; below it the chart scrolls
const NEAR = 14; // pixels from an axis that still take hold of it
const HEIGHT = 380;

export function Parallel({ model, passing, brushes, onBrush, onMove, table }: {
  model: Model;
  passing: readonly boolean[];
  brushes: Brushes;
  onBrush: (brushes: Brushes) => void;
  onMove: (from: number, to: number) => void;
  table: () => unknown[][];
}) {
  const box = useRef<HTMLDivElement>(null);
  const room = useWidth(box);
  const width = Math.max(room, (model.axes.length - 1) * ROOM + 2 * AIR.side);
  const xs = useMemo(() => spots(model.axes.length, width), [model.axes.length, width]);
  const [hovered, setHovered] = useState<{ run: number; x: number; y: number } | null>(null);
  const drag = useRef<{ axis: number; from: number; to: number } | null>(null); // pointers move faster than the page is rendered
  const held = useRef<{ axis: number; start: number; x: number } | null>(null);
  const [turn, setTurn] = useState(0);
  const again = () => setTurn((n) => n + 1);
  const night = dark.value;
  const paint = (on: Surface, named: boolean) => drawParallel(on, model, passing, brushes, { width, height: HEIGHT }, look(), named);
  const draw = useCallback((on: CanvasRenderingContext2D) => paint(on, false), [model, passing, brushes, width, night]);
  const over = useCallback((on: CanvasRenderingContext2D) => {
    on.strokeStyle = on.fillStyle = look().ink;
    if (hovered && hovered.run < model.runs.length) {
      on.lineWidth = 2.5;
      on.beginPath();
      trace(on, model, hovered.run, xs, HEIGHT);
      on.stroke();
    }
    if (!drag.current) return;
    const { axis, from, to } = drag.current, top = heightOf(Math.max(from, to), HEIGHT);
    on.globalAlpha = 0.3;
    on.fillRect(xs[axis]! - 7, top, 14, heightOf(Math.min(from, to), HEIGHT) - top);
  }, [hovered?.run, turn, model, xs, night]);
  useEffect(() => setHovered(null), [model]);

  const at = (event: PointerEvent) => {
    const bounds = (event.currentTarget as Element).getBoundingClientRect();
    return { x: event.clientX - bounds.left, y: event.clientY - bounds.top };
  };
  const axisAt = (x: number) => xs.findIndex((one) => Math.abs(one - x) <= NEAR);
  const clamped = (y: number) => Math.max(-0.1, Math.min(1, placeOf(y, HEIGHT)));
  const press = (event: PointerEvent) => {
    const { x, y } = at(event), axis = axisAt(x);
    if (axis < 0 || event.button !== 0) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    drag.current = { axis, from: clamped(y), to: clamped(y) };
    setHovered(null);
  };
  const move = (event: PointerEvent) => {
    const { x, y } = at(event);
    if (drag.current) {
      drag.current.to = clamped(y);
      return again();
    }
    const between = xs.findLastIndex((one) => one <= x);
    const gap = xs.length > 1 ? xs[1]! - xs[0]! : 1;
    const place = Math.max(0, between) + (x - xs[Math.max(0, between)]!) / gap;
    const run = axisAt(x) >= 0 && event.buttons ? null : nearestRun(model.crossings, place, placeOf(y, HEIGHT), 12 / (HEIGHT - AIR.top - AIR.bottom), passing);
    setHovered(run === null ? null : { run, x, y });
  };
  const release = () => {
    if (!drag.current) return;
    const { axis, from, to } = drag.current;
    const next = new Map(brushes), key = model.axes[axis]!.key;
    if (Math.abs(to - from) < 0.015) next.delete(key);
    else next.set(key, [Math.min(from, to), Math.max(from, to)]);
    drag.current = null;
    again();
    onBrush(next);
  };
  const run = hovered && model.runs[hovered.run];
  return (
    <section class="card parallel" aria-label="Parallel coordinates">
      <div class="part-head">
        <h2>Parallel coordinates</h2>
        <span class="dim">drag along an axis to keep runs, click it to let go; move axes by their names</span>
        <ChartMenu table={table} picture={() => ({ name: `parallel-${model.metric}`, width, height: HEIGHT, draw: (on) => paint(on, true) })} />
      </div>
      <div class="scroll" ref={box}>
        {room > 0 && (
          <div class="parallel-box" style={{ width: `${width}px`, height: `${HEIGHT}px` }}>
            <Canvas width={width} height={HEIGHT} draw={draw} />
            <Canvas width={width} height={HEIGHT} draw={over} name="over" />
            <div class="catch" role="img" aria-label={`${model.runs.length} runs over ${model.axes.length} axes`}
              style={{ cursor: run ? "pointer" : "crosshair" }} onPointerDown={press}
              onPointerMove={move} onPointerUp={release} onPointerCancel={() => { drag.current = null; again(); }} onPointerLeave={() => setHovered(null)}
              onClick={() => run && hovered && axisAt(hovered.x) < 0 && go(`/run/${encodeURIComponent(run.id)}`)}>
              {xs.map((x) => <i key={x} style={{ left: `${x - NEAR}px`, width: `${2 * NEAR}px` }} />)}
            </div>
            {model.axes.map((axis, index) => {
              const last = index === model.axes.length - 1;
              const dx = held.current?.axis === index ? held.current.x : 0;
              return (
                <button key={axis.key} class={`quiet axis${dx ? " held" : ""}`}
                  title={last ? axis.key : `${axis.key}; drag or use the arrow keys to move`}
                  style={{ left: `${xs[index]! + dx}px`, maxWidth: `${width / model.axes.length}px` }}
                  onKeyDown={(event) => {
                    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
                    if (step && !last) { event.preventDefault(); onMove(index, index + step); }
                  }}
                  onPointerDown={(event) => {
                    if (last) return;
                    event.currentTarget.setPointerCapture(event.pointerId);
                    held.current = { axis: index, start: event.clientX, x: 0 };
                  }}
                  onPointerMove={(event) => {
                    if (held.current?.axis !== index) return;
                    held.current.x = event.clientX - held.current.start;
                    again();
                  }}
                  onPointerUp={(event) => {
                    if (held.current?.axis !== index) return;
                    const there = xs[index]! + event.clientX - held.current.start;
                    const to = xs.slice(0, -1).reduce((best, one, place) => (Math.abs(one - there) < Math.abs(xs[best]! - there) ? place : best), 0);
                    held.current = null;
                    again();
                    if (to !== index) onMove(index, to);
                  }}
                  onPointerCancel={() => { held.current = null; again(); }}
                  onDragStart={(event) => event.preventDefault()}>
                  {last ? axis.key : axisName(axis.key)}{axis.kind === "log" && <small class="dim"> log</small>}
                </button>
              );
            })}
            {run && hovered && (
              <div class="tip" style={beside({ left: hovered.x, top: Math.min(hovered.y, heightOf(0.45, HEIGHT)) }, width)}>
                <b>{title(run)}</b>
                <strong>{model.metric} {value(run.metric)}</strong>
                {model.axes.slice(0, -1).map((axis, index) => <span key={axis.key}><small>{axisName(axis.key)}</small> {cell(model.rows[hovered.run]![index]) || "unset"}</span>)}
              </div>
            )}
          </div>
        )}
      </div>
    </section>
  );
}
