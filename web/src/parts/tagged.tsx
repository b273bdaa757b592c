import { color } from "../colors";
import { dark } from "../theme";
import { holds, plain, segments, spans, type Segment, type Span } from "./spans";

/** Colours of entity types follow the alphabet of those known, so that pages agree with each other. */
export function typeColor(type: string, types: readonly string[]): string {
  return color(Math.max(0, types.indexOf(type)), dark.value);
}

export function typesOf(labels: readonly string[]): string[] {
  return [...new Set(labels.filter((label) => label !== "O").map((label) => label.replace(/^[BIESLUM]-/, "")))].sort();
}

/** A sentence with its spans: gold above the words, what was predicted below, each in its type's colour. */
export function Tagged({ tokens, gold, prediction, types }: {
  tokens: readonly string[];
  gold: readonly string[];
  prediction: readonly string[];
  types: readonly string[];
}) {
  const isPlain = plain([...gold, ...prediction]);
  const [golds, ours] = [spans(gold, isPlain), spans(prediction, isPlain)];
  return (
    <div class={`sentence${isPlain ? " dense" : ""}`}>
      {segments(tokens.length, golds, ours).map((one) => {
        const text = tokens.slice(one.start, one.end).join(" ");
        if (!one.gold && !one.prediction) return <span key={one.start}>{text} </span>;
        return <Piece key={one.start} one={one} text={text} missed={one.gold !== null && !holds(ours, one.gold)}
          wrong={one.prediction !== null && !holds(golds, one.prediction)} types={types} />;
      })}
    </div>
  );
}

function Piece({ one, text, missed, wrong, types }: { one: Segment; text: string; missed: boolean; wrong: boolean; types: readonly string[] }) {
  return (
    <>
      <span class={`entity${missed || wrong ? " mistake" : ""}`}>
        <Name span={one.gold} first={one.start === one.gold?.start} what="gold" bad={missed} types={types} />
        <b>{text}</b>
        <Name span={one.prediction} first={one.start === one.prediction?.start} what="prediction" bad={wrong} types={types} />
      </span>{" "}
    </>
  );
}

function Name({ span, first, what, bad, types }: { span: Span | null; first: boolean; what: string; bad: boolean; types: readonly string[] }) {
  if (!span) return <i class={`tag ${what} without`} />;
  const said = what === "gold" ? (bad ? "missed" : "gold") : bad ? "predicted wrongly" : "predicted";
  return (
    <i class={`tag ${what}${bad ? " bad" : ""}`} style={{ color: typeColor(span.type, types) }} title={`${span.type}: ${said}`}>
      {first ? span.type : " "}
    </i>
  );
}

export function TypeLegend({ types }: { types: readonly string[] }) {
  return (
    <p class="legend dim">
      <span>gold above the words, prediction below; dashed: the other does not have it</span>
      {types.map((type) => (
        <span key={type} class="type" style={{ color: typeColor(type, types) }}><i class="swatch" /> {type}</span>
      ))}
    </p>
  );
}
