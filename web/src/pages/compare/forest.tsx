/** Groups in order of the metric: each run a dot, the mean a stroke, its interval a band; beside them the numbers. */
import { Fragment } from "preact";
import { useState } from "preact/hooks";
import { count, value } from "../../format";
import { href } from "../../url";
import { axisOf, confidence, ends, nearest, percent, rankText, span, tied, type Axis, type Place, type RunGroup, type Study } from "./verdicts";

const FIRST = 24; // groups shown at first of many
const REACH = 10; // pixels around a dot

interface Tip {
  name: string;
  left: number; // percent
  title: string;
  text: string;
}

export function Forest({ study }: { study: Study }) {
  const [all, setAll] = useState(false);
  const [open, setOpen] = useState<string | null>(null);
  const [tip, setTip] = useState<Tip | null>(null);
  const { places, groups, question } = study;
  const shown = all || places.length <= FIRST + 4 ? places : places.slice(0, FIRST);
  const byName = new Map(groups.map((group) => [group.name, group]));
  const axis = axisOf(places, groups.filter((group) => group.values.length));
  const empty = groups.filter((group) => group.values.length === 0);
  return (
    <>
      <div class="scroll">
        <table class="table forest" onPointerLeave={() => setTip(null)}>
          <thead>
            <tr>
              <th title={study.rule}>rank</th><th>group</th>
              <th class="strip"><Ticks axis={axis} /></th>
              <th class="number">mean</th><th class="number">sd</th><th class="number">{confidence(question.level)}% interval</th><th class="number">best</th><th class="number">worst</th><th class="number">seeds</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((place, at) => {
              const group = byName.get(place.name)!;
              const tie = tied(place, shown[at - 1], study.verdicts);
              return (
                <Fragment key={place.name}>
                  <tr class={`${place.rank === 1 ? "leads" : place.rank === null ? "untested" : ""}${tie ? " tie" : ""}`}>
                    <td class="rank" title={place.rank === null ? "no test was possible" : study.rule}>{rankText(place, study) || <span class="dim">–</span>}</td>
                    <th scope="row"><button class="quiet" aria-expanded={open === place.name} title="its runs" onClick={() => setOpen(open === place.name ? null : place.name)}>{place.name}</button></th>
                    <td class="strip"><Strip place={place} group={group} axis={axis} level={question.level} tip={tip} setTip={setTip} /></td>
                    <td class="number mean">{value(place.mean)}</td>
                    <td class="number" data-name="sd">{value(place.sd)}</td>
                    <td class="number" data-name="interval">{ends(place.interval)}</td>
                    <td class="number" data-name="best">{value(place.best)}</td>
                    <td class="number" data-name="worst">{value(place.worst)}</td>
                    <td class="number" data-name="seeds">{place.n}</td>
                  </tr>
                  {open === place.name && <tr class="runs-of"><td /><td colSpan={8}><Runs group={group} /></td></tr>}
                </Fragment>
              );
            })}
          </tbody>
        </table>
      </div>
      {shown.length < places.length && <button class="more" onClick={() => setAll(true)}>all {count(places.length, "group")}</button>}
      {empty.length > 0 && <p class="dim">Without a value: {empty.map((group) => `${group.name} (${count(group.missing.length, "run")})`).join(", ")}.</p>}
    </>
  );
}

function Ticks({ axis }: { axis: Axis }) {
  return <div class="ticks">{axis.ticks.map(({ at, text }) => <span key={text} style={{ left: `${at}%` }}>{text}</span>)}</div>;
}

function Strip({ place, group, axis, level, tip, setTip }: { place: Place; group: RunGroup; axis: Axis; level: number; tip: Tip | null; setTip: (tip: Tip | null) => void }) {
  const { interval } = place;
  const band = interval && span(axis, interval);
  const point = (event: PointerEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const at = (100 * (event.clientX - box.left)) / box.width;
    const run = nearest(group.values, axis, at, (100 * REACH) / box.width);
    if (run !== null) return setTip({ name: place.name, left: percent(axis, group.values[run]!), title: group.seeds[run] === null ? group.ids[run]! : `seed ${group.seeds[run]}`, text: value(group.values[run]!) });
    const near = Math.abs(percent(axis, place.mean) - at) < (100 * REACH) / box.width || (band && at >= band.from && at <= band.to);
    setTip(near ? { name: place.name, left: percent(axis, place.mean), title: `mean ${value(place.mean)}`, text: interval ? `${confidence(level)}% interval ${ends(interval)}` : "no interval" } : null);
  };
  const dots = group.values.map((one) => percent(axis, one));
  return (
    <div class="strip-box" onPointerMove={point} onPointerDown={point}>
      <svg width="100%" height="100%" role="img" aria-label={`${place.name}: ${group.values.map((one) => value(one)).join(", ")}`}>
        {axis.ticks.map(({ at }) => <line key={at} class="grid" x1={`${at}%`} x2={`${at}%`} y1="0" y2="100%" />)}
        {band && <rect class="band" x={`${band.from}%`} width={`${Math.max(0, band.to - band.from)}%`} y="9" height="12" rx="2" />}
        {dots.map((at, index) => <circle key={index} cx={`${at}%`} cy="15" r="3.5" />)}
        {place.n > 1 && <line class="mean" x1={`${percent(axis, place.mean)}%`} x2={`${percent(axis, place.mean)}%`} y1="6" y2="24" />}
      </svg>
      {band?.cutLow && <i class="on left" title="goes on">‹</i>}
      {band?.cutHigh && <i class="on right" title="goes on">›</i>}
      {tip?.name === place.name && <div class={`tip${tip.left > 60 ? " flipped" : ""}`} style={{ left: `${tip.left}%` }}><b>{tip.title}</b><span>{tip.text}</span></div>}
    </div>
  );
}

function Runs({ group }: { group: RunGroup }) {
  const left = [[group.missing, "without a value"], [group.repeats, "repeat a seed, and do not count"]] as const;
  return (
    <ul class="runs-list">
      {group.ids.map((id, at) => (
        <li key={id}><a href={href(`/run/${encodeURIComponent(id)}`)} title={id}>{group.seeds[at] === null ? id : `seed ${group.seeds[at]}`}</a> <span class="figure">{value(group.values[at])}</span></li>
      ))}
      {left.map(([ids, why]) => ids.length > 0 && <li key={why} class="dim">{count(ids.length, "more run")} {why}: {ids.map((id) => <a key={id} href={href(`/run/${encodeURIComponent(id)}`)}>{id.slice(-6)} </a>)}</li>)}
    </ul>
  );
}
