import { SeriesChart } from "../../charts/series-chart";
import { get } from "../../api";
import { useResource } from "../../resource";
import { csv, download } from "../../ui/download";
import { Empty, Failed } from "../../ui/empty";
import type { TabProps } from "./page";
import { systemCharts, type System } from "./system-charts";
import { api } from "./address";

/** What the run asked of its machine over time. */
export function SystemTab({ run, turn }: TabProps) {
  const { data, error, reload } = useResource(run.has_system ? `system ${run.id} ${turn}` : null, (abort) => get<System>(api(run.id, "system"), { points: 500 }, abort));
  const charts = data ? systemCharts(data) : [];
  if (error && !data) return <Failed error={error} retry={reload} />;
  if (run.has_system && !data) return <div class="loading">…</div>;
  if (!data || !charts.length) {
    return <Empty title="No system metrics were recorded for this run." command={run.reproduce ?? "headway train"} hint="Runs record CPU, memory, disk and GPU while they train; this one ended before the first sample, or is older than that." />;
  }
  const names = Object.keys(data.series);
  const keep = () => download(`${run.id}-system.csv`, csv([["seconds", ...names], ...data.x.map((x, at) => [x, ...names.map((name) => data.series[name]![at])])]), "text/csv");
  return (
    <>
      <div class="toolbar"><span class="dim">Means over {data.x.length} parts of the run{run.hardware["cpus"] ? `; ${run.hardware["cpus"]} CPUs, ${run.hardware["memory_gb"]} GB` : ""}</span><span class="grow" /><button class="quiet" onClick={keep}>CSV</button></div>
      <div class="charts">
        {charts.map((chart) => (
          <div key={chart.title} class="card chart-card"><SeriesChart x={data.x} title={chart.title} unit={chart.unit} series={chart.names.map((name) => ({ label: chart.label(name), values: data.series[name]! }))} height={170} /></div>
        ))}
      </div>
    </>
  );
}
