import { useState } from "preact/hooks";
import { get, type RunDetail } from "../../api";
import { count, value, type Num } from "../../format";
import { confusionOf, labelScores, mistakes, type Normalise } from "../../parts/confusion";
import { asNormalise, ConfusionExports, ConfusionTable, NormaliseChoice } from "../../parts/confusion-view";
import { Bar } from "../../parts/content";
import { useResource } from "../../resource";
import { csv, download } from "../../ui/download";
import { place, setParams } from "../../url";
import { api } from "./address";

interface Evaluation {
  split: string;
  step: number;
  metrics: Record<string, Num>;
  details: Record<string, unknown>;
}

interface ScoreRow {
  label: string;
  precision: number | null;
  recall: number | null;
  f1: number | null;
  support: number;
}

/** The figures of one evaluation: metrics, confusion matrix, scores by label or type. */
export function EvaluationCard({ run, split, step, onCell, chosen }: {
  run: RunDetail;
  split: string;
  step: number | undefined;
  onCell: ((gold: string, prediction: string) => void) | undefined;
  chosen: { gold: string | null; prediction: string | null };
}) {
  const has = run.evaluations.some((one) => one.split === split && one.step === step);
  const { data } = useResource(has ? `evaluation ${run.id} ${split} ${step}` : null, (abort) => get<Evaluation>(api(run.id, "evaluation"), { split, step }, abort));
  const by: Normalise = asNormalise(place.value.params.get("by"));
  if (!data) return null;
  const matrix = confusionOf(data.details);
  const scores = scoreRows(data.details) ?? (matrix ? labelScores(matrix) : null);
  const minor = plainDetails(data.details);
  const texts = minor.filter(([, one]) => typeof one === "string");
  const name = `${run.id}-${split}-${data.step}`;
  return (
    <section class="card evaluation">
      <div class="heading"><h2>Evaluation of {split}</h2><span class="dim">at step {data.step.toLocaleString("en-US")}</span></div>
      <div class="evaluation-parts">
        <dl class="figures">
          {Object.entries(data.metrics).map(([key, one]) => <div key={key}><dt>{key}</dt><dd>{value(one)}</dd></div>)}
          {minor.filter(([, one]) => typeof one === "number").map(([key, one]) => <div key={key} class="minor"><dt>{key}</dt><dd>{value(one as number)}</dd></div>)}
        </dl>
        {matrix && matrix.labels.length > 1 && (
          <div>
            <div class="heading"><h3>Confusion</h3><NormaliseChoice by={by} onChange={(next) => setParams({ by: next || null })} /><span class="grow" /><ConfusionExports matrix={matrix} by={by} name={`${name}-confusion`} /></div>
            <ConfusionTable matrix={matrix} by={by} chosen={chosen} {...(onCell && { onCell })} />
            {matrix.labels.length > 4 && (
              <p class="dim">Most frequent mistakes: {mistakes(matrix, 5).map((one, at) => (
                <span key={at}>{at > 0 && ", "}<button class="more" onClick={() => onCell?.(one.gold, one.prediction)}>{one.gold} as {one.prediction}</button> {one.n}</span>
              ))}</p>
            )}
          </div>
        )}
        {scores && scores.length > 0 && <ScoreTable rows={scores} name={`${name}-scores`} what={data.details["per_type"] ? "type" : "label"} />}
      </div>
      {texts.length > 0 && <p class="dim signatures">{texts.map(([key, one]) => `${key}: ${one}`).join("; ")}</p>}
    </section>
  );
}

/** Scores by label (several labels) or by entity type, as they were recorded. */
function scoreRows(details: Record<string, unknown>): ScoreRow[] | null {
  const given = (details["per_label"] ?? details["per_type"]) as Record<string, Omit<ScoreRow, "label">> | undefined;
  return given ? Object.entries(given).map(([label, row]) => ({ ...row, label })) : null;
}

/** Details that are a single number or text, of groups too: questions 250, scored tokens 14,693. */
function plainDetails(details: Record<string, unknown>, prefix = ""): [string, string | number][] {
  return Object.entries(details).flatMap(([key, one]): [string, string | number][] => {
    if (["confusion", "per_label", "per_type"].includes(key)) return [];
    if (typeof one === "number" || typeof one === "string") return [[prefix + key, one]];
    return one && typeof one === "object" && !Array.isArray(one) ? plainDetails(one as Record<string, unknown>, `${key} `) : [];
  });
}

const MANY = 8; // rows before the rest is folded

function ScoreTable({ rows, name, what }: { rows: readonly ScoreRow[]; name: string; what: string }) {
  const [all, setAll] = useState(false);
  const [by, setBy] = useState<keyof ScoreRow | null>(null);
  const order = by === null ? rows : [...rows].sort((a, b) => (by === "label" ? a.label.localeCompare(b.label) : (Number(b[by]) || 0) - (Number(a[by]) || 0)));
  const columns = ["precision", "recall", "f1", "support"] as const;
  const keep = () => download(`${name}.csv`, csv([[what, ...columns], ...rows.map((row) => [row.label, ...columns.map((column) => row[column])])]), "text/csv");
  return (
    <div>
      <div class="heading"><h3>By {what}</h3><span class="grow" /><button class="quiet" onClick={keep}>CSV</button></div>
      <div class="scroll">
        <table class="table score-table">
          <thead><tr><th><button class="quiet" onClick={() => setBy("label")}>{what}</button></th>{columns.map((column) => <th key={column} class="number"><button class="quiet" aria-pressed={by === column} onClick={() => setBy(by === column ? null : column)}>{column}</button></th>)}</tr></thead>
          <tbody>
            {(all ? order : order.slice(0, MANY)).map((row) => (
              <tr key={row.label}>
                <td>{row.label}</td>
                <td class="number">{row.precision?.toFixed(3) ?? "–"}</td>
                <td class="number">{row.recall?.toFixed(3) ?? "–"}</td>
                <td class="number">{row.f1 === null || row.f1 === undefined ? "–" : <Bar share={row.f1} width={46} />}</td>
                <td class="number">{row.support?.toLocaleString("en-US") ?? ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {!all && rows.length > MANY && <button class="more" onClick={() => setAll(true)}>all {count(rows.length, what)}</button>}
    </div>
  );
}
