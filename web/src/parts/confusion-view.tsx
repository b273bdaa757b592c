import { complain } from "../ui/toast";
import { csv, download, downloadPng } from "../ui/download";
import { confusionRows, confusionSvg, normalised, shown, type Confusion, type Normalise } from "./confusion";
import "./parts.css";

const NAMES: readonly [Normalise, string][] = [["", "counts"], ["gold", "of gold"], ["prediction", "of predicted"], ["all", "of all"]];

export function NormaliseChoice({ by, onChange }: { by: Normalise; onChange: (by: Normalise) => void }) {
  return (
    <span class="segments" role="group" aria-label="Normalise">
      {NAMES.map(([key, name]) => <button key={key} aria-pressed={by === key} onClick={() => onChange(key)}>{name}</button>)}
    </span>
  );
}

export const asNormalise = (text: string | null): Normalise => NAMES.find(([key]) => key === text)?.[0] ?? "";

/**
 * Rows are gold, columns predictions. The diagonal is coloured apart from the mistakes, whose colours reach
 * their depth sooner: on the diagonal's scale they would all be pale. `signed`: values are differences.
 */
export function ConfusionTable({ matrix, by, signed = false, onCell, chosen }: {
  matrix: Confusion;
  by: Normalise;
  signed?: boolean;
  onCell?: (gold: string, prediction: string) => void;
  chosen?: { gold: string | null; prediction: string | null };
}) {
  const values = signed ? matrix.counts : normalised(matrix.counts, by);
  const most = (diagonal: boolean) => Math.max(1e-12, ...values.flatMap((row, i) => row.filter((_, j) => (i === j) === diagonal).map(Math.abs)));
  const scale = signed ? [Math.max(most(true), most(false))] : [most(true), Math.max(most(false), 0.35 * most(true))];
  return (
    <div class="scroll confusion">
      <table aria-label={signed ? "Difference of confusion matrices" : "Confusion matrix: rows are gold labels, columns predicted ones"}>
        <thead>
          <tr>
            <td class="corner dim">gold ↓ predicted →</td>
            {matrix.labels.map((label) => <th key={label} scope="col" title={label}><span>{label}</span></th>)}
          </tr>
        </thead>
        <tbody>
          {values.map((row, i) => (
            <tr key={i}>
              <th scope="row" title={matrix.labels[i]}><span>{matrix.labels[i]}</span></th>
              {row.map((one, j) => {
                const share = Math.abs(one) / (i === j ? scale[0]! : scale[signed ? 0 : 1]!);
                const better = signed ? (i === j ? one > 0 : one < 0) : i === j;
                const [gold, prediction] = [matrix.labels[i]!, matrix.labels[j]!];
                const here = chosen?.gold === gold && chosen.prediction === prediction;
                const text = one === 0 && signed ? "·" : shown(one, by, signed);
                return (
                  <td key={j} class={`${share > 0.55 ? "strong" : ""}${here ? " chosen" : ""}`} title={`gold ${gold}, predicted ${prediction}: ${text}`}
                    style={{ background: `color-mix(in srgb, var(${better ? "--accent" : "--bad"}) ${Math.round(82 * share)}%, var(--panel))` }}>
                    {onCell ? <button onClick={() => onCell(gold, prediction)}>{text}</button> : text}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function ConfusionExports({ matrix, by, name }: { matrix: Confusion; by: Normalise; name: string }) {
  return (
    <>
      <button class="quiet" onClick={() => download(`${name}.csv`, csv(confusionRows(matrix)), "text/csv")}>CSV</button>
      <button class="quiet" onClick={() => download(`${name}.svg`, confusionSvg(matrix, by, name), "image/svg+xml")}>SVG</button>
      <button class="quiet" onClick={() => void downloadPng(`${name}.png`, confusionSvg(matrix, by, name)).catch(complain)}>PNG</button>
    </>
  );
}
