import type { ComponentChildren } from "preact";
import type { Keys } from "../../api";
import { keyParts } from "../../format";
import { setParams } from "../../url";
import { AXES, type View } from "./view";

/** What holds for all charts: x, smoothing, scales, groups, zoom. */
export function Toolbar({ view, smooth, onSmooth, keys, children }: {
  view: View;
  smooth: number;
  onSmooth: (weight: number) => void;
  keys: Keys | null;
  children: ComponentChildren;
}) {
  const varying = keys?.keys.filter((one) => one.distinct > 1).slice(0, 60) ?? [];
  const listed = view.group === "" || view.group === "recipe" || varying.some(({ key }) => key === view.group);
  return (
    <div class="toolbar curves-bar" role="toolbar" aria-label="All charts">
      {children}
      <div class="segments" role="group" aria-label="x axis">
        {AXES.map((axis) => (
          <button key={axis} aria-pressed={axis === view.x}
            onClick={() => setParams({ x: axis === "step" ? null : axis, from: null, to: null }, { replace: false })}>{axis}</button>
        ))}
      </div>
      <label title="Exponential moving average, aware of the spacing of x ([ and ])">
        smoothing
        <input type="range" min="0" max="0.995" step="0.005" value={smooth} onInput={(event) => onSmooth(Number(event.currentTarget.value))} />
        <output class="number">{smooth ? smooth.toFixed(smooth > 0.99 ? 3 : 2) : "off"}</output>
      </label>
      <Check on={view.logX} text="log x" onChange={(on) => setParams({ logx: on, from: null, to: null })} />
      <Check on={view.logY} text="log y" title="key l" onChange={(on) => setParams({ logy: on })} />
      <Check on={!view.outliers} text="ignore outliers" title="y spans the 1st to the 99th percentile"
        onChange={(on) => setParams({ outliers: on ? "ignore" : null })} />
      <label title="mean of the runs that are equal but for what is not named">
        group
        <select value={view.group} onChange={(event) => setParams({ group: event.currentTarget.value, hide: null }, { replace: false })}>
          <option value="">none</option>
          <option value="recipe">all but the seed</option>
          {!listed && <option value={view.group}>{view.group}</option>}
          {varying.map(({ key, distinct }) => <option key={key} value={key} title={key}>{keyParts(key).join("")} ({distinct})</option>)}
        </select>
      </label>
      {view.group && (
        <label title="standard deviation, or from the smallest to the largest value">
          band
          <select value={view.band} onChange={(event) => setParams({ band: event.currentTarget.value === "range" ? "range" : null })}>
            <option value="sd">± sd</option>
            <option value="range">min to max</option>
          </select>
        </label>
      )}
      <Check on={view.linked} text="link zoom" onChange={(on) => setParams({ zoom: on ? null : "own", from: null, to: null })} />
    </div>
  );
}

function Check({ on, text, title, onChange }: { on: boolean; text: string; title?: string; onChange: (on: boolean) => void }) {
  return (
    <label title={title}>
      <input type="checkbox" checked={on} onChange={(event) => onChange(event.currentTarget.checked)} /> {text}
    </label>
  );
}
