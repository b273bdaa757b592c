/** Which examples one group of runs gets right and another does not, and where these are. */
import { useEffect, useRef } from "preact/hooks";
import { get } from "../../api";
import { count, value } from "../../format";
import { Clamp } from "../../parts/clamp";
import { useResource } from "../../resource";
import { Failed } from "../../ui/empty";
import { href, place, setParams, type Patch } from "../../url";
import { asText, signed, sidesOf, type Case, type Contrast as Found, type Slice } from "./contrasts";
import type { Study } from "./verdicts";

const PAGE = 12;
const SCORES = ["✕", "✓"]; // of an example that all runs of a group get wrong, or right

export function Contrast({ study, by, level }: { study: Study; by: readonly string[]; level: string }) {
  const { params } = place.value;
  const asked = (name: string) => params.get(name) ?? "";
  const sides = sidesOf(study, asked("from"), asked("to"));
  const open = params.has("examples");
  const [slice, only] = [asked("slice"), asked("outcomes")];
  const limit = Math.max(PAGE, Number(asked("shown")) || 0);
  const question: Patch = { a: sides?.a.ids, b: sides?.b.ids, metric: study.question.metric, by, level, slice, only: only || "differ", limit };
  const { data, error, loading } = useResource(open && sides ? href("", question) : null, (abort) => get<Found>("/api/examples", question, abort));
  if (!sides) return null;
  const set = (patch: Patch) => setParams({ shown: null, ...patch });
  const names = study.groups.filter((group) => group.ids.length).map(({ name }) => name);
  const choose = (param: string, label: string, chosen: string, other: string) => (
    <label>{label} <select value={chosen} onChange={(event) => set({ [param]: event.currentTarget.value })}>{names.map((name) => <option key={name} disabled={name === other}>{name}</option>)}</select></label>
  );
  return (
    <div class="contrast" role="region" aria-label="Which examples">
      <div class="toolbar">
        <h3>Which examples</h3>
        {choose("from", "A", sides.a.name, sides.b.name)}
        {choose("to", "B", sides.b.name, sides.a.name)}
        {!open && <button onClick={() => set({ examples: true })}>Show</button>}
        {open && <SliceField slice={slice} position={error?.position ?? null} onChange={(next) => set({ slice: next })} columns={data?.columns ?? []} />}
      </div>
      {open && error && <Failed error={error} />}
      {open && !data && loading && <p class="dim" role="status">The predictions are read …</p>}
      {open && data && !error && (
        <div class={loading ? "loading-over" : ""}>
          <ul class="said">{data.concentration.sentences.map((one) => <li key={one}>{one.trim()}</li>)}</ul>
          {data.notes.map((note) => <p key={note} class="mind"><b>mind</b> {note}</p>)}
          <div class="scroll"><Slices found={data} /></div>
          <span class="segments" role="group" aria-label="Which examples">
            {Object.entries(data.counts).map(([outcome, often]) => <button key={outcome} aria-pressed={outcome === only} onClick={() => set({ outcomes: outcome === only ? null : outcome })}><b>{often.toLocaleString("en-US")}</b> {outcome.replace("_", " ")}</button>)}
          </span>
          <ul class="examples-list">{data.cases.map((one) => <CaseRow key={one.id} found={data} one={one} />)}</ul>
          {data.shown > data.cases.length && <button class="more" onClick={() => setParams({ shown: limit + 4 * PAGE })}>more of {count(data.shown, "example")}</button>}
        </div>
      )}
    </div>
  );
}

/** An expression of the filter language; a fault is marked where it is. */
function SliceField({ slice, position, columns, onChange }: { slice: string; position: number | null; columns: readonly string[]; onChange: (slice: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (position !== null && document.activeElement === field.current) field.current!.setSelectionRange(position, field.current!.value.length);
  }, [position, slice]);
  return <input ref={field} class="mono search wide" value={slice} aria-label="Slice" aria-invalid={position !== null} spellcheck={false} placeholder={'a slice:  length > 20 and text ~ "not"'} title={columns.join(", ")} onChange={(event) => onChange(event.currentTarget.value)} />;
}

function Slices({ found }: { found: Found }) {
  const shown = found.tables.filter(({ slices }) => slices.length);
  return (
    <table class="table slices">
      <thead><tr><th>slice</th><th class="number">examples</th><th class="number">A</th><th class="number">B</th><th class="number">B less A</th><th class="number">interval</th><th class="number">p</th></tr></thead>
      <tbody>
        {shown.map(({ by, metric, slices }) => [
          <tr key={by}><th colSpan={7}>{metric} by {by}</th></tr>,
          ...slices.map((one) => <SliceRow key={one.name} one={one} found={found} />),
        ])}
      </tbody>
    </table>
  );
}

function SliceRow({ one, found }: { one: Slice; found: Found }) {
  const real = one.adjusted !== null && one.adjusted <= found.level;
  const tone = !real ? "" : one.difference > 0 === found.higher_is_better ? "better" : "worse";
  return (
    <tr>
      <td title={one.expression}>{one.name}</td>
      <td class="number">{one.n}</td><td class="number">{value(one.a)}</td><td class="number">{value(one.b)}</td>
      <td class={`number ${tone}`}>{signed(one.difference)}</td>
      <td class="number dim">{one.low === null ? "" : `${value(one.low)} to ${value(one.high)}`}</td>
      <td class="number" title="corrected for all of this table">{one.adjusted === null ? "" : one.adjusted < 0.001 ? "< 0.001" : one.adjusted.toFixed(3)}</td>
    </tr>
  );
}

function CaseRow({ found, one }: { found: Found; one: Case }) {
  return (
    <li class={`pair-row${found.kind === "right" ? " labelled" : ""}`}>
      <div><Clamp lines={4} open={false}>{Object.values(one.input).map(asText).join("\n")}</Clamp></div>
      <dl class="answers">
        <div><dt>{one.outcome.replace("_", " ")}</dt><dd class="dim">gold {asText(one.gold)}</dd></div>
        {(["a", "b"] as const).map((side) => (
          <div key={side}>
            <dt>{side.toUpperCase()} <span class="figure">{SCORES[one[side].score] && found.kind === "right" ? SCORES[one[side].score] : value(one[side].score, 2)}</span></dt>
            <dd>{one[side].answers.map(({ text, runs }) => <span key={text} class="label">{text}{found[side].ids.length > 1 && <small class="dim"> {runs}/{found[side].ids.length}</small>}</span>)}</dd>
          </div>
        ))}
      </dl>
    </li>
  );
}
