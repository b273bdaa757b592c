import type { ComponentChildren } from "preact";
import { get } from "../../api";
import { count } from "../../format";
import { useShortcuts } from "../../keyboard";
import { useTurn } from "../../parts/use-turn";
import { useResource } from "../../resource";
import { Failed } from "../../ui/empty";
import { carried, filter, go, href, patched, place, splitList } from "../../url";
import type { Comparison } from "./answer";
import { Choose } from "./choose";
import { Code, Config, Cost, Data, Environment, Metrics } from "./facts";
import { Confusions } from "./confusions";
import { Curves } from "./curves";
import { Columns } from "./columns";
import { Predictions } from "./predictions";
import { Verdicts } from "./verdict";
import type { Choices } from "./verdicts";
import "../../parts/parts.css";
import "./compare.css";

export interface SectionProps {
  found: Comparison;
}

const MOST = 16; // runs that fit side by side

const SECTIONS: readonly [string, string, (props: SectionProps) => ComponentChildren][] = [
  ["metrics", "Metrics", Metrics], ["config", "Config", Config], ["curves", "Curves", Curves], ["cost", "Cost", Cost], ["data", "Data", Data],
  ["code", "Code", Code], ["environment", "Environment", Environment], ["confusion", "Confusion", Confusions], ["predictions", "Predictions", Predictions],
];
const PARTS = [["verdicts", "Verdicts"], ...SECTIONS] as const;

/** The address with other runs, and without choices that belonged to those that left. */
export function withRuns(runs: readonly string[]): string {
  const { params } = place.value;
  const gone = (key: string) => (runs.includes(params.get(key) ?? "") ? params.get(key) : null);
  return href("/compare", patched(params, { runs, sel: runs, a: gone("a"), b: gone("b"), at: null }));
}

const section = (name: string) => document.getElementById(`compare-${name}`);

/** Sections begin under the bar of the page and the list of sections. */
function jump(by: number): void {
  const tops = PARTS.map(([key]) => section(key)?.getBoundingClientRect().top ?? Infinity);
  const above = tops.filter((top) => top < (by > 0 ? 130 : 90)).length - (by > 0 ? 1 : 0);
  const next = PARTS[Math.min(PARTS.length - 1, Math.max(0, above + (by > 0 ? 1 : -1)))];
  section(next![0])?.scrollIntoView();
}

export default function Page() {
  const { params } = place.value;
  const named = [...new Set(splitList(params.get("runs")))];
  const chosen = named.length > 1 ? { runs: named } : named.length === 0 && filter.value ? { f: filter.value } : null;
  const turn = useTurn(named);
  const choices = useResource(chosen && `choices ${href("", chosen)} ${turn}`, (abort) => get<Choices>("/api/verdicts/choices", chosen!, abort), { live: !named.length });
  const runs = chosen && "runs" in chosen ? named : (choices.data?.runs ?? []);
  const few = runs.length > 1 && runs.length <= MOST ? runs : null;
  const { data: found, error, reload } = useResource(few && `compare ${few.join()} ${turn}`, (abort) => get<Comparison>("/api/compare", { runs: few! }, abort));
  useShortcuts([
    { keys: "]", what: "next section", run: () => jump(1) },
    { keys: "[", what: "previous section", run: () => jump(-1) },
  ]);
  if (!chosen) return <div class="compare-page"><Choose runs={named} /></div>;
  const failed = choices.error ?? (few && error);
  if (failed && !choices.data) return <div class="compare-page"><Failed error={failed} retry={choices.error ? choices.reload : reload} /><Choose runs={named.length > MOST ? [] : named} /></div>;
  if (!choices.data || (few && !found && !error)) return <div class="loading" role="status">…</div>;
  const side = few && found?.runs.length === few.length ? found : null;
  return (
    <div class="compare-page">
      {failed && <Failed error={failed} retry={reload} />}
      {side ? <Columns found={side} onChange={(next) => go(withRuns(next))} /> : <Many runs={runs} filter={named.length ? "" : filter.value} />}
      {side && (
        <nav class="sections" aria-label="Sections">
          {PARTS.map(([key, name]) => <button key={key} class="quiet" onClick={() => section(key)?.scrollIntoView()}>{name}</button>)}
        </nav>
      )}
      {runs.length > 0 && <section id="compare-verdicts" class="card part" aria-label="Verdicts"><Verdicts chosen={chosen} choices={choices.data} turn={turn} /></section>}
      {side && SECTIONS.map(([key, name, Section]) => (
        <section key={key} id={`compare-${key}`} class="card part" aria-label={name}><Section found={side} /></section>
      ))}
    </div>
  );
}

/** What is compared, where the runs are too many to stand side by side. */
function Many({ runs, filter: f }: { runs: readonly string[]; filter: string }) {
  const table = f ? href("/", { f }) : href("/", patched(carried(place.value.params), { f: null, sel: runs }));
  return (
    <p class="many">
      {f ? <>{runs.length === 0 ? "No run matches" : `${count(runs.length, "run")} that match`} <code>{f}</code></> : count(runs.length, "run")}{" "}
      <a href={table}>in the table</a>{runs.length > MOST && <span class="dim">; configs, curves and predictions stand side by side for up to {MOST} runs</span>}
    </p>
  );
}
