import { useState } from "preact/hooks";
import { CurveChart } from "../../charts/curve-chart";
import { color } from "../../colors";
import { dark } from "../../theme";
import { place, setParams } from "../../url";
import { Heading } from "./facts";
import type { SectionProps } from "./page";
import { sharedMetrics } from "./rows";

const FIRST = 6;

export function Curves({ found }: SectionProps) {
  const [all, setAll] = useState(false);
  const names = sharedMetrics(found.metrics);
  const ids = found.runs.map((run) => run.id);
  const smooth = Math.min(0.99, Math.max(0, Number(place.value.params.get("smooth")) || 0));
  const night = dark.value;
  const colorOf = (id: string) => color(Math.max(0, ids.indexOf(id)), night);
  return (
    <>
      <Heading name="Curves">
        <label class="dim">smooth <input type="range" min="0" max="0.99" step="0.01" value={smooth} aria-label="Smoothing" onInput={(event) => setParams({ smooth: Number(event.currentTarget.value) || null })} /></label>
        <span class="grow" />
        {names.length > FIRST && <button class="quiet" onClick={() => setAll(!all)}>{all ? `first ${FIRST}` : `all ${names.length}`}</button>}
      </Heading>
      {names.length === 0 ? <p class="dim">No metric was recorded by two of these runs.</p> : (
        <div class="compare-charts">
          {(all ? names : names.slice(0, FIRST)).map((name) => <CurveChart key={name} metric={name} x="step" params={{ runs: ids }} height={190} smooth={smooth} colorOf={colorOf} legend={false} />)}
        </div>
      )}
    </>
  );
}
