/** Entity spans from the tags of tokens, and how two readings of one sentence lie over each other. */

export interface Span {
  start: number; // first token
  end: number; // after the last
  type: string;
}

export interface Segment {
  start: number;
  end: number;
  gold: Span | null;
  prediction: Span | null;
}

const SCHEME = /^([BIESLUM])-(.*)$/s;

/** Whether tags are plain ones (parts of speech), each a span of its own, rather than BIO or BIOES. */
export function plain(tags: readonly string[]): boolean {
  return tags.some((tag) => tag !== "O" && !SCHEME.test(tag));
}

/**
 * Tags in BIO, BIOES or BILOU as spans. As in conlleval, an inside tag that continues nothing of its type begins a
 * span: no tag of a careless model is lost.
 */
export function spans(tags: readonly string[], isPlain = plain(tags)): Span[] {
  if (isPlain) return tags.flatMap((type, start) => (type === "O" ? [] : [{ start, end: start + 1, type }]));
  const found: Span[] = [];
  let open: Span | null = null;
  for (const [at, tag] of tags.entries()) {
    const [, prefix, type] = SCHEME.exec(tag) ?? [];
    if (prefix === undefined || type === undefined) {
      open = null;
      continue;
    }
    const begins = open === null || open.type !== type || "BSU".includes(prefix);
    if (begins) found.push((open = { start: at, end: at + 1, type }));
    else open!.end = at + 1;
    if ("ESLU".includes(prefix)) open = null;
  }
  return found;
}

export const sameSpan = (a: Span, b: Span): boolean => a.start === b.start && a.end === b.end && a.type === b.type;

export const holds = (list: readonly Span[], one: Span): boolean => list.some((other) => sameSpan(one, other));

/** `count` tokens cut wherever a span of either reading begins or ends. */
export function segments(count: number, gold: readonly Span[], prediction: readonly Span[]): Segment[] {
  const cuts = new Set([0, count]);
  for (const span of [...gold, ...prediction]) cuts.add(span.start).add(span.end);
  const places = [...cuts].filter((at) => at <= count).sort((a, b) => a - b);
  const over = (list: readonly Span[], at: number) => list.find((span) => span.start <= at && at < span.end) ?? null;
  return places.slice(0, -1).map((start, index) => ({
    start, end: places[index + 1]!, gold: over(gold, start), prediction: over(prediction, start),
  }));
}
