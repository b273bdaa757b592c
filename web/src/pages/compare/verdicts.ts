/** What /api/verdicts answers, and what the page makes of it: the headline, ranks, places on the plot. Pure. */
import type { ConfigKey, MetricKey } from "../../api";
import { ticks, tickTexts } from "../../charts/scale";
import { value } from "../../format";

export type Outcome = "better" | "worse" | "tied" | "too little data" | "refused";

interface Interval {
  low: number;
  high: number;
  level: number;
}

export interface Place {
  rank: number | null;
  name: string;
  n: number;
  mean: number;
  sd: number | null;
  interval: Interval | null;
  best: number;
  worst: number;
}

export interface Verdict {
  first: string;
  second: string;
  outcome: Outcome;
  sentence: string;
  assumptions: string[];
  notes: string[];
}

export interface RunGroup {
  name: string;
  ids: string[];
  seeds: (number | null)[];
  values: number[];
  missing: string[];
  repeats: string[];
}

export interface Study {
  question: { metric: string; higher_is_better: boolean; level: number; margin: number | null; correction: "holm" | "bh" };
  headline: string;
  rule: string;
  places: Place[];
  verdicts: Verdict[];
  groups: RunGroup[];
  notes: string[];
  commands: Record<string, string>;
}

export interface Choices {
  runs: string[];
  recipes: number;
  metric: string | null;
  metrics: MetricKey[];
  keys: ConfigKey[];
}

export const SIGNS: Record<Outcome, string> = { better: "▲", worse: "▼", tied: "=", "too little data": "?", refused: "✕" };
const OUTCOMES = Object.keys(SIGNS) as Outcome[];

/** Outcomes that occur, with how often, in a fixed order. */
export function outcomes(verdicts: readonly Verdict[]): [Outcome, number][] {
  return OUTCOMES.map((one) => [one, verdicts.filter(({ outcome }) => outcome === one).length] as [Outcome, number]).filter(([, often]) => often > 0);
}

/** Whether two groups have the same rank because the test does not tell them apart, not because there is none. */
export function tied(one: Place, other: Place | undefined, verdicts: readonly Verdict[]): boolean {
  if (!other || one === other || one.rank === null || one.rank !== other.rank) return false;
  return !verdicts.some(({ first, second, outcome }) => outcome === "refused" && [first, second].includes(one.name) && [first, second].includes(other.name));
}

/** "1", "2=" where others are tied with it, nothing where no test was possible. */
export function rankText(place: Place, { places, verdicts }: Pick<Study, "places" | "verdicts">): string {
  return `${place.rank ?? ""}${places.some((other) => tied(place, other, verdicts)) ? "=" : ""}`;
}

/** A sentence cut before its evidence, which is set smaller. */
export function cut(sentence: string): [string, string] {
  const at = sentence.search(/ \([\d.]+% interval/);
  if (at >= 0) return [sentence.slice(0, at), sentence.slice(at)];
  const refused = /^No verdict on .*?: /.exec(sentence);
  return refused ? [sentence.slice(0, refused[0].length - 1), sentence.slice(refused[0].length - 1)] : [sentence, ""];
}

export interface Axis {
  min: number;
  max: number;
  ticks: { at: number; text: string }[]; // at: percent of the width
}

const AIR = 0.04; // of the span, at either end
const REACH = 0.75; // of the span of the values: intervals of two seeds reach further than anything else, and are cut

/** One axis for all groups: every run, and as much of the intervals as leaves the runs apart. */
export function axisOf(places: readonly Place[], groups: readonly RunGroup[], wanted = 6): Axis {
  const values = groups.flatMap((group) => group.values);
  const [low, high] = values.reduce(([least, most], one) => [Math.min(least, one), Math.max(most, one)] as const, [Infinity, -Infinity] as const);
  const span = high - low || Math.abs(high) * 0.01 || 1;
  const from = Math.max(low - REACH * span, Math.min(low, ...places.flatMap(({ interval }) => interval?.low ?? [])));
  const to = Math.min(high + REACH * span, Math.max(high, ...places.flatMap(({ interval }) => interval?.high ?? [])));
  const scale = { min: from - AIR * (to - from || span), max: to + AIR * (to - from || span), log: false };
  const found = ticks(scale, wanted);
  const texts = tickTexts(found);
  return { min: scale.min, max: scale.max, ticks: found.map((one, at) => ({ at: percent(scale, one), text: texts[at]! })) };
}

export function percent({ min, max }: Pick<Axis, "min" | "max">, given: number): number {
  return (100 * (given - min)) / (max - min);
}

/** Where the interval is drawn, and at which ends it goes on beyond the axis. */
export function span(axis: Axis, { low, high }: Interval): { from: number; to: number; cutLow: boolean; cutHigh: boolean } {
  const from = percent(axis, low), to = percent(axis, high);
  return { from: Math.max(0, from), to: Math.min(100, to), cutLow: from < 0, cutHigh: to > 100 };
}

/** 0.05 -> 95: of the intervals. */
export const confidence = (level: number) => Number((100 * (1 - level)).toPrecision(6));

export const ends = (interval: Interval | null) => (interval ? `${value(interval.low)} to ${value(interval.high)}` : "");

/** What is nearest to `at` (percent), if nearer than `reach`: the place of a run in its group. */
export function nearest(values: readonly number[], axis: Axis, at: number, reach: number): number | null {
  let best: number | null = null, distance = reach;
  for (const [index, one] of values.entries()) {
    const away = Math.abs(percent(axis, one) - at);
    if (away < distance) [best, distance] = [index, away];
  }
  return best;
}

/** Whether a note says by itself what it is about: it names a group, or holds for every pair. */
const general = (note: string, { groups, verdicts }: Study) => groups.some(({ name }) => note.includes(name)) || verdicts.every(({ notes }) => notes.includes(note));

export const notesOf = (verdict: Verdict, study: Study): string[] => verdict.notes.filter((note) => !general(note, study));

/** What to bear in mind with all of it, each said once. */
export function sharedNotes(study: Study): string[] {
  return [...new Set([...study.notes, ...study.verdicts.flatMap(({ notes }) => notes.filter((note) => general(note, study)))])];
}
