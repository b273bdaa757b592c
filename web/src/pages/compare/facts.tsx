import type { ComponentChildren } from "preact";
import { count, value } from "../../format";
import { Long } from "../../parts/clamp";
import { exact } from "../../parts/exact";
import { Search } from "../../parts/facts";
import { inOrder } from "../../parts/metrics";
import { PatchView } from "../../parts/patch-view";
import { csv, download } from "../../ui/download";
import { place, setParams } from "../../url";
import type { Comparison } from "./answer";
import { Heads } from "./columns";
import type { SectionProps } from "./page";
import { bestAt, chosenRows, codeRows, columnNames, costRows, dataRows, dataVerdict, delta, type Row } from "./rows";

/** A heading with what belongs to it at its end. */
export function Heading({ name, children }: { name: string; children?: ComponentChildren }) {
  return <div class="heading"><h2>{name}</h2>{children}</div>;
}

export function keepTable(found: Comparison, name: string, first: string, rows: readonly (readonly unknown[])[]): void {
  download(`compare-${name}.csv`, csv([[first, ...found.runs.map((run) => run.id)], ...rows]), "text/csv");
}

function Plain({ found, first, rows, number = false }: { found: Comparison; first: string; rows: readonly Row[]; number?: boolean }) {
  return (
    <div class="scroll">
      <table class="table sides-table" style={{ "--runs": found.runs.length }}>
        <Heads found={found} first={first} />
        <tbody>
          {rows.map((one) => (
            <tr key={one.name} class={one.differs ? "differs" : ""}>
              <th scope="row">{one.name}</th>
              {one.values.map((text, at) => <td key={at} class={number ? "figure" : ""}>{text ? <Long text={text} limit={90} /> : <span class="dim">–</span>}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Rows of which only the differing ones are shown at first. */
function Differing({ found, name, first, rows, param }: {
  found: Comparison;
  name: string;
  first: string;
  rows: readonly { name: string; values: readonly unknown[]; differs: boolean }[];
  param: string;
}) {
  const { params } = place.value;
  const [all, query] = [params.has(`all_${param}`), params.get(`q_${param}`) ?? ""];
  const shown = chosenRows(rows, (one) => one.name, { all, query });
  const differing = rows.filter((one) => one.differs).length;
  return (
    <>
      <Heading name={name}>
        <span class="dim">{differing ? `${differing} of ${count(rows.length, first)} differ` : `all ${count(rows.length, first)} the same`}</span>
        <Search value={query} onChange={(q) => setParams({ [`q_${param}`]: q })} label={`Search ${name.toLowerCase()}`} />
        <label><input type="checkbox" checked={all} onChange={(event) => setParams({ [`all_${param}`]: event.currentTarget.checked })} /> all</label>
        <span class="grow" />
        <button class="quiet" onClick={() => keepTable(found, param, first, shown.map((one) => [one.name, ...one.values]))}>CSV</button>
      </Heading>
      {shown.length > 0 && <Plain found={found} first={first} rows={shown.map((one) => ({ name: one.name, values: one.values.map((each) => (each === null && !one.differs ? "null" : exact(each))), differs: all && one.differs }))} />}
      {shown.length === 0 && query && <p class="dim">Nothing {all ? "" : "that differs "}contains “{query}”.</p>}
    </>
  );
}

export const Config = ({ found }: SectionProps) => <Differing found={found} name="Config" first="key" param="config" rows={found.config.map((one) => ({ ...one, name: one.key }))} />;

export const Environment = ({ found }: SectionProps) => <Differing found={found} name="Environment" first="package" param="environment" rows={found.environment.map((one) => ({ ...one, name: one.package }))} />;

export function Data({ found }: SectionProps) {
  const verdict = dataVerdict(found);
  const rows = dataRows(found.data);
  return (
    <>
      <Heading name="Data"><span class="grow" /><button class="quiet" onClick={() => keepTable(found, "data", "data", rows.map((one) => [one.name, ...one.values]))}>CSV</button></Heading>
      <p class={`verdict-line ${verdict.same ? "same" : "other"}`}>{verdict.text}</p>
      <Plain found={found} first="data" rows={rows} number />
    </>
  );
}

export function Cost({ found }: SectionProps) {
  const rows = costRows(found.cost);
  return (
    <>
      <Heading name="Cost"><span class="grow" /><button class="quiet" onClick={() => keepTable(found, "cost", "cost", rows.map((one) => [one.name, ...one.values]))}>CSV</button></Heading>
      <Plain found={found} first="cost" rows={rows.map((one) => ({ ...one, differs: false }))} number />
    </>
  );
}

export function Code({ found }: SectionProps) {
  const rows = codeRows(found.code);
  const names = columnNames(found.runs);
  const same = rows[0]!.differs === false;
  const clean = found.code.every((one) => !one.dirty);
  return (
    <>
      <Heading name="Code"><span class="grow" /><button class="quiet" onClick={() => keepTable(found, "code", "code", rows.map((one) => [one.name, ...one.values]))}>CSV</button></Heading>
      <Plain found={found} first="code" rows={rows} />
      {clean ? null : found.patch_diff === null ? (
        <p class="verdict-line same">{names[0]} and {names[1]} had the same uncommitted changes{same ? " on the same commit: the same code." : ", on different commits."}</p>
      ) : (
        <>
          <p class="dim">How the uncommitted changes of {names[1]} differ from those of {names[0]} (a difference of two patches{found.runs.length > 2 ? "; move other runs to the front to see theirs" : ""}):</p>
          <PatchView text={found.patch_diff} name={(path) => path.replace(`${found.runs[1]!.id}/`, "")} />
        </>
      )}
    </>
  );
}

export function Metrics({ found }: SectionProps) {
  const last = place.value.params.get("value") === "last";
  const query = place.value.params.get("q_metrics") ?? "";
  const order = inOrder(found.metrics.map((one) => one.key));
  const rows = found.metrics.filter((one) => one.key.toLowerCase().includes(query.toLowerCase())).sort((a, b) => order.indexOf(a.key) - order.indexOf(b.key));
  const keep = () => keepTable(found, "metrics", "metric", rows.flatMap((one) => [[`${one.key} (best)`, ...one.values], [`${one.key} (last)`, ...one.last]]));
  return (
    <>
      <Heading name="Metrics">
        <span class="segments" role="group" aria-label="Which value">
          <button aria-pressed={!last} onClick={() => setParams({ value: null })}>best</button>
          <button aria-pressed={last} onClick={() => setParams({ value: "last" })}>last</button>
        </span>
        <Search value={query} onChange={(q) => setParams({ q_metrics: q })} label="Search metrics" />
        <span class="grow" />
        <button class="quiet" onClick={keep}>CSV</button>
      </Heading>
      <div class="scroll">
        <table class="table sides-table metrics-table" style={{ "--runs": found.runs.length }}>
          <Heads found={found} first="metric" />
          <tbody>
            {rows.map((one) => {
              const values = last ? one.last : one.values;
              const best = bestAt(values, one.mode);
              return (
                <tr key={one.key}>
                  <th scope="row">{one.key} <span class="dim" title={one.mode === "min" ? "smaller is better" : "larger is better"}>{one.mode === "min" ? "↓" : "↑"}</span></th>
                  {values.map((each, at) => {
                    const off = at === 0 ? null : delta(values[0], each, one.mode);
                    return (
                      <td key={at} class={`figure${best.has(at) ? " best-value" : ""}`} title={best.has(at) ? "best of these runs" : undefined}>
                        {each === null || each === undefined ? <span class="dim">–</span> : value(each)}
                        {off && <small class={off.better === null ? "dim" : off.better ? "better" : "worse"}>{off.text}</small>}
                      </td>
                    );
                  })}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}
