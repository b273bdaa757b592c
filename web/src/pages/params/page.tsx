/** Hyperparameters: what was varied, and what it did to a metric. */
import { useMemo } from "preact/hooks";
import { get, type Keys } from "../../api";
import "../../charts/charts.css";
import { count, keyParts, value } from "../../format";
import { useResource } from "../../resource";
import { dark } from "../../theme";
import { Empty, Failed } from "../../ui/empty";
import { filter, href, place, select, setParams, splitList } from "../../url";
import { usual } from "../curves/layout";
import { MetricPicker as KeyPicker } from "../curves/metric-picker";
import { inside, readBrushes, writtenBrushes, type Brushes } from "./axes";
import { Importance } from "./importance";
import { modelOf, usualKeys, type Params } from "./model";
import { Parallel } from "./parallel";
import "./params.css";
import { Scatter } from "./scatter";

const SWEEP = "headway train -m optimizer.lr=1e-5,3e-5,1e-4 seed=0,1,2";
const SELECTED = 100; // an address has no room for more

export default function ParamsPage() {
  const params = place.value.params;
  const common = { f: filter.value, archived: params.get("archived") === "1" };
  const keys = useResource(href("/api/keys", common), (abort) => get<Keys>("/api/keys", common, abort));
  const metric = params.get("metric") ?? (keys.data ? (usual(keys.data.metrics)[0] ?? null) : null);
  const asked = metric === null ? null : { ...common, metric };
  const { data, error, reload } = useResource(asked && href("/api/params", asked), (abort) => get<Params>("/api/params", asked!, abort), { live: true });
  const night = dark.value;
  const chosen = useMemo(() => {
    const wanted = splitList(params.get("keys"));
    return data ? (wanted.length ? wanted.filter((key) => data.keys.some((one) => one.key === key)) : usualKeys(data.keys)) : [];
  }, [data, params.get("keys")]);
  const model = useMemo(() => data && modelOf(data, chosen, night), [data, chosen, night]);
  const brushes = useMemo(() => readBrushes(splitList(params.get("brush"))), [params.get("brush")]);
  const passing = useMemo(() => (model ? inside(model.crossings, model.axes, brushes) : []), [model, brushes]);
  const kept = useMemo(() => model?.runs.filter((_, at) => passing[at]) ?? [], [model, passing]);

  const failed = error ?? keys.error;
  if (failed && !data) return <Failed error={failed} retry={error ? reload : keys.reload} />;
  if (keys.data && metric === null) return <Nothing filtered={filter.value !== ""} why="No run here has recorded a metric." />;
  if (!data || !model || !keys.data) return <div class="loading" role="status">…</div>;

  const options = keys.data.metrics.map(({ key }) => key);
  const setBrushes = (next: Brushes) => setParams({ brush: writtenBrushes(next) });
  const setKeys = (next: readonly string[]) => setParams({ keys: next });
  const move = (from: number, to: number) => {
    const next = [...chosen], [key] = next.splice(from, 1);
    next.splice(Math.max(0, Math.min(next.length, to)), 0, key!);
    setKeys(next);
  };
  const x = params.get("by") ?? chosen[0] ?? "";
  const color = params.get("color") ?? "";
  const columns = chosen.map((key) => data.keys.findIndex((one) => one.key === key));
  const table = () => [["run", "name", ...chosen, data.metric], ...kept.map((run) => [run.id, run.name, ...columns.map((at) => run.values[at]), run.metric])];
  return (
    <>
      <div class="toolbar" role="toolbar" aria-label="Parameters">
        <label>
          metric
          <select value={metric ?? ""} onChange={(event) => setParams({ metric: event.currentTarget.value, brush: null }, { replace: false })}>
            {!options.includes(data.metric) && <option value={data.metric}>{data.metric}</option>}
            {options.map((key) => <option key={key} value={key}>{key}</option>)}
          </select>
        </label>
        <KeyPicker noun="key" metrics={data.keys} chosen={chosen} onReset={() => setKeys([])}
          onToggle={(key) => setKeys(chosen.includes(key) ? chosen.filter((one) => one !== key) : [...chosen, key])} />
        {brushes.size > 0 && (
          <>
            <button onClick={() => setParams({ brush: null })}>Clear brushes</button>
            {kept.length > 0 && (
              <button disabled={kept.length > SELECTED} onClick={() => select(kept.map(({ id }) => id))}
                title={kept.length > SELECTED ? `at most ${SELECTED}` : "for the table, the curves and the comparison"}>
                Select these {value(kept.length)}
              </button>
            )}
          </>
        )}
        <span class="params-note">
          {brushes.size > 0 && `${value(kept.length)} of `}{count(model.runs.length, "run")}
          {model.without > 0 && `; ${value(model.without)} more without ${data.metric}`}
          {data.runs.length < data.total && `; the newest ${value(data.runs.length)} of ${value(data.total)}`}
          {model.runs.length > 0 && (data.mode === "min" ? "; the smaller the better" : "; the larger the better")}
        </span>
      </div>
      {model.runs.length < 2 || data.keys.length === 0 ? (
        <Nothing filtered={filter.value !== ""}
          why={model.runs.length < 2 ? `Fewer than two runs here have ${data.metric}.` : "Nothing varies between these runs."} />
      ) : (
        <div class="params">
          <Parallel model={model} passing={passing} brushes={brushes} onBrush={setBrushes} onMove={move} table={table} />
          <Scatter params={data} x={x} by={color} runs={kept}>
            <select aria-label="key across" value={x} onChange={(event) => setParams({ by: event.currentTarget.value })}>
              {data.keys.map(({ key }) => <option key={key} value={key}>{keyParts(key).join("")}</option>)}
            </select>
            <label class="dim">
              coloured by{" "}
              <select value={color} onChange={(event) => setParams({ color: event.currentTarget.value })}>
                <option value="">nothing</option>
                {data.keys.map(({ key }) => <option key={key} value={key}>{keyParts(key).join("")}</option>)}
              </select>
            </label>
          </Scatter>
          <Importance params={data} runs={model.runs.length} chosen={x} onChoose={(key) => setParams({ by: key })} />
        </div>
      )}
    </>
  );
}

function Nothing({ why, filtered }: { why: string; filtered: boolean }) {
  return <Empty title={why} command={SWEEP} hint={filtered ? "or a wider filter" : "A sweep: one run for every combination."} />;
}
