import { useEffect, useState } from "preact/hooks";
import { get } from "../../api";
import { count } from "../../format";
import { useShortcuts } from "../../keyboard";
import { Search } from "../../parts/facts";
import { typesOf } from "../../parts/tagged";
import { useResource } from "../../resource";
import { csv, download } from "../../ui/download";
import { Failed } from "../../ui/empty";
import { complain } from "../../ui/toast";
import { href, place, setParams, type Patch } from "../../url";
import type { Case, Pairs } from "./answer";
import { swatch } from "./columns";
import { Heading } from "./facts";
import { PairRow } from "./pair";
import type { SectionProps } from "./page";
import { columnNames } from "./rows";
import { splitsOf } from "./splits";

const PAGE = 30;
const MOST = 1000; // rows in one answer, and so in one CSV

const CASES: readonly [Case, string][] = [["both_right", "both right"], ["fixed", "fixed by B"], ["broken", "broken by B"], ["both_wrong", "both wrong"]];

/** Which examples one run gets right and the other does not. */
export function Predictions({ found }: SectionProps) {
  const { params } = place.value;
  const asked = (name: string) => params.get(name) ?? "";
  const ids = found.runs.map((run) => run.id);
  const names = columnNames(found.runs);
  const a = ids.includes(asked("a")) ? asked("a") : ids[0]!;
  const b = ids.includes(asked("b")) && asked("b") !== a ? asked("b") : ids.find((id) => id !== a)!;
  const splits = splitsOf(found, [ids.indexOf(a), ids.indexOf(b)]);
  const split = splits.find((one) => one === asked("split")) ?? splits[0];
  const at = Math.max(0, Number(asked("at")) || 0);
  const only = asked("only") || "differ"; // what differs is what one came for
  const choice: Patch = { a, b, split, only: only === "all" ? null : only, q: asked("q"), sort: asked("sort") };
  const key = href("", choice);
  const { data, error, loading, reload } = useResource(split ? `pairs ${key} ${at}` : null, (abort) => get<Pairs>("/api/compare/predictions", { ...choice, offset: at, limit: PAGE }, abort));
  const [current, setCurrent] = useState(-1);
  useEffect(() => setCurrent(-1), [key, at]);
  const set = (patch: Patch) => setParams({ at: null, ...patch });
  const rows = data?.rows ?? [];
  useShortcuts([
    { keys: "j", what: "next example", run: () => setCurrent((old) => Math.min(rows.length - 1, old + 1)) },
    { keys: "k", what: "previous example", run: () => setCurrent((old) => Math.max(0, old - 1)) },
    { keys: "w", what: "only examples that B broke", run: () => set({ only: only === "broken" ? null : "broken" }) },
  ]);
  const choose = ids.length > 2 ? <Sides ids={ids} names={names} a={a} b={b} set={set} /> : <span class="dim">A is <Named at={ids.indexOf(a)} name={names[ids.indexOf(a)]!} />, B is <Named at={ids.indexOf(b)} name={names[ids.indexOf(b)]!} /></span>;
  if (split === undefined) {
    return (
      <>
        <Heading name="Predictions">{choose}</Heading>
        <p class="dim">The two kept predictions of no split in common. <code>headway eval {a}</code> and <code>headway eval {b}</code> write them.</p>
      </>
    );
  }
  const keep = async () => {
    const all = await get<Pairs>("/api/compare/predictions", { ...choice, offset: 0, limit: MOST });
    download(`compare-${split}-${a}-${b}.csv`, csv([
      ["id", "input", "gold", "a", "b", "a_wrong", "b_wrong", "a_loss", "b_loss"],
      ...all.rows.map((row) => [row.id, input(row.input), row.gold, row.a.prediction, row.b.prediction, row.a.wrong, row.b.wrong, row.a.loss, row.b.loss]),
    ]), "text/csv");
  };
  const types = entityTypes(found.evaluations[split] ?? []);
  return (
    <>
      <Heading name="Predictions">
        {splits.length > 1 ? <select aria-label="Split" value={split} onChange={(event) => set({ split: event.currentTarget.value })}>{splits.map((one) => <option key={one}>{one}</option>)}</select> : <span class="dim">{split}</span>}
        {choose}
        <button class="quiet" onClick={() => set({ a: b, b: a, only: only === "fixed" ? "broken" : only === "broken" ? "fixed" : asked("only") })}>swap</button>
        <span class="grow" />
        {data && !data.reason && <button class="quiet" title={data.matched > MOST ? `the first ${MOST} rows` : undefined} onClick={() => keep().catch(complain)}>CSV</button>}
      </Heading>
      {error && <Failed error={error} retry={reload} />}
      {data?.reason && <p class="verdict-line other">Cannot be compared: {data.reason}.</p>}
      {data && !data.reason && (
        <>
          <div class="pairs-top">
            {data.counts && <Cases counts={data.counts} shared={data.shared} only={only} set={set} />}
            <div class="toolbar">
              <Search value={asked("q")} onChange={(q) => set({ q })} label="Search examples" />
              <span class="segments" role="group" aria-label="Which examples">
                <button aria-pressed={only === "differ"} onClick={() => set({ only: null })}>different answers</button>
                <button aria-pressed={only === "all"} onClick={() => set({ only: "all" })}>all</button>
              </span>
              <label>sort <select value={asked("sort")} onChange={(event) => set({ sort: event.currentTarget.value })}>
                {[["", "as in the file"], ["-loss", "B worse first"], ["loss", "B better first"], ["-a.loss", "A's loss"], ["-b.loss", "B's loss"]].map(([value, name]) => <option key={value} value={value}>{name}</option>)}
              </select></label>
              <span class="dim" role="status">
                {count(data.matched, "example")}{data.matched < data.shared && ` of ${data.shared.toLocaleString("en-US")}`}
                {data.only_a + data.only_b > 0 && `; ${data.only_a} only in A, ${data.only_b} only in B`}
              </span>
            </div>
          </div>
          {data.matched === 0 && <p class="dim">{only === "differ" && !asked("q") ? "The two gave the same answer to every example." : "No example is like that."} <button onClick={() => set({ only: "all", q: null })}>Show all</button></p>}
          <ul class={`examples-list${loading ? " loading-over" : ""}`}>
            {rows.map((row, index) => <PairRow key={row.id} kind={data.kind} pair={row} types={types} query={asked("q")} current={index === current} colors={[swatch(ids.indexOf(a)).color, swatch(ids.indexOf(b)).color]} />)}
          </ul>
          {data.matched > PAGE && (
            <div class="pages">
              <button disabled={at === 0} onClick={() => setParams({ at: at - PAGE > 0 ? at - PAGE : null })}>previous</button>
              <span class="figure">{at + 1} to {Math.min(data.matched, at + PAGE)} of {data.matched.toLocaleString("en-US")}</span>
              <button disabled={at + PAGE >= data.matched} onClick={() => setParams({ at: at + PAGE })}>next</button>
            </div>
          )}
        </>
      )}
    </>
  );
}

/** Types that were scored: the same list, and so the same colours, as on the page of a run. */
function entityTypes(details: readonly unknown[]): string[] {
  return typesOf(details.flatMap((one) => Object.keys((one as { per_type?: object } | null)?.per_type ?? {})));
}

const input = (given: Pairs["rows"][number]["input"]) => given.text ?? given.question ?? given.tokens ?? given.messages ?? "";

const Named = ({ at, name }: { at: number; name: string }) => <span class="named"><i class="swatch" style={swatch(at)} /> {name}</span>;

function Sides({ ids, names, a, b, set }: { ids: string[]; names: string[]; a: string; b: string; set: (patch: Patch) => void }) {
  const choice = (side: "a" | "b", chosen: string) => (
    <label class="dim"><i class="swatch" style={swatch(ids.indexOf(chosen))} /> {side.toUpperCase()} <select value={chosen} onChange={(event) => set({ [side]: event.currentTarget.value })}>
      {ids.map((id, at) => <option key={id} value={id} disabled={id === (side === "a" ? b : a)}>{names[at]}</option>)}
    </select></label>
  );
  return <>{choice("a", a)}{choice("b", b)}</>;
}

/** The four cases as a table, each a link that filters. */
function Cases({ counts, shared, only, set }: { counts: Record<Case, number>; shared: number; only: string; set: (patch: Patch) => void }) {
  const link = (one: Case, name: string) => (
    <td class={one}>
      <button aria-pressed={only === one} onClick={() => set({ only: only === one ? null : one })}>
        <b>{counts[one].toLocaleString("en-US")}</b> <span>{name}</span> <small>{shared ? ((100 * counts[one]) / shared).toFixed(1) : 0}%</small>
      </button>
    </td>
  );
  const named = new Map(CASES);
  return (
    <table class="cases" aria-label="Examples by who gets them right">
      <thead><tr><td /><th>B right</th><th>B wrong</th></tr></thead>
      <tbody>
        <tr><th>A right</th>{link("both_right", named.get("both_right")!)}{link("broken", named.get("broken")!)}</tr>
        <tr><th>A wrong</th>{link("fixed", named.get("fixed")!)}{link("both_wrong", named.get("both_wrong")!)}</tr>
      </tbody>
    </table>
  );
}
