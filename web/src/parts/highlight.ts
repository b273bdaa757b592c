/** Where answers stand in a text. */

export interface Range {
  start: number;
  end: number;
}

export interface Stretch {
  text: string;
  gold: boolean;
  prediction: boolean;
}

/** All places of `part` in `text`, not overlapping. */
export function occurrences(text: string, part: string): Range[] {
  const found: Range[] = [];
  for (let at = part ? text.indexOf(part) : -1; at >= 0; at = text.indexOf(part, at + part.length)) {
    found.push({ start: at, end: at + part.length });
  }
  return found;
}

/**
 * `context` cut where a gold answer or the predicted one begins or ends. Answers come as texts, so the first place of
 * each gold answer counts; the prediction is where it meets a gold answer, else at its first place.
 */
export function marked(context: string, golds: readonly string[], prediction: string): Stretch[] {
  const gold = [...new Set(golds)].flatMap((one) => occurrences(context, one).slice(0, 1));
  const places = occurrences(context, prediction);
  const predicted = places.find((one) => gold.some((other) => one.start < other.end && other.start < one.end)) ?? places[0];
  const ranges = predicted ? [...gold, predicted] : gold;
  const cuts = [...new Set([0, context.length, ...ranges.flatMap((one) => [one.start, one.end])])].sort((a, b) => a - b);
  const inside = (list: readonly Range[], at: number) => list.some((one) => one.start <= at && at < one.end);
  return cuts.slice(0, -1).map((start, index) => ({
    text: context.slice(start, cuts[index + 1]!),
    gold: inside(gold, start),
    prediction: predicted ? inside([predicted], start) : false,
  }));
}

/** `text` cut at every place of `query`, whatever its case; odd pieces are the hits. */
export function hits(text: string, query: string): string[] {
  if (!query) return [text];
  const pieces: string[] = [];
  const [low, wanted] = [text.toLowerCase(), query.toLowerCase()];
  if (low.length !== text.length) return [text]; // lower case of some letters is longer: places would not fit
  let from = 0;
  for (const { start, end } of occurrences(low, wanted)) {
    pieces.push(text.slice(from, start), text.slice(start, end));
    from = end;
  }
  return [...pieces, text.slice(from)];
}
