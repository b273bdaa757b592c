import { useEffect, useState } from "preact/hooks";
import { get } from "../../api";
import { count } from "../../format";
import { useShortcuts } from "../../keyboard";
import { Example } from "../../parts/example";
import { Search } from "../../parts/facts";
import { shownKind, type PredictionPage } from "../../parts/prediction";
import { TypeLegend, typesOf } from "../../parts/tagged";
import { useResource } from "../../resource";
import { Empty, Failed } from "../../ui/empty";
import { href, place, setParams, type Patch } from "../../url";
import { EvaluationCard } from "./evaluation";
import type { TabProps } from "./page";
import { api } from "./address";

const PAGE = 50;

/** What the run answered on each example, to be narrowed down to what one wants to see. */
export function PredictionsTab({ run, turn }: TabProps) {
  const { params } = place.value;
  const asked = (name: string) => params.get(name) ?? "";
  const split = run.splits.find((one) => one.split === asked("split")) ?? run.splits.find((one) => one.split === "test") ?? run.splits.at(-1);
  const step = split?.steps.find((at) => String(at) === asked("step")) ?? split?.steps.at(-1);
  const at = Math.max(0, Number(asked("at")) || 0);
  const choice: Patch = {
    split: split?.split, step, q: asked("q"), only: asked("only"), gold: asked("gold"), prediction: asked("prediction"),
    min_confidence: asked("min"), max_confidence: asked("max"), sort: asked("sort"),
  };
  const { data, error, loading, reload } = useResource(split ? `${run.id} ${turn} ${href("", choice)} ${at}` : null, (abort) =>
    get<PredictionPage>(api(run.id, "predictions"), { ...choice, offset: at, limit: PAGE }, abort));
  const [current, setCurrent] = useState(-1);
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
  const rows = data?.rows ?? [];
  useEffect(() => setCurrent(-1), [href("", choice), at]);
  const set = (patch: Patch) => setParams({ at: null, ...patch });
  const toggle = (id: string) => setOpened((old) => new Set(old.has(id) ? [...old].filter((one) => one !== id) : [...old, id]));
  const move = (by: number) => setCurrent((old) => Math.min(rows.length - 1, Math.max(0, old + by)));
  useShortcuts([
    { keys: "j", what: "next example", run: () => move(1) },
    { keys: "k", what: "previous example", run: () => move(-1) },
    { keys: "o", what: "open the example", run: () => rows[current] && toggle(rows[current]!.id) },
    { keys: "w", what: "only wrong ones", run: () => data?.wrong !== null && set({ only: asked("only") === "wrong" ? null : "wrong" }) },
  ]);
  if (!split) {
    return <Empty title="No predictions were kept." command={run.commands["evaluate"] ?? `headway eval ${run.id}`}
      hint={run.status === "running" ? "They are written with every validation that is the best so far." : "An evaluation of a finished run writes them."} />;
  }
  const kind = rows[0] ? shownKind(data!.kind, rows[0]) : data?.kind;
  const names = (run.data["labels"] as string[] | undefined) ?? [];
  const labels = names.length && rows[0]?.scores?.length === names.length ? names : (data?.labels ?? []);
  const types = typesOf(data?.labels ?? []);
  return (
    <>
      <EvaluationCard run={run} split={split.split} step={step} chosen={{ gold: asked("gold") || null, prediction: asked("prediction") || null }}
        onCell={data?.kind === "labelled" ? (gold, prediction) => set(asked("gold") === gold && asked("prediction") === prediction ? { gold: null, prediction: null } : { gold, prediction }) : undefined} />
      <Controls data={data} run={run} split={split} step={step} set={set} asked={asked} csvLink={href(api(run.id, "predictions.csv"), choice)} />
      {error && <Failed error={error} retry={reload} />}
      {kind === "tagged" && <TypeLegend types={types} />}
      {data && (
        <>
          <p class="dim count" role="status">
            {count(data.matched, "example")}{data.matched < data.total && ` of ${data.total.toLocaleString("en-US")}`}
            {data.wrong !== null && data.total > 0 && `; ${data.wrong.toLocaleString("en-US")} of all wrong (${((100 * data.wrong) / data.total).toFixed(1)}%)`}
          </p>
          {data.matched === 0 && <p class="dim no-match">No example is like that. <button onClick={() => set(NOTHING)}>Show all</button></p>}
          <ul class={`examples-list${loading ? " loading-over" : ""}`}>
            {rows.map((row, index) => (
              <Example key={row.id} shown={{ kind: shownKind(data.kind, row), row, labels, types, query: asked("q") }} open={opened.has(row.id)} current={index === current}
                onToggle={() => { setCurrent(index); toggle(row.id); }} />
            ))}
          </ul>
          <Pages at={at} matched={data.matched} />
        </>
      )}
    </>
  );
}

const NOTHING: Patch = { q: null, only: null, gold: null, prediction: null, min: null, max: null };

function Controls({ data, run, split, step, set, asked, csvLink }: {
  data: PredictionPage | null;
  run: TabProps["run"];
  split: { split: string; steps: number[] };
  step: number | undefined;
  set: (patch: Patch) => void;
  asked: (name: string) => string;
  csvLink: string;
}) {
  const kind = data?.kind;
  const row = data?.rows[0];
  const labelled = kind === "labelled" || kind === "multi_labelled" || kind === "tagged";
  const sorts = [["", row?.loss === undefined ? "as in the file" : "highest loss"], ["loss", "lowest loss"], ["confidence", "least sure"], ["-confidence", "surest"], ["-error", "largest error"], ["id", "id"]].filter(
    ([key]) => (key === "loss" ? row?.loss !== undefined : key!.endsWith("confidence") ? row?.confidence !== undefined : key === "-error" ? kind === "scored" : true));
  const active = Object.keys(NOTHING).some((key) => asked(key));
  return (
    <div class="toolbar predictions-bar">
      <label>split <select value={split.split} onChange={(event) => set({ split: event.currentTarget.value, step: null })}>{run.splits.map((one) => <option key={one.split}>{one.split}</option>)}</select></label>
      {split.steps.length > 1 && <label>step <select value={step} onChange={(event) => set({ step: event.currentTarget.value })}>{split.steps.map((one) => <option key={one} value={one}>{one.toLocaleString("en-US")}</option>)}</select></label>}
      {data?.wrong !== null && (
        <span class="segments" role="group" aria-label="Which examples">
          {[["", "all"], ["wrong", "wrong"], ["right", "right"]].map(([key, name]) => <button key={key} aria-pressed={asked("only") === key} onClick={() => set({ only: key })}>{name}</button>)}
        </span>
      )}
      <Search value={asked("q")} onChange={(q) => set({ q })} label="Search examples" />
      {labelled && data && ["gold", "prediction"].map((side) => (
        <label key={side}>{side === "gold" ? "gold" : "predicted"} <select value={asked(side)} onChange={(event) => set({ [side]: event.currentTarget.value })}>
          <option value="">any</option>{data.labels.map((one) => <option key={one}>{one}</option>)}
        </select></label>
      ))}
      {row?.confidence !== undefined && (
        <label>confidence
          <input type="number" class="narrow" min="0" max="1" step="0.05" placeholder="0" value={asked("min")} aria-label="Lowest confidence" onChange={(event) => set({ min: event.currentTarget.value })} /> to
          <input type="number" class="narrow" min="0" max="1" step="0.05" placeholder="1" value={asked("max")} aria-label="Highest confidence" onChange={(event) => set({ max: event.currentTarget.value })} />
        </label>
      )}
      <label>sort <select value={asked("sort")} onChange={(event) => set({ sort: event.currentTarget.value })}>{sorts.map(([key, name]) => <option key={key} value={key}>{name}</option>)}</select></label>
      {active && <button class="quiet" onClick={() => set(NOTHING)}>clear</button>}
      <span class="grow" />
      <a class="button" href={csvLink} download>CSV</a>
    </div>
  );
}

export function Pages({ at, matched }: { at: number; matched: number }) {
  if (matched <= PAGE) return null;
  const to = (offset: number) => { setParams({ at: offset || null }); document.querySelector(".examples-list")?.scrollIntoView({ block: "start" }); };
  return (
    <div class="pages">
      <button disabled={at === 0} onClick={() => to(0)}>first</button>
      <button disabled={at === 0} onClick={() => to(Math.max(0, at - PAGE))}>previous</button>
      <span class="figure">{(at + 1).toLocaleString("en-US")} to {Math.min(matched, at + PAGE).toLocaleString("en-US")} of {matched.toLocaleString("en-US")}</span>
      <button disabled={at + PAGE >= matched} onClick={() => to(at + PAGE)}>next</button>
    </div>
  );
}
