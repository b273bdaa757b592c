import { ChartMenu } from "../../charts/chart-menu";
import { count, keyParts } from "../../format";
import { barsPicture } from "./bars-picture";
import type { Params } from "./model";

const ENOUGH = 8; // runs below which shares say little

/** How much of the metric each key explains; a click puts it on the scatter. */
export function Importance({ params, runs, chosen, onChoose }: { params: Params; runs: number; chosen: string; onChoose: (key: string) => void }) {
  const ranked = params.keys.filter(({ importance }) => importance !== null).sort((a, b) => b.importance! - a.importance!);
  const table = () => [["key", "importance", "runs"], ...ranked.map(({ key, importance, runs: of }) => [key, importance, of])];
  return (
    <section class="card importance" aria-label="Importance">
      <div class="part-head">
        <h2>Importance</h2>
        <span class="dim">{count(runs, "run")}</span>
        <span class="grow" />
        {ranked.length > 0 && <ChartMenu table={table} picture={() => barsPicture(params.metric, ranked.slice(0, 30))} />}
      </div>
      {ranked.length === 0 ? (
        <p class="dim">Too few runs with {params.metric} to say which keys matter.</p>
      ) : (
        <>
          {runs < ENOUGH && <p class="few">{count(runs, "run")} only: too few runs to rely on this order.</p>}
          <ul>
            {ranked.slice(0, 30).map(({ key, importance }) => (
              <li key={key}>
                <button class="quiet" aria-pressed={key === chosen} title={key} onClick={() => onChoose(key)}>
                  <span class="key"><span class="dim">{keyParts(key)[0]}</span>{keyParts(key)[1]}</span>
                  <span class="number">{(100 * importance!).toFixed(0)} %</span>
                  <i style={{ width: `${100 * Math.max(0, Math.min(1, importance!))}%` }} />
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
      <p class="dim method">{params.method}</p>
    </section>
  );
}
