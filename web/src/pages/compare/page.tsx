import type { ComponentChildren } from "preact";
import { get } from "../../api";
import { useShortcuts } from "../../keyboard";
import { useTurn } from "../../parts/use-turn";
import { useResource } from "../../resource";
import { Failed } from "../../ui/empty";
import { go, href, patched, place, splitList } from "../../url";
import type { Comparison } from "./answer";
import { Choose } from "./choose";
import { Code, Config, Cost, Data, Environment, Metrics } from "./facts";
import { Confusions } from "./confusions";
import { Curves } from "./curves";
import { Columns } from "./columns";
import { Predictions } from "./predictions";
import "../../parts/parts.css";
import "./compare.css";

export interface SectionProps {
  found: Comparison;
}

const SECTIONS: readonly [string, string, (props: SectionProps) => ComponentChildren][] = [
  ["metrics", "Metrics", Metrics], ["config", "Config", Config], ["curves", "Curves", Curves], ["cost", "Cost", Cost], ["data", "Data", Data],
  ["code", "Code", Code], ["environment", "Environment", Environment], ["confusion", "Confusion", Confusions], ["predictions", "Predictions", Predictions],
];

/** The address with other runs, and without choices that belonged to those that left. */
export function withRuns(runs: readonly string[]): string {
  const { params } = place.value;
  const gone = (key: string) => (runs.includes(params.get(key) ?? "") ? params.get(key) : null);
  return href("/compare", patched(params, { runs, sel: runs, a: gone("a"), b: gone("b"), at: null }));
}

const section = (name: string) => document.getElementById(`compare-${name}`);

/** Sections begin under the bar of the page and the list of sections. */
function jump(by: number): void {
  const tops = SECTIONS.map(([key]) => section(key)?.getBoundingClientRect().top ?? Infinity);
  const above = tops.filter((top) => top < (by > 0 ? 130 : 90)).length - (by > 0 ? 1 : 0);
  const next = SECTIONS[Math.min(SECTIONS.length - 1, Math.max(0, above + (by > 0 ? 1 : -1)))];
  section(next![0])?.scrollIntoView();
}

export default function Page() {
  const runs = splitList(place.value.params.get("runs"));
  const asked = [...new Set(runs)].slice(0, 16);
  const turn = useTurn(asked);
  const { data: found, error, reload } = useResource(asked.length > 1 ? `compare ${asked.join()} ${turn}` : null, (abort) => get<Comparison>("/api/compare", { runs: asked }, abort));
  useShortcuts([
    { keys: "]", what: "next section", run: () => jump(1) },
    { keys: "[", what: "previous section", run: () => jump(-1) },
  ]);
  if (asked.length < 2) return <div class="compare-page"><Choose runs={asked} /></div>;
  if (!found) return error ? <div class="compare-page"><Failed error={error} retry={reload} /><Choose runs={asked} /></div> : <div class="loading" role="status">…</div>;
  return (
    <div class="compare-page">
      {error && <Failed error={error} retry={reload} />}
      {runs.length > 16 && <p class="dim">The first 16 of {runs.length} runs are compared.</p>}
      <Columns found={found} onChange={(next) => go(withRuns(next))} />
      <nav class="sections" aria-label="Sections">
        {SECTIONS.map(([key, name]) => <button key={key} class="quiet" onClick={() => section(key)?.scrollIntoView()}>{name}</button>)}
      </nav>
      {SECTIONS.map(([key, name, Section]) => (
        <section key={key} id={`compare-${key}`} class="card part" aria-label={name}><Section found={found} /></section>
      ))}
    </div>
  );
}
