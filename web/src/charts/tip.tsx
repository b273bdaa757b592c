import type { Axis } from "../api";
import { count, value } from "../format";
import type { Found } from "./nearest";
import { clock } from "./scale";

interface TipProps {
  found: Found;
  left: number;
  top: number;
  axis: Axis;
  width: number;
  height: number;
  unit?: ((value: number) => string) | undefined;
  opens: boolean;
}

/** x as the reader reads it: "step 1,200", "epoch 2.5", "4m 10s". */
export function xText(x: number, axis: Axis): string {
  if (axis === "time") return clock(x);
  return `${axis === "tokens" ? "" : `${axis} `}${value(axis === "epoch" ? x : Math.round(x), 2)}${axis === "tokens" ? " tokens" : ""}`;
}

/** What the line under the pointer is, and its value there. */
export function Tip({ found, left, top, axis, width, height, unit = value, opens }: TipProps) {
  const { line, index } = found;
  const span = line.low !== line.y && line.low[index] !== line.high[index];
  const flipped = left > width * 0.55;
  const low = top > height * 0.6;
  const style = {
    left: flipped ? "auto" : `${left + 14}px`, right: flipped ? `${width - left + 14}px` : "auto",
    top: low ? "auto" : `${Math.max(0, top - 10)}px`, bottom: low ? `${Math.max(0, height - top - 10)}px` : "auto", "--color": line.color,
  };
  return (
    <div class="tip" style={style}>
      <b><i class="dot" /> {line.label}</b>
      <span>{xText(line.x[index]!, axis)}</span>
      <span>
        <strong>{unit(line.y[index]!)}</strong>
        {line.raw && <small> unsmoothed {unit(line.raw[index]!)}</small>}
      </span>
      {span && <small>{unit(line.low[index]!)} to {unit(line.high[index]!)}{line.counts ? `, ${count(line.counts[index]!, "run")}` : " between these points"}</small>}
      {opens && !line.counts && <small class="dim">click opens the run</small>}
    </div>
  );
}
