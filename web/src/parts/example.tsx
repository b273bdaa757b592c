/** One example in a list: whether it is right, what it says, what was answered, how sure the model was. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { num, value } from "../format";
import { Bar, Content, Labels, Scores, type Shown } from "./content";
import { confidenceOf, list, type Prediction } from "./prediction";

export function Example({ shown, open, current, onToggle }: { shown: Shown; open: boolean; current: boolean; onToggle: () => void }) {
  const { row } = shown;
  const ref = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (current) ref.current?.scrollIntoView({ block: "nearest" });
  }, [current]);
  return (
    <li ref={ref} class={`example ${shown.kind}${current ? " current" : ""}`} aria-current={current || undefined}>
      <button class="verdict" onClick={onToggle} aria-expanded={open} title={`${verdict(row)}; ${open ? "close" : "open"}`}>
        <i class={row.wrong === null ? "" : row.wrong ? "bad" : "good"} aria-hidden="true">{row.wrong === null ? "·" : row.wrong ? "✕" : "✓"}</i>
        <span class="hidden">{verdict(row)}</span>
      </button>
      <div class="body">
        <Content {...shown} open={open} />
        {open && <Details shown={shown} />}
      </div>
      <Side shown={shown} />
    </li>
  );
}

const verdict = (row: Prediction) => (row.wrong === null ? "neither right nor wrong" : row.wrong ? "wrong" : "right");

function Details({ shown: { row, labels } }: { shown: Shown }) {
  return (
    <div class="details">
      <Scores row={row} labels={labels} />
      <p class="dim">example <code>{row.id}</code></p>
    </div>
  );
}

/** Labels and figures beside the text. */
function Side({ shown: { kind, row } }: { shown: Shown }) {
  const sure = confidenceOf(row);
  const [golds, ours] = [list(row.gold), list(row.prediction)];
  return (
    <div class="side">
      {(kind === "labelled" || kind === "multi_labelled") && (
        <>
          <Fact name="gold"><Labels labels={golds} kind="gold" {...(kind === "multi_labelled" && { against: ours })} /></Fact>
          <Fact name="predicted"><Labels labels={ours} against={golds.length || kind === "multi_labelled" ? golds : ours} kind="prediction" /></Fact>
        </>
      )}
      {kind === "scored" && <Scored row={row} />}
      {sure !== null && <Fact name={kind === "tagged" ? "least sure" : "confidence"}><Bar share={sure} bad={row.wrong === true} /></Fact>}
      {row.loss !== undefined && <Fact name={kind === "text" ? "loss per token" : "loss"}><span class="figure">{value(row.loss)}</span></Fact>}
      {kind === "text" && <Fact name="perplexity"><span class="figure">{perplexity(row)}</span></Fact>}
      {kind === "masked" && row.masked !== undefined && (
        <>
          <Fact name="perplexity"><span class="figure">{perplexity(row)}</span></Fact>
          <Fact name="masked, found"><Bar share={row.masked ? (row.correct ?? 0) / row.masked : 0} /> <small class="dim">{row.correct} of {row.masked}</small></Fact>
        </>
      )}
      {typeof row.tokens === "number" && <Fact name="tokens"><span class="figure">{row.tokens.toLocaleString("en-US")}</span></Fact>}
    </div>
  );
}


function perplexity(row: Prediction): string {
  const loss = num(row.loss);
  return loss === null ? "" : value(Math.exp(loss), 2);
}

function Scored({ row }: { row: Prediction }) {
  const [gold, given] = [num(row.gold as number | null), num(row.prediction as number | null)];
  const off = gold === null || given === null ? null : given - gold;
  return (
    <>
      <Fact name="gold"><span class="figure">{value(gold, 2)}</span></Fact>
      <Fact name="predicted"><span class="figure">{value(given, 2)}</span></Fact>
      {off !== null && <Fact name="difference"><span class={`figure ${off < 0 ? "under" : "over"}`}>{off > 0 ? "+" : ""}{value(off, 2)}</span></Fact>}
    </>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return <div class="fact"><small>{name}</small>{children}</div>;
}
