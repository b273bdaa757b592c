import { describe, expect, it } from "vitest";
import { axisName, axisOf, crossings, inside, jitter, marks, nearestRun, readBrushes, shade, spreading, UNSET, writtenBrushes } from "../src/pages/params/axes";
import { modelOf, usualKeys, type Params } from "../src/pages/params/model";

describe("an axis", () => {
  it("is linear over a small span", () => {
    const axis = axisOf("k", [0, 5, 10]);
    expect(axis.kind).toBe("linear");
    expect([axis.place(0), axis.place(5), axis.place(10)]).toEqual([0, 0.5, 1]);
  });
  it("is logarithmic where values span more than a factor of 100", () => {
    const axis = axisOf("lr", [1e-5, 1e-4, 1e-1]);
    expect(axis.kind).toBe("log");
    expect(axis.place(1e-3)).toBeCloseTo(0.5);
    expect(axisOf("lr", [1e-5, 1e-3]).kind).toBe("linear");
    expect(axisOf("lr", [0, 1e-5, 1]).kind).toBe("linear");
    expect(axisOf("dropout", [0.002, 0.1, 0.2, 0.3, 0.4, 0.5]).kind).toBe("linear"); // one small value among even ones
  });
  it("spreads categories, numbers in their names by size", () => {
    const axis = axisOf("size", ["x10", "x2", "x1", true]);
    expect(axis.labels).toEqual(["true", "x1", "x2", "x10"]);
    expect(axis.place("x2")).toBeCloseTo(2 / 3);
  });
  it("has a place for what is not set, below all others", () => {
    const axis = axisOf("k", [1, null, 3]);
    expect(axis.place(null)).toBe(UNSET);
    expect([axis.unset, axisOf("k", [1, 2]).unset]).toEqual([true, false]);
  });
  it("puts a single value in the middle", () => expect([axisOf("k", [3, 3]).place(3), axisOf("k", ["a"]).place("a")]).toEqual([0.5, 0.5]));
  it("is marked by the values themselves where they are few", () => {
    expect(marks(axisOf("lr", [1e-5, 3e-5, 1e-4]), 10).map(({ text }) => text)).toEqual(["1e-5", "3e-5", "1e-4"]);
    expect(marks(axisOf("k", Array.from({ length: 101 }, (_, at) => at)), 5).map(({ text }) => text)).toEqual(["0", "20", "40", "60", "80", "100"]);
    expect(marks(axisOf("k", Array.from({ length: 100 }, (_, at) => `v${at}`)), 10)).toHaveLength(10);
  });
});

describe("brushes", () => {
  const rows = [[0, "a"], [5, "b"], [10, null]];
  const axes = [axisOf("k", [0, 5, 10]), axisOf("c", ["a", "b", null])];
  const crossed = crossings(rows, axes);
  it("keep what lies inside all of them", () => {
    expect(inside(crossed, axes, new Map())).toEqual([true, true, true]);
    expect(inside(crossed, axes, new Map([["k", [0.4, 1]]]))).toEqual([false, true, true]);
    expect(inside(crossed, axes, new Map([["k", [0.4, 1]], ["c", [0, 1]]]))).toEqual([false, true, false]);
    expect(inside(crossed, axes, new Map([["gone", [0, 0]]]))).toEqual([true, true, true]);
  });
  it("are written into the address and read from it", () => {
    const brushes = new Map([["config.a:b", [0.25, 0.5]], ["c", [-0.1, 1]]] as const);
    expect(readBrushes(writtenBrushes(brushes))).toEqual(brushes);
    expect(readBrushes(["nonsense"])).toEqual(new Map());
  });
  it("the run under the pointer is the nearest between two axes", () => {
    expect(nearestRun(crossed, 0.5, 0.1, 0.2)).toBe(0);
    expect(nearestRun(crossed, 0.5, 0.76, 0.2)).toBe(1);
    expect(nearestRun(crossed, 0.5, 0.76, 0.2, [true, false, true])).toBeNull();
  });
});

it("a name says what it is", () => expect([axisName("config.optimizer.lr"), axisName("config.model.head.name"), axisName("seed")]).toEqual(["lr", "head.name", "seed"]));

it("points of one value stay apart from those of the next", () => {
  expect(spreading(axisOf("k", ["a", "b"]))).toBe(0.25);
  expect(spreading(axisOf("k", [0, 1, 10]))).toBeCloseTo(0.06);
  expect(spreading(axisOf("k", Array.from({ length: 50 }, (_, at) => at)))).toBe(0);
});

it("jitter is the same for the same run and spread over all", () => {
  const found = Array.from({ length: 500 }, (_, at) => jitter(`20261122-${at}`));
  expect(jitter("20261122-7")).toBe(found[7]);
  expect(Math.min(...found)).toBeLessThan(-0.45);
  expect(Math.max(...found)).toBeGreaterThan(0.45);
  expect(found.every((value) => value >= -0.5 && value < 0.5)).toBe(true);
});

it("shades run from the worst to the best colour", () => expect([shade(0, false), shade(1, false), shade(2, false)]).toEqual(["#d6cdb2", "#0b3760", "#0b3760"]));

describe("the model", () => {
  const params: Params = {
    metric: "val/loss", mode: "min", total: 3, method: "",
    keys: [{ key: "config.lr", kind: "number", importance: 0.2, runs: 3, values: [] }, { key: "config.opt", kind: "text", importance: 0.7, runs: 3, values: [] }],
    runs: [
      { id: "a", name: null, values: [0.1, "x"], metric: 1 }, { id: "b", name: null, values: [0.2, "y"], metric: 3 }, { id: "c", name: null, values: [0.3, null], metric: null },
    ],
  };
  it("draws the best last and says who has no metric", () => {
    const model = modelOf(params, ["config.opt", "config.lr"], false);
    expect(model.runs.map(({ id }) => id)).toEqual(["b", "a"]);
    expect(model.axes.map(({ key }) => key)).toEqual(["config.opt", "config.lr", "val/loss"]);
    expect(model.without).toBe(1);
    expect(model.colors).toEqual([shade(0, false), shade(1, false)]);
    expect(model.rows[1]).toEqual(["x", 0.1, 1]);
  });
  it("shows what explains most first", () => expect(usualKeys(params.keys)).toEqual(["config.opt", "config.lr"]));
});
