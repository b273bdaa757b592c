import { useMemo } from "preact/hooks";
import { side, wordDiff } from "./words";

/** `text` with the words marked that `other` does not have. */
export function Words({ text, other, as }: { text: string; other: string; as: "before" | "after" }) {
  const pieces = useMemo(() => (as === "before" ? side(wordDiff(text, other), as) : side(wordDiff(other, text), as)), [text, other, as]);
  return <>{pieces.map((piece, at) => (piece.kind === "same" ? piece.text : <span key={at} class={`word ${piece.kind}`}>{piece.text}</span>))}</>;
}
