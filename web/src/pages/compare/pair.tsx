/** One example with the answers of two runs. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { num, value } from "../../format";
import { Clamp, Hits } from "../../parts/clamp";
import { Bar, Input, Labels } from "../../parts/content";
import { marked } from "../../parts/highlight";
import { confidenceOf, list, type Kind, type Prediction } from "../../parts/prediction";
import { Tagged } from "../../parts/tagged";
import { Words } from "../../parts/words-view";
import type { Answer, Pair } from "./answer";

interface Props {
  kind: Kind;
  pair: Pair;
  types: readonly string[];
  query: string;
  current: boolean;
  colors: readonly [string, string];
}

export function PairRow({ kind, pair, types, query, current, colors }: Props) {
  const [open, setOpen] = useState(false);
  const ref = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (current) ref.current?.scrollIntoView({ block: "nearest" });
  }, [current]);
  const sides: readonly [string, Answer, string][] = [["A", pair.a, colors[0]], ["B", pair.b, colors[1]]];
  return (
    <li ref={ref} class={`pair-row ${kind}${current ? " current" : ""}`} aria-current={current || undefined}>
      <div class="asked-about"><Asked kind={kind} pair={pair} query={query} open={open} onToggle={() => setOpen(!open)} /></div>
      <dl class="answers">
        {kind !== "tagged" && pair.gold !== null && pair.gold !== undefined && <div><dt>gold</dt><dd><Gold kind={kind} gold={pair.gold} open={open} /></dd></div>}
        {sides.map(([name, answer, color]) => (
          <div key={name}>
            <dt><i class="swatch" style={{ color }} /> {name} <Verdict wrong={answer.wrong} /></dt>
            <dd><Given kind={kind} pair={pair} answer={answer} types={types} open={open} /></dd>
            <Figures answer={answer} />
          </div>
        ))}
      </dl>
    </li>
  );
}

function Verdict({ wrong }: { wrong: boolean | null | undefined }): ComponentChildren {
  if (wrong === null || wrong === undefined) return null;
  return <span class={wrong ? "minus" : "plus"} aria-label={wrong ? "wrong" : "right"}>{wrong ? "✕" : "✓"}</span>;
}

function Asked({ kind, pair, query, open, onToggle }: { kind: Kind; pair: Pair; query: string; open: boolean; onToggle: () => void }) {
  const { input } = pair;
  const row = { ...input, id: pair.id, wrong: null } as Prediction;
  if (kind === "question") {
    const golds = list(pair.gold).filter(Boolean);
    const [first, second] = [String(pair.a.prediction ?? ""), String(pair.b.prediction ?? "")];
    const shown = marked(input.context ?? "", golds, second || first);
    return (
      <>
        <p class="asked"><Hits text={input.question ?? ""} query={query} /></p>
        {open && <p>{shown.map((one, at) => (one.gold || one.prediction ? <mark key={at} class={`answer${one.gold ? " gold" : ""}${one.prediction ? " prediction" : ""}`}>{one.text}</mark> : one.text))}</p>}
        <button class="more" onClick={onToggle}>{open ? "without the text" : "with the text"}</button>
      </>
    );
  }
  if (input.messages) {
    const last = input.messages.at(-1);
    const before = pair.gold !== null && pair.gold !== undefined && last?.role === "assistant" ? input.messages.slice(0, -1) : input.messages;
    return <Clamp lines={6} open={open}>{before.map((one, at) => <p key={at} class="said"><span class="dim">{one.role}</span> <Hits text={one.content} query={query} /></p>)}</Clamp>;
  }
  if (kind === "tagged") return null;
  return <Input kind={kind} row={row} labels={[]} types={[]} query={query} open={open} />;
}

function Gold({ kind, gold, open }: { kind: Kind; gold: Pair["gold"]; open: boolean }) {
  if (kind === "scored") return <span class="figure">{value(num(gold as number), 2)}</span>;
  if (kind === "generated" || kind === "dialogue") return <Clamp lines={4} open={open}>{list(gold).join("\n")}</Clamp>;
  const texts = [...new Set(list(gold).filter(Boolean))];
  return texts.length ? <Labels labels={texts} kind="gold" /> : <span class="label plain">{kind === "question" ? "no answer in the text" : "none"}</span>;
}

function Given({ kind, pair, answer, types, open }: { kind: Kind; pair: Pair; answer: Answer; types: readonly string[]; open: boolean }) {
  const given = answer.prediction;
  if (kind === "tagged" && Array.isArray(pair.input.tokens)) return <Clamp lines={8} open={open}><Tagged tokens={pair.input.tokens} gold={list(pair.gold)} prediction={list(given)} types={types} /></Clamp>;
  if (kind === "scored") {
    const off = (num(given as number) ?? NaN) - (num(pair.gold as number) ?? NaN);
    return <span class="figure">{value(given as number, 2)} {Number.isFinite(off) && <small class="dim">{off > 0 ? "+" : ""}{value(off, 2)}</small>}</span>;
  }
  if (kind === "generated" || kind === "dialogue") {
    const reference = list(pair.gold).join("\n");
    return <Clamp lines={4} open={open}><Words text={String(given ?? "")} other={reference || String(given ?? "")} as="after" /></Clamp>;
  }
  if (kind === "question") {
    return given ? <span class={`label prediction${answer.wrong ? " off" : ""}`}>{String(given)}</span> : <span class={`label plain${answer.wrong ? " off" : ""}`}>no answer in the text</span>;
  }
  if (given === undefined || given === null) return null;
  const golds = list(pair.gold);
  return <Labels labels={list(given)} against={answer.wrong === null || answer.wrong === undefined ? list(given) : golds} kind="prediction" />;
}

function Figures({ answer }: { answer: Answer }) {
  const sure = confidenceOf({ id: "", wrong: null, confidence: answer.confidence });
  return (
    <span class="figures-side">
      {sure !== null && <Bar share={sure} bad={answer.wrong === true} width={48} />}
      {answer.loss !== undefined && answer.loss !== null && <span class="figure dim">loss {value(answer.loss, 3)}</span>}
    </span>
  );
}
