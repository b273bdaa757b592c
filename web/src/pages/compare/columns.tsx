import { color } from "../../colors";
import { age } from "../../format";
import { dark } from "../../theme";
import { StatusMark } from "../../ui/status";
import { href } from "../../url";
import type { Comparison } from "./answer";
import { AddRun } from "./choose";
import { columnNames, label, moved } from "./rows";

export const swatch = (at: number) => ({ color: color(at, dark.value) });

/** The runs in their order: the first is the base that the others are measured against. */
export function Columns({ found, onChange }: { found: Comparison; onChange: (runs: string[]) => void }) {
  const ids = found.runs.map((run) => run.id);
  return (
    <div class="columns">
      {found.runs.map((run, at) => (
        <div key={run.id} class="card one" style={{ borderTopColor: color(at, dark.value) }}>
          <div class="name"><a href={href(`/run/${encodeURIComponent(run.id)}`)} title={run.id}>{label(run)}</a>{at === 0 && <span class="chip">base</span>}</div>
          <div class="dim"><StatusMark status={run.status} /> <span>{run.project}</span>{run.seed !== null && <span>seed {run.seed}</span>}{run.created_at && <span>{age(run.created_at)}</span>}</div>
          {run.name && <code class="dim">{run.id}</code>}
          <div class="moves">
            {at > 0 && <button class="quiet" onClick={() => onChange(moved(ids, at, 0))} title="Measure the others against this run">make base</button>}
            <button class="quiet" disabled={at === 0} onClick={() => onChange(moved(ids, at, at - 1))} aria-label="Move to the left" title="Move to the left">←</button>
            <button class="quiet" disabled={at === ids.length - 1} onClick={() => onChange(moved(ids, at, at + 1))} aria-label="Move to the right" title="Move to the right">→</button>
            <button class="quiet" onClick={() => onChange(ids.filter((id) => id !== run.id))} aria-label={`Remove ${label(run)}`} title="Remove">×</button>
          </div>
        </div>
      ))}
      {ids.length < 16 && <AddRun runs={ids} />}
    </div>
  );
}

/** Heads of the columns of a table. */
export function Heads({ found, first }: { found: Comparison; first: string }) {
  const names = columnNames(found.runs);
  return (
    <thead>
      <tr>
        <th>{first}</th>
        {names.map((name, at) => <th key={found.runs[at]!.id} title={found.runs[at]!.id}><i class="swatch" style={swatch(at)} /> {name}</th>)}
      </tr>
    </thead>
  );
}
