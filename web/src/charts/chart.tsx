/** The frame of a chart: its name, what is left out, its menu, the plot, a short legend. */
import { useSignal, type Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Axis } from "../api";
import { count } from "../format";
import { ChartMenu } from "./chart-menu";
import "./charts.css";
import { drawFigure, figureHeight, rows, type Figure } from "./figure";
import { extent, fit, type Line, type Range } from "./line";
import { look } from "./look";
import { Plot } from "./plot";
import { useWidth } from "./width";

export interface ChartProps {
  name: string; // of the files that are saved
  title: ComponentChildren;
  note?: string | undefined;
  lines: readonly Line[];
  axis: Axis;
  height: number;
  logX: boolean;
  logY: boolean;
  outliers: boolean;
  range: Range | null;
  onRange: (range: Range | null) => void;
  onPick?: ((line: Line) => void) | undefined;
  focus?: Signal<string | null> | undefined;
  legend?: boolean | undefined;
  unit?: ((value: number) => string) | undefined;
  menu?: ((close: () => void) => ComponentChildren) | undefined;
  empty: ComponentChildren; // shown where there is no point
  busy?: boolean | undefined;
  onWidth?: (width: number) => void;
}

export function Chart(props: ChartProps) {
  const { lines, axis, logX, logY, outliers, range, height } = props;
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const own = useSignal<string | null>(null);
  const focus = props.focus ?? own;
  const whole = useMemo(() => extent(lines, logX), [lines, logX]);
  const seen = range ?? whole;
  const fitted = useMemo(() => seen && fit(lines, seen, { log: logY, outliers }), [lines, seen?.[0], seen?.[1], logY, outliers]);
  useEffect(() => {
    if (width) props.onWidth?.(width);
  }, [width]);

  const x = seen && { min: logX ? Math.max(seen[0], Number.MIN_VALUE) : seen[0], max: seen[1], log: logX };
  const figure = (): Figure | null =>
    x && fitted && { title: props.name, note: props.note ?? "", lines, x, y: fitted.scale, axis, width: Math.max(480, width), height: Math.max(260, height) };
  const picture = () => {
    const drawn = figure();
    if (!drawn) return null;
    return { name: props.name, width: drawn.width, height: figureHeight(drawn), draw: (on: Parameters<typeof drawFigure>[0]) => drawFigure(on, drawn, look()) };
  };
  const notes = [
    props.note,
    fitted?.leftOut && `${count(fitted.leftOut, "point")} at or below 0 left out`,
    fitted?.beyond && `${count(fitted.beyond, "value")} beyond the frame`,
  ].filter(Boolean);

  return (
    <figure class={`chart${props.busy ? " loading-chart" : ""}`}>
      <figcaption>
        <span class="chart-title">{props.title}</span>
        <span class="chart-note" title={notes.join("; ")}>{notes.join("; ")}</span>
        {range && <button class="quiet" onClick={() => props.onRange(null)} title="or double click in the chart">reset zoom</button>}
        <ChartMenu picture={picture} table={() => { const drawn = figure(); return drawn ? rows(drawn) : []; }}>{props.menu}</ChartMenu>
      </figcaption>
      <div ref={box} class="chart-box" style={{ height: `${height}px` }}>
        {width > 0 && x && fitted ? (
          <Plot lines={lines} axis={axis} x={x} y={fitted.scale} width={width} height={height} focus={focus} onRange={props.onRange}
            onPick={props.onPick} unit={props.unit} label={`${props.name} by ${axis}, ${count(lines.length, "line")}`} />
        ) : (
          <div class="chart-empty">{props.empty}</div>
        )}
      </div>
      {(props.legend ?? true) && lines.length > 1 && <Legend lines={lines} focus={focus} onPick={props.onPick} />}
    </figure>
  );
}

const FIRST = 6;

function Legend({ lines, focus, onPick }: { lines: readonly Line[]; focus: Signal<string | null>; onPick?: ((line: Line) => void) | undefined }) {
  const [all, setAll] = useState(false);
  const shown = all ? lines : lines.slice(0, FIRST);
  return (
    <div class="chart-legend">
      {shown.map((line) => (
        <button key={line.id} class="quiet" onClick={() => onPick?.(line)} title={line.label} style={{ "--color": line.color }}
          onPointerEnter={() => (focus.value = line.id)} onPointerLeave={() => (focus.value = null)}>
          <i class="dot" /> {line.label}
        </button>
      ))}
      {lines.length > FIRST && <button class="quiet" onClick={() => setAll(!all)}>{all ? "fewer" : `${lines.length - FIRST} more`}</button>}
    </div>
  );
}
