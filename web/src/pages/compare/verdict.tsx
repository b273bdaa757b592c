/** Which difference is real: groups of runs on one metric, in order, and what the tests say of them. */
import type { ComponentChildren } from "preact";
import "../../charts/charts.css";
import { get } from "../../api";
import { ChartMenu } from "../../charts/chart-menu";
import { count } from "../../format";
import { useResource } from "../../resource";
import { Copy } from "../../ui/copy";
import { Failed } from "../../ui/empty";
import { Menu } from "../../ui/menu";
import { href, place, setParams, splitList, type Patch } from "../../url";
import { byTelling } from "../runs/columns";
import { Contrast } from "./contrast";
import { Forest } from "./forest";
import { forestPicture } from "./forest-picture";
import { cut, notesOf, outcomes, sharedNotes, SIGNS, type Choices, type Outcome, type Study } from "./verdicts";
import "./verdict.css";

const FIRST = 6; // sentences shown at first of many

/** `chosen`: the runs or the filter, as parameters; `turn` counts up when one of the runs has changed. */
export function Verdicts({ chosen, choices, turn }: { chosen: Patch; choices: Choices; turn: number }) {
  const { params } = place.value;
  const asked = (name: string) => params.get(name) ?? "";
  const metric = asked("metric") || choices.metric;
  const by = splitList(params.get("group"));
  const question = { ...chosen, metric, by, margin: asked("margin"), level: asked("level"), correction: asked("correction") };
  const key = href("", question);
  const alone = choices.recipes < 2 && by.length === 0;
  const { data, error, loading, reload } = useResource(metric === null || alone ? null : `verdicts ${key} ${choices.runs.join()} ${turn}`, async (abort) => ({ key, study: await get<Study>("/api/verdicts", question, abort) }));
  if (metric === null) return <><h2>Which difference is real</h2><p class="dim">None of these runs has recorded a metric yet.</p></>;
  const study = error || alone ? null : data?.study;
  const table = () => [
    ["rank", "group", "seeds", "mean", "sd", "low", "high", "best", "worst"],
    ...(study?.places ?? []).map((one) => [one.rank, one.name, one.n, one.mean, one.sd, one.interval?.low, one.interval?.high, one.best, one.worst]),
  ];
  return (
    <div class={`verdict${data && data.key !== key && !error ? " loading-over" : ""}`} aria-busy={loading}>
      <div class="heading">
        <h2>Which difference is real</h2>
        <span class="dim">{study && `${count(choices.runs.length, "run")} in ${count(study.groups.length, "group")}`}</span>
        <span class="grow" />
        {study && <ChartMenu table={table} picture={() => forestPicture(study)} />}
      </div>
      <Controls choices={choices} metric={metric} by={by} asked={asked} />
      {!data && loading && <p class="dim" role="status">The tests are run …</p>}
      {error && <Failed error={error} retry={error.status === 0 ? reload : undefined} />}
      {alone && <p>These runs are one group: they differ in nothing but the seed. A verdict takes two, so add runs of another recipe.</p>}
      {study && <Answer study={study} only={asked("outcome")} />}
      {study && <Contrast study={study} by={by} level={asked("level")} />}
    </div>
  );
}

function Controls({ choices, metric, by, asked }: { choices: Choices; metric: string; by: readonly string[]; asked: (name: string) => string }) {
  const set = (patch: Patch) => setParams({ outcome: null, ...patch }, { replace: false });
  const number = (name: string, label: string, title: string, hint: string): ComponentChildren => (
    <label title={title}>{label} <input class="small" inputMode="decimal" value={asked(name)} placeholder={hint} aria-label={label} onChange={(event) => set({ [name]: event.currentTarget.value.trim() })} /></label>
  );
  const keys = byTelling(choices.keys);
  return (
    <div class="toolbar" role="toolbar" aria-label="What is compared">
      <label>metric
        <select value={metric} aria-label="Metric" onChange={(event) => set({ metric: event.currentTarget.value })}>
          {[...new Set([...choices.metrics.map(({ key }) => key), metric])].map((name) => <option key={name}>{name}</option>)}
        </select>
      </label>
      <Menu label={<>{by.length ? `by ${by.map((key) => key.split(".").at(-1)).join(", ")}` : "seeds together"} ▾</>} title="What makes a group">
        {() => (
          <div class="by-keys">
            <button class="item" aria-pressed={by.length === 0} onClick={() => set({ group: null })}>Seeds together: all else equal</button>
            {keys.length > 0 && <h3>By keys, whatever else differs</h3>}
            {keys.map(({ key, distinct }) => {
              const name = key.replace(/^config\./, "");
              return <label key={key}><input type="checkbox" checked={by.includes(name)} onChange={() => set({ group: by.includes(name) ? by.filter((one) => one !== name) : [...by, name] })} /> <span>{name}</span> <small class="dim">{count(distinct, "value")}</small></label>;
            })}
          </div>
        )}
      </Menu>
      {number("margin", "tied within", "Two groups count as tied where a test shows that they are the same within this much", "none")}
      {number("level", "level", "Of the tests, two-sided; intervals are at 1 less this", "0.05")}
    </div>
  );
}

function Answer({ study, only }: { study: Study; only: string }) {
  const notes = sharedNotes(study);
  const assumptions = [...new Set(study.verdicts.flatMap((one) => one.assumptions))];
  const found = outcomes(study.verdicts);
  const wanted = found.some(([outcome]) => outcome === only) ? study.verdicts.filter(({ outcome }) => outcome === only) : study.verdicts;
  const all = place.value.params.has("all_verdicts") || wanted.length <= FIRST + 2;
  return (
    <>
      <p class="headline">{study.headline}</p>
      <Forest study={study} />
      <div class="heading verdicts-head">
        <h3>{study.verdicts.length === 1 ? "The verdict" : `${count(study.verdicts.length, "verdict")}${study.places.length > 2 && study.verdicts.length < (study.places.length * (study.places.length - 1)) / 2 ? ", the leader against each" : ""}`}</h3>
        {found.length > 1 && (
          <span class="segments" role="group" aria-label="Which verdicts">
            {found.map(([outcome, often]) => <button key={outcome} aria-pressed={outcome === only} onClick={() => setParams({ outcome: outcome === only ? null : outcome })}><Sign outcome={outcome} /> {often}</button>)}
          </span>
        )}
      </div>
      <ul class="verdicts">
        {(all ? wanted : wanted.slice(0, FIRST)).map((one) => {
          const [said, evidence] = cut(one.sentence);
          return (
            <li key={`${one.first}\n${one.second}`}>
              <Sign outcome={one.outcome} />
              <p>{said}<span class="evidence">{evidence}</span>{notesOf(one, study).map((note) => <small key={note}><b>mind</b> {note}</small>)}</p>
            </li>
          );
        })}
      </ul>
      {!all && <button class="more" onClick={() => setParams({ all_verdicts: true })}>all {wanted.length}</button>}
      {notes.length > 0 && <ul class="mind" aria-label="To bear in mind">{notes.map((note) => <li key={note}><b>mind</b> {note}</li>)}</ul>}
      {assumptions.length > 0 && (
        <details class="assumed">
          <summary>What these verdicts assume</summary>
          <ul>{assumptions.map((one) => <li key={one}>{one}</li>)}</ul>
        </details>
      )}
      <div class="commands">{Object.values(study.commands).map((text) => <Copy key={text} text={text} />)}</div>
    </>
  );
}

/** The outcome as sign, colour and word: none of them is needed alone. */
const Sign = ({ outcome }: { outcome: Outcome }) => <b class={`outcome ${outcome.replaceAll(" ", "-")}`}><i aria-hidden="true">{SIGNS[outcome]}</i> {outcome}</b>;
