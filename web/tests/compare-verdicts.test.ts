import { describe, expect, it } from "vitest";
import { compareLink } from "../src/pages/runs/bar";
import { place as place$ } from "../src/url";
import { asText, sidesOf, signed } from "../src/pages/compare/contrasts";
import { axisOf, confidence, cut, ends, nearest, notesOf, outcomes, percent, rankText, sharedNotes, span, type Outcome, type Place, type RunGroup, type Study } from "../src/pages/compare/verdicts";

const place = (name: string, rank: number | null, mean = 0.5, reach = 0.1): Place => ({ rank, name, n: 2, mean, sd: 0.1, interval: { low: mean - reach, high: mean + reach, level: 0.95 }, best: mean, worst: mean });
const verdict = (first: string, second: string, outcome: Outcome, notes: string[] = []) => ({ first, second, outcome, sentence: "", assumptions: [], notes });
const group = (name: string, values: number[], ids = values.map((_, at) => `${name}${at}`)): RunGroup => ({ name, ids, seeds: values.map((_, at) => at), values, missing: [], repeats: [] });
const study = (places: Place[], verdicts: Study["verdicts"], notes: string[] = []): Study => ({
  question: { metric: "test/f1", higher_is_better: true, level: 0.05, margin: null, correction: "holm" }, headline: "", rule: "", places, verdicts, notes, groups: places.map(({ name, mean }) => group(name, [mean])), commands: {},
});

it("a tie is marked; the same rank without a test is none, and what was not tested has no rank", () => {
  const places = [place("a", 1), place("b", 1), place("c", 3), place("d", 3), place("e", null)];
  const found = study(places, [verdict("a", "b", "tied"), verdict("d", "c", "refused")]);
  expect(places.map((one) => rankText(one, found))).toEqual(["1=", "1=", "3", "3", ""]);
});

it("outcomes are counted, those that occur", () => expect(outcomes([verdict("a", "b", "refused"), verdict("a", "c", "better"), verdict("a", "d", "refused")])).toEqual([["better", 1], ["refused", 2]]));

describe("cut", () => {
  it.each([
    ["a is better than b in f1 by 0.1 (95% interval of the difference 0 to 1; p = 0.01). More.", "a is better than b in f1 by 0.1", " (95% interval of the difference 0 to 1; p = 0.01). More."],
    ["lr 1 (2) and b are tied in f1, the same within 0.1 (99.5% interval of it).", "lr 1 (2) and b are tied in f1, the same within 0.1", " (99.5% interval of it)."],
    ["No verdict on a and b: train more", "No verdict on a and b:", " train more"],
    ["a and b are alike.", "a and b are alike.", ""],
  ])("%s", (sentence, said, evidence) => expect(cut(sentence)).toEqual([said, evidence]));
});

describe("the axis", () => {
  it("holds every run, and intervals that are not much wider than the runs are apart", () => {
    const axis = axisOf([place("a", 1, 0.4, 0.05), place("b", 2, 0.8, 5)], [group("a", [0.4]), group("b", [0.8])]);
    expect(axis.min).toBeLessThan(0.2);
    expect(axis.max).toBeLessThan(1.3);
    expect(axis.ticks.length).toBeGreaterThan(2);
    expect(span(axis, { low: 0.35, high: 0.45, level: 0.95 })).toMatchObject({ cutLow: false, cutHigh: false });
    expect(span(axis, { low: -4, high: 6, level: 0.95 })).toEqual({ from: 0, to: 100, cutLow: true, cutHigh: true });
  });
  it.each([[[0.5, 0.5]], [[0]]])("has a width where all values are %j", (values) => {
    const axis = axisOf([], [group("a", values)]);
    expect(percent(axis, values[0]!)).toBeCloseTo(50);
  });
  it("finds the run under the pointer", () => {
    const axis = { min: 0, max: 1, ticks: [] };
    expect([nearest([0.2, 0.5], axis, 48, 3), nearest([0.2, 0.5], axis, 35, 3)]).toEqual([1, null]);
  });
});

it("a note that names no group stands with its pair, others are said once", () => {
  const both = [verdict("a1", "b1", "better", ["3 runs of a1 are left out", "lr differs too"]), verdict("a1", "c1", "better", ["3 runs of a1 are left out"])];
  const found = study([place("a1", 1), place("b1", 2), place("c1", 2)], both, ["of val"]);
  expect(notesOf(both[0]!, found)).toEqual(["lr differs too"]);
  expect(sharedNotes(found)).toEqual(["of val", "3 runs of a1 are left out"]);
});

it("an interval's confidence", () => expect([0.05, 0.07, 0.005].map(confidence)).toEqual([95, 93, 99.5]));

it("ends", () => expect([ends({ low: 0.1, high: 0.25, level: 0.95 }), ends(null)]).toEqual(["0.1000 to 0.2500", ""]));

describe("sidesOf", () => {
  const found = study([place("a", 1), place("b", 2), place("c", 2)], []);
  const names = (from: string, to: string) => {
    const sides = sidesOf(found, from, to);
    return sides && [sides.a.name, sides.b.name];
  };
  it.each([["", "", ["b", "a"]], ["c", "", ["c", "a"]], ["", "c", ["a", "c"]], ["a", "", ["a", "b"]], ["a", "a", ["b", "a"]], ["gone", "b", ["a", "b"]]])("from %j to %j", (from, to, expected) => expect(names(from, to)).toEqual(expected));
  it("takes two groups", () => expect(sidesOf(study([place("a", 1)], []), "", "")).toBe(null));
});

it("differences have a sign, answers are text", () => {
  expect([signed(0.1), signed(-0.1), signed(0)]).toEqual(["+0.1000", "−0.1000", "0"]);
  expect([asText(["a", null, 2]), asText(null)]).toEqual(["a  2", ""]);
});

describe("from the table of runs", () => {
  const many = Array.from({ length: 401 }, (_, at) => `r${at}`);
  const from = (search: string) => (place$.value = { path: "/", params: new URLSearchParams(search) });
  it("leads here with every selected run", () => expect(compareLink(["a", "b"])).toBe("/compare?runs=a,b&sel=a,b"));
  it("leads here with the filter where the ids are too many and all that it lets through", () => {
    from("f=seed%3D1");
    expect(compareLink(many, true)).toBe("/compare?f=seed%3D1");
    expect(new URLSearchParams(compareLink(many).slice(9)).get("runs")!.split(",")).toHaveLength(400);
    from("");
    expect(compareLink(many, true)).toContain("runs=r0,");
  });
});
