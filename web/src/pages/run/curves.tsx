import { CurveChart } from "../../charts/curve-chart";
import type { Axis } from "../../api";
import { Search } from "../../parts/facts";
import { Empty } from "../../ui/empty";
import { place, setParams } from "../../url";
import { byPrefix } from "../../parts/metrics";
import type { TabProps } from "./page";

const AXES: readonly Axis[] = ["step", "epoch", "tokens", "time"];
const MOST = 60; // charts at one time: beyond that the search narrows

/** Every metric of the run as a small chart, by what its name begins with. */
export function CurvesTab({ run }: TabProps) {
  const { params } = place.value;
  const query = params.get("q") ?? "";
  const x = AXES.find((axis) => axis === params.get("x")) ?? "step";
  const smooth = Math.min(0.99, Math.max(0, Number(params.get("smooth")) || 0));
  const all = Object.keys(run.summary).filter((name) => name !== "epoch");
  const names = all.filter((name) => name.toLowerCase().includes(query.toLowerCase()));
  if (!all.length) return <Empty title="No metric was recorded." hint={run.status === "running" ? "The first rows are on their way." : "The run ended before its first step; the console says why."} />;
  let left = MOST;
  return (
    <>
      <div class="toolbar">
        <Search value={query} onChange={(q) => setParams({ q })} label="Search metrics" />
        <label>x <select value={x} onChange={(event) => setParams({ x: event.currentTarget.value === "step" ? null : event.currentTarget.value })}>
          {AXES.map((axis) => <option key={axis}>{axis}</option>)}
        </select></label>
        <label>smooth <input type="range" min="0" max="0.99" step="0.01" value={smooth} onInput={(event) => setParams({ smooth: Number(event.currentTarget.value) || null })} />
          <span class="number figure">{smooth.toFixed(2)}</span></label>
        <label><input type="checkbox" checked={params.has("logy")} onChange={(event) => setParams({ logy: event.currentTarget.checked })} /> log y</label>
      </div>
      {byPrefix(names).map(([prefix, list]) => {
        const shown = list.slice(0, Math.max(0, left));
        left -= shown.length;
        return shown.length > 0 && (
          <section key={prefix} class="curve-group">
            <h2>{prefix || "other"}</h2>
            <div class="charts">
              {shown.map((name) => (
                <div key={name} class="card chart-card">
                  <CurveChart metric={name} x={x} params={{ runs: [run.id] }} height={150} smooth={smooth} logY={params.has("logy")} legend={false} />
                </div>
              ))}
            </div>
          </section>
        );
      })}
      {names.length > MOST && <p class="dim">{names.length - MOST} more metrics; search to narrow them down.</p>}
      {names.length === 0 && <p class="dim">No metric of this run contains “{query}”.</p>}
    </>
  );
}
