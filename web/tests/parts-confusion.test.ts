import { describe, expect, it } from "vitest";
import { confusionOf, confusionRows, confusionSvg, difference, labelScores, mistakes, normalised, shown } from "../src/parts/confusion";

const matrix = { labels: ["neg", "pos"], counts: [[8, 2], [0, 0]] };

describe("normalised", () => {
  it.each([
    ["", [[8, 2], [0, 0]]], ["gold", [[0.8, 0.2], [0, 0]]], ["prediction", [[1, 1], [0, 0]]], ["all", [[0.8, 0.2], [0, 0]]],
  ] as const)("by %s", (by, expected) => expect(normalised(matrix.counts, by)).toEqual(expected));
});

it("labelScores leaves undefined what has nothing to divide by", () =>
  expect(labelScores(matrix)).toEqual([
    { label: "neg", precision: 1, recall: 0.8, f1: 16 / 18, support: 10, predicted: 8 },
    { label: "pos", precision: 0, recall: null, f1: 0, support: 0, predicted: 2 },
  ]));

describe("difference", () => {
  it("pairs labels by name", () =>
    expect(difference(matrix, { labels: ["pos", "neg"], counts: [[5, 0], [1, 9]] }, "")).toEqual({ labels: ["neg", "pos"], counts: [[1, -1], [0, 5]] }));
  it("is none for other labels", () => expect(difference(matrix, { labels: ["neg", "x"], counts: [[1, 0], [0, 1]] }, "")).toBeNull());
});

it("mistakes come most frequent first, and no hits among them", () =>
  expect(mistakes({ labels: ["a", "b"], counts: [[9, 1], [3, 9]] }, 5)).toEqual([{ gold: "b", prediction: "a", n: 3 }, { gold: "a", prediction: "b", n: 1 }]));

it.each([[{ confusion: matrix }, true], [{}, false], [null, false], [{ confusion: { labels: ["a"], counts: [[1, 2]] } }, false]])("confusionOf %j", (details, found) =>
  expect(confusionOf(details) !== null).toBe(found));

it("shown", () => expect([shown(1234, ""), shown(0.876, "gold"), shown(1, "gold"), shown(3, "", true), shown(-0.01, "all", true)]).toEqual(["1,234", "87.6", "100", "+3", "-1.0"]));
it("rows for CSV", () => expect(confusionRows(matrix)[1]).toEqual(["neg", 8, 2]));
it("a picture holds labels as text", () => expect(confusionSvg({ labels: ["<b>", "&"], counts: [[1, 0], [0, 1]] }, "", "t")).toContain("&lt;b&gt;"));
