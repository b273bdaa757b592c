import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { count, duration, value } from "../../format";
import { Facts } from "../../parts/facts";
import { Long } from "../../parts/clamp";
import { byPrefix } from "../../parts/metrics";
import { Copy } from "../../ui/copy";
import { csv, download } from "../../ui/download";
import { change, useWritable } from "./header";
import { commands, dataWarnings, metricRows, parameters, splitFacts, type MetricRow } from "./facts";
import type { TabProps } from "./page";

const whole = (number: number | null) => (number === null ? "" : number.toLocaleString("en-US"));

export function Overview({ run, reload }: TabProps) {
  const size = parameters(run.model);
  const speed = run.summary["perf/tokens_per_s"]?.last;
  return (
    <>
      {run.cause && (
        <section class="cause" aria-label="Why it ended">
          <b>{run.status}{run.exit_code !== null && run.exit_code !== 0 ? `, exit code ${run.exit_code}` : ""}</b>
          <p>{run.cause}</p>
        </section>
      )}
      <div class="overview">
        <div class="column">
          <Metrics run={run} />
          <DataCard data={run.data} />
        </div>
        <div class="column">
          <section class="card">
            <h2>Key figures</h2>
            <Facts rows={[
              ["duration", duration(run.seconds)],
              ["steps", run.step === null ? null : `${whole(run.step)}${run.steps ? ` of ${whole(run.steps)}` : ""}`],
              ["speed", speed === undefined || speed === null ? null : `${value(speed, 0)} tokens/s ${run.status === "running" ? "now" : "at the end"}`],
              ["parameters", size && whole(size.all)],
              ["trained", size && <Share trained={size.trained} share={size.share} frozen={size.frozen} />],
              ["created", time(run.created_at)], ["started", time(run.started_at)], ["ended", time(run.ended_at)],
              ["machine", run.host], ["folder", <code>{run.path}</code>],
              ["mirrors", run.mirrors.length ? run.mirrors.map((one) => Object.values(one).join(" ")).join("; ") : null],
            ]} />
          </section>
          <section class="card">
            <h2>Commands</h2>
            <div class="commands">
              {commands(run).map(([name, text]) => <div key={name}><span class="dim">{name}</span><Copy text={text} /></div>)}
            </div>
          </section>
          <Attempts attempts={run.attempts} />
          <Notes run={run} reload={reload} />
        </div>
      </div>
    </>
  );
}

const time = (iso: string | null) => (iso ? iso.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC") : null);

function Share({ trained, frozen, share }: { trained: number; frozen: number; share: number }) {
  return (
    <>
      {whole(trained)} <span class="dim">({(100 * share).toFixed(share === 1 ? 0 : 2)}%{frozen ? `, ${whole(frozen)} frozen` : ""})</span>
      <span class="share"><i style={{ width: `${Math.max(0.5, 100 * share)}%` }} /></span>
    </>
  );
}

function Metrics({ run }: { run: TabProps["run"] }) {
  const rows = metricRows(run);
  const named = new Map(rows.map((row) => [row.name, row]));
  const keep = () => download(`${run.id}-metrics.csv`, csv([
    ["metric", "last", "last_step", "best", "best_step", "mode"], ...rows.map((row) => [row.name, row.last, row.lastStep, row.best, row.bestStep, row.mode]),
  ]), "text/csv");
  return (
    <section class="card">
      <div class="heading"><h2>Metrics</h2><span class="grow" />{rows.length > 0 && <button class="quiet" onClick={keep}>CSV</button>}</div>
      {rows.length === 0 ? <p class="dim">Nothing was recorded: {run.status === "running" ? "the first rows are on their way." : "the run ended before its first step."}</p> : (
        <div class="scroll">
          <table class="table metrics">
            <thead><tr><th>metric</th><th class="number">last</th><th class="number">at step</th><th class="number">best</th><th class="number">at step</th></tr></thead>
            {byPrefix(rows.map((row) => row.name)).map(([prefix, names]) => (
              <tbody key={prefix}>{names.map((name) => <MetricLine key={name} row={named.get(name)!} main={name === run.monitor.metric} />)}</tbody>
            ))}
          </table>
        </div>
      )}
    </section>
  );
}

function MetricLine({ row, main }: { row: MetricRow; main: boolean }) {
  return (
    <tr class={main ? "main" : ""}>
      <td>{row.name}{main && <span class="chip" title="chooses the best checkpoint">main</span>}</td>
      <td class="number">{value(row.last)}</td>
      <td class="number dim">{whole(row.lastStep)}</td>
      <td class="number"><span class="dim" title={row.mode === "min" ? "smaller is better" : "larger is better"}>{row.mode === "min" ? "↓ " : "↑ "}</span>{value(row.best)}</td>
      <td class="number dim">{whole(row.bestStep)}</td>
    </tr>
  );
}

function DataCard({ data }: { data: Record<string, unknown> }) {
  const splits = splitFacts(data);
  if (!splits.length) return null;
  const warnings = dataWarnings(data);
  const labels = splits[0]!.labels;
  return (
    <section class="card">
      <h2>Data</h2>
      {warnings.length > 0 ? (
        <ul class="warnings">{warnings.map((one) => <li key={one.text} class={one.grave ? "grave" : ""}>{one.text}</li>)}</ul>
      ) : (
        <p class="dim">No duplicates, and no example in two splits.</p>
      )}
      <div class="scroll">
        <table class="table">
          <thead><tr><th>split</th><th class="number">rows</th><th class="number">tokens</th><th class="number">duplicates</th><th class="number">left out</th></tr></thead>
          <tbody>
            {splits.map((one) => (
              <tr key={one.split}>
                <td>{one.split}</td><td class="number">{whole(one.rows)}</td><td class="number">{whole(one.tokens)}</td>
                <td class="number">{one.duplicates ? whole(one.duplicates) : <span class="dim">0</span>}</td><td class="number">{one.dropped ? whole(one.dropped) : <span class="dim">0</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {labels.length > 0 && <Balance splits={splits} />}
      {typeof data["fingerprint"] === "string" && <p class="dim fingerprint">fingerprint <code title={data["fingerprint"]}>{data["fingerprint"].slice(0, 16)}</code></p>}
    </section>
  );
}

const SHOWN = 12; // labels of a split before the rest is counted

/** How often each label occurs in each split. */
function Balance({ splits }: { splits: ReturnType<typeof splitFacts> }) {
  const [all, setAll] = useState(false);
  const names = splits[0]!.labels.map(([label]) => label);
  const kept = all ? names : names.slice(0, SHOWN);
  return (
    <div class="scroll">
      <table class="table">
        <thead><tr><th>label</th>{splits.map((one) => <th key={one.split} class="number">{one.split}</th>)}</tr></thead>
        <tbody>
          {kept.map((label) => (
            <tr key={label}>
              <td>{label}</td>
              {splits.map((one) => {
                const n = one.labels.find(([name]) => name === label)?.[1] ?? 0;
                const total = one.labels.reduce((sum, [, more]) => sum + more, 0);
                return <td key={one.split} class="number">{whole(n)} <span class="dim share-of">{total ? `${((100 * n) / total).toFixed(1)}%` : ""}</span></td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {kept.length < names.length && <button class="more" onClick={() => setAll(true)}>all {count(names.length, "label")}</button>}
    </div>
  );
}

function Attempts({ attempts }: { attempts: TabProps["run"]["attempts"] }) {
  if (attempts.length < 2 && !attempts[0]?.cause) return null;
  return (
    <section class="card">
      <h2>{count(attempts.length, "attempt")}</h2>
      <ol class="attempts">
        {attempts.map((one) => (
          <li key={one.started_at}>
            <b>{one.status}</b> <span class="dim">{time(one.started_at)}{one.seconds !== null && `, ${duration(one.seconds)}`}</span>
            {one.cause && <div><Long text={one.cause} limit={160} /></div>}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Notes({ run, reload }: { run: TabProps["run"]; reload: () => void }): ComponentChildren {
  const writable = useWritable();
  const [text, setText] = useState<string | null>(null);
  if (text !== null) {
    return (
      <section class="card">
        <h2>Notes</h2>
        <textarea class="notes-input" rows={6} value={text} aria-label="Notes" onInput={(event) => setText(event.currentTarget.value)} />
        <div class="actions">
          <button onClick={() => setText(null)}>Cancel</button>
          <button class="primary" onClick={() => { void change(run, { notes: text.trim() || null }, reload); setText(null); }}>Save</button>
        </div>
      </section>
    );
  }
  if (!run.notes && !writable) return null;
  return (
    <section class="card">
      <div class="heading"><h2>Notes</h2><span class="grow" />{writable && <button class="quiet" onClick={() => setText(run.notes ?? "")}>{run.notes ? "edit" : "write"}</button>}</div>
      {run.notes ? <p class="notes-text"><Long text={run.notes} limit={1200} /></p> : <p class="dim">None.</p>}
    </section>
  );
}
