/** What stands in one cell. */
import type { Cell, RunRow } from "../../api";
import { cell as cellText, num, type Num } from "../../format";
import { isBest, share, type Extremes } from "./best";
import type { Column } from "./columns";
import { textOf } from "./text";

function titleOf(column: Column, given: Cell): string {
  return column.key === "created" ? String(given).replace("T", " ") : `${column.prefix}${column.label}: ${cellText(given)}`;
}

/** A thin line as long as the value is far along its column. */
export function barStyle(at: number | null): Record<string, string> | undefined {
  return at === null ? undefined : { backgroundSize: `${(at * 100).toFixed(1)}% 2px` };
}

export function ValueCell({ column, given, ends, bars }: { column: Column; given: Cell; ends: Extremes | null | undefined; bars: boolean }) {
  const text = textOf(column, given);
  if (text === "") return <span class="none" aria-label="none">–</span>;
  const best = isBest(given, ends, column.mode);
  const bad = column.kind === "metric" && !Number.isFinite(num(given as Num) ?? 0);
  return (
    <>
      {bars && ends && <i class="bar" style={barStyle(share(given, ends))} aria-hidden="true" />}
      <button class={`value${best ? " best" : ""}${bad ? " odd" : ""}`} tabIndex={-1} title={titleOf(column, given) + (best ? " (best)" : "")} data-value="">
        {text}
      </button>
    </>
  );
}

export function Progress({ row }: { row: RunRow }) {
  const { step, steps } = row;
  const part = step !== null && steps ? Math.min(1, step / steps) : null;
  const text = step === null ? "" : steps ? `${step.toLocaleString("en-US")} / ${steps.toLocaleString("en-US")}` : step.toLocaleString("en-US");
  return (
    <span class="progress" title={part === null ? undefined : `${Math.floor(part * 100)} %`}>
      {row.status === "running" && part !== null && <progress value={part} max={1} />}
      {row.status === "running" && part !== null ? `${Math.floor(part * 100)} %` : text}
    </span>
  );
}
