/** Which words of two texts differ. */

export interface Piece {
  text: string;
  kind: "same" | "removed" | "added";
}

const WORDS = /\s+|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{M}\p{N}_]+|[^\s]/gu;
const LARGEST = 4_000_000; // pairs of words compared exactly; beyond that the differing middle is one piece

export function words(text: string): string[] {
  return text.match(WORDS) ?? [];
}

/** A longest common subsequence of words: what `before` lost ("removed") and what `after` has instead ("added"). */
export function wordDiff(before: string, after: string): Piece[] {
  const a = words(before);
  const b = words(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const pieces: Piece[] = [];
  put(pieces, "same", a.slice(0, head));
  middle(pieces, a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  put(pieces, "same", a.slice(a.length - tail));
  return pieces;
}

/** One side of a difference: the pieces that make up the text before, or the text after. */
export function side(pieces: readonly Piece[], which: "before" | "after"): Piece[] {
  return pieces.filter((piece) => piece.kind !== (which === "before" ? "added" : "removed"));
}

function put(pieces: Piece[], kind: Piece["kind"], list: readonly string[]): void {
  if (!list.length) return;
  const last = pieces.at(-1);
  if (last?.kind === kind) last.text += list.join("");
  else pieces.push({ text: list.join(""), kind });
}

function middle(pieces: Piece[], a: readonly string[], b: readonly string[]): void {
  if (a.length * b.length > LARGEST) {
    put(pieces, "removed", a);
    put(pieces, "added", b);
    return;
  }
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width); // [i, j]: length for a[i:] and b[j:]
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const at = i * width + j;
      common[at] = a[i] === b[j] ? common[at + width + 1]! + 1 : Math.max(common[at + width]!, common[at + 1]!);
    }
  }
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      put(pieces, "same", [a[i]!]);
      i++;
      j++;
    } else if (j === b.length || (i < a.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!)) {
      put(pieces, "removed", [a[i++]!]);
    } else {
      put(pieces, "added", [b[j++]!]);
    }
  }
}
