/** What an example says and what was answered, drawn by the kind of task. */
import { value } from "../format";
import { Clamp, Hits, Long } from "./clamp";
import { marked } from "./highlight";
import { list, ranked, type Kind, type Message, type Prediction } from "./prediction";
import { Tagged } from "./tagged";
import { Words } from "./words-view";

export interface Shown {
  kind: Kind;
  row: Prediction;
  labels: readonly string[]; // in the order of a row's scores
  types: readonly string[]; // of entities
  query?: string;
  open?: boolean;
}

export function Content(shown: Shown) {
  const { kind, row } = shown;
  if (kind === "tagged" && Array.isArray(row.tokens)) {
    return <Clamp lines={12} open={shown.open ?? false}><Tagged tokens={row.tokens} gold={list(row.gold)} prediction={list(row.prediction)} types={shown.types} /></Clamp>;
  }
  if (kind === "question") return <Question {...shown} />;
  if (kind === "dialogue") return <Dialogue {...shown} />;
  if (kind === "generated") return <Generated {...shown} />;
  return <Input {...shown} />;
}

/** The text, or the pair of texts, that was asked about. */
export function Input({ row, query = "", open = false }: Shown) {
  return (
    <div class="input">
      <Long text={row.text ?? ""} query={query} open={open} />
      {row.pair && <div class="pair"><Long text={row.pair} query={query} open={open} /></div>}
    </div>
  );
}

export function Labels({ labels, against, kind }: { labels: readonly string[]; against?: readonly string[]; kind?: "gold" | "prediction" }) {
  if (!labels.length) return <span class="dim">none</span>;
  return (
    <>
      {labels.map((label) => {
        const off = against !== undefined && !against.includes(label);
        return <span key={label} class={`label ${off ? "off" : ""} ${kind ?? ""}`} title={label}>{label}</span>;
      })}
    </>
  );
}

/** A share of 1 as a bar with its number. */
export function Bar({ share, bad = false, width = 64 }: { share: number; bad?: boolean; width?: number }) {
  return (
    <span class={`bar${bad ? " bad" : ""}`} title={String(share)}>
      <span style={{ width: `${width}px` }}><i style={{ width: `${Math.max(0, Math.min(1, share)) * 100}%` }} /></span>
      {share.toFixed(3)}
    </span>
  );
}

export function Scores({ row, labels }: { row: Prediction; labels: readonly string[] }) {
  const scores = ranked(row.scores, labels);
  if (!scores.length) return null;
  const [golds, ours] = [list(row.gold), list(row.prediction)];
  return (
    <table class="scores">
      <tbody>
        {scores.map(({ label, score }) => (
          <tr key={label}>
            <th>{label}</th>
            <td><Bar share={score} bad={ours.includes(label) && !golds.includes(label)} width={140} /></td>
            <td class="dim">{[golds.includes(label) && "gold", ours.includes(label) && "predicted"].filter(Boolean).join(", ")}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Question({ row, query = "", open = false }: Shown) {
  const golds = list(row.gold).filter(Boolean);
  const given = String(row.prediction ?? "");
  return (
    <div class="question">
      <p class="asked"><Hits text={row.question ?? ""} query={query} /></p>
      <Clamp lines={5} open={open}>
        {marked(row.context ?? "", golds, given || "").map((one, at) =>
          one.gold || one.prediction ? (
            <mark key={at} class={`answer${one.gold ? " gold" : ""}${one.prediction ? " prediction" : ""}`}>{one.text}</mark>
          ) : (
            <Hits key={at} text={one.text} query={query} />
          ))}
      </Clamp>
      <dl class="sides">
        <div><dt>gold</dt><dd>{golds.length ? [...new Set(golds)].map((one) => <span key={one} class="label gold">{one}</span>) : <NoAnswer />}</dd></div>
        <div><dt>predicted</dt><dd>{given ? <span class={`label prediction${row.wrong ? " off" : ""}`}>{given}</span> : <NoAnswer off={row.wrong === true} />}
          {!given && row.answer && <span class="dim"> the best span was “{row.answer}”{row.margin !== undefined && `, behind by ${value(row.margin, 2)}`}</span>}</dd></div>
      </dl>
    </div>
  );
}

const NoAnswer = ({ off = false }: { off?: boolean }) => <span class={`label plain${off ? " off" : ""}`}>no answer in the text</span>;

function Generated({ row, query = "", open = false }: Shown) {
  return (
    <div class="generated">
      <Input kind="generated" row={row} labels={[]} types={[]} query={query} open={open} />
      <Answers row={row} open={open} />
    </div>
  );
}

function Answers({ row, open }: { row: Prediction; open: boolean }) {
  const [reference, given] = [list(row.gold).join("\n"), String(row.prediction ?? "")];
  return (
    <dl class="sides texts">
      <div><dt>reference</dt><dd>{row.gold === null || row.gold === undefined ? <span class="dim">none</span> : <Clamp lines={6} open={open}><Words text={reference} other={given} as="before" /></Clamp>}</dd></div>
      <div><dt>generated</dt><dd><Clamp lines={6} open={open}>{given ? <Words text={given} other={reference || given} as="after" /> : <span class="dim">nothing</span>}</Clamp></dd></div>
    </dl>
  );
}

function Dialogue({ row, query = "", open = false }: Shown) {
  const messages = row.messages ?? [];
  const last = messages.at(-1);
  const answered = row.gold === null || row.gold === undefined;
  const before: readonly Message[] = !answered && last?.role === "assistant" ? messages.slice(0, -1) : messages;
  return (
    <div class="dialogue">
      <Clamp lines={14} open={open}>
        {before.map((one, at) => (
          <div key={at} class={`turn ${one.role === "user" ? "user" : one.role === "system" ? "system" : "assistant"}`}>
            <b>{one.role}</b>
            <span><Long text={one.content} query={query} open={open} /></span>
          </div>
        ))}
      </Clamp>
      <Answers row={row} open={open} />
    </div>
  );
}
