import { describe, expect, it } from "vitest";
import type { Curve } from "../src/api";
import { averaged, grid, interpolated } from "../src/charts/groups";
import { extent, fit, lowerBound, visible, type Line } from "../src/charts/line";
import { toLines } from "../src/charts/lines";
import { distinctTitles } from "../src/charts/names";
import { nearest } from "../src/charts/nearest";
import { clock, placing, quantile, tickTexts, ticks, valueAt } from "../src/charts/scale";
import { smoothed } from "../src/charts/smooth";

const line = (x: number[], y: number[], more: Partial<Line> = {}): Line => ({ id: "a", label: "a", color: "#000000", dash: [], x, y, low: y, high: y, raw: null, ...more });
const curve = (run: string, x: number[], y: number[]): Curve => {
  const mean = Float32Array.from(y);
  return { run, name: null, x: Float64Array.from(x), mean, min: mean, max: mean };
};

describe("smoothing", () => {
  // reference: the loop that the Weights & Biases documentation gives for its time-weighted moving average
  function documented(xs: number[], ys: number[], param: number, span: number): number[] {
    const weight = Math.min(Math.sqrt(param), 0.999);
    let last = 0, debias = 0;
    return ys.map((y, index) => {
      const before = index > 0 ? index - 1 : 0;
      const adjusted = weight ** (((xs[index]! - xs[before]!) / span) * 1000);
      last = last * adjusted + y;
      debias = debias * adjusted + 1;
      return last / debias;
    });
  }
  it("is the published average over unequal steps", () => {
    const x = [0, 1, 3, 4, 10, 11, 60], y = [1, 5, 2, 2, 9, -3, 4];
    const expected = documented(x, y, 0.9, 1000);
    smoothed(x, y, 0.9, 1000).forEach((value, at) => expect(value).toBeCloseTo(expected[at]!, 12));
  });
  it("begins at the first value and keeps a constant", () => expect([...smoothed([0, 5, 6], [2, 2, 2], 0.99, 6)].map((v) => +v.toFixed(12))).toEqual([2, 2, 2]));
  it("keeps gaps, and goes on behind them", () => {
    const result = smoothed([0, 1, 2], [1, NaN, 3], 0.5, 1000);
    expect(result[1]).toBeNaN();
    expect(result[2]).toBeGreaterThan(1);
    expect(result[2]).toBeLessThan(3);
  });
  it("forgets over a long gap", () => expect(smoothed([0, 900], [100, 1], 0.5, 1000)[1]).toBeCloseTo(1, 6));
});

describe("what is visible", () => {
  it.each([[0, 0], [1, 0], [2, 1], [3, 1], [10, 3]])("first index not below %d is %d", (x, at) => expect(lowerBound([1, 3, 5], x)).toBe(at));
  it("takes one point more on each side", () => {
    expect(visible([0, 1, 2, 3, 4], [1.5, 2.5])).toEqual([1, 4]);
    expect(visible([0, 1, 2], [0, 2])).toEqual([0, 3]);
  });
  it("spans all lines; a log axis begins at a positive x", () => {
    expect(extent([line([0, 10], [1, 1]), line([5, 20], [1, 1])], false)).toEqual([0, 20]);
    expect(extent([line([0, 10, 20], [1, 1, 1])], true)).toEqual([10, 20]);
    expect(extent([], false)).toBeNull();
  });
  it("gives a single point room", () => {
    const [low, high] = extent([line([7], [1])], false)!;
    expect(low).toBeLessThan(7);
    expect(high).toBeGreaterThan(7);
  });
});

describe("the y range", () => {
  it("holds every spike between the points, and only what is seen", () => {
    const spiked = line([0, 1, 2, 3], [1, 1, 1, 50], { low: [1, -4, 1, 50], high: [1, 9, 1, 50] });
    const { scale } = fit([spiked], [0, 2])!;
    expect(scale.min).toBeLessThanOrEqual(-4);
    expect(scale.max).toBeGreaterThanOrEqual(9);
    expect(scale.max).toBeLessThan(50);
  });
  it("ignores the outer percent when told to, and counts it", () => {
    const y = Array.from({ length: 1000 }, (_, at) => (at === 500 ? 1e6 : at % 10));
    const found = fit([line(y.map((_, at) => at), y)], [0, 1000], { outliers: false })!;
    expect(found.scale.max).toBeLessThan(20);
    expect(found.beyond).toBe(1);
    expect(fit([line(y.map((_, at) => at), y)], [0, 1000])!.scale.max).toBeGreaterThan(1e5);
  });
  it("leaves out and counts what a log axis cannot show", () => {
    const found = fit([line([0, 1, 2], [-1, 0, 10])], [0, 2], { log: true })!;
    expect(found.leftOut).toBe(2);
    expect(found.scale.min).toBeGreaterThan(0);
  });
  it("is nothing where nothing is finite", () => expect(fit([line([0, 1], [NaN, Infinity])], [0, 1])).toBeNull());
  it.each([[0.25, 2.5], [0, 1], [1, 7], [0.5, 4]])("quantile %d of 1 3 5 7 is that of numpy: %d", (q, value) => expect(quantile([1, 3, 5, 7], q)).toBeCloseTo(value));
});

describe("scales and ticks", () => {
  it.each([{ min: 2, max: 10, log: false }, { min: 0.01, max: 100, log: true }])("%j there and back", (scale) => {
    const pixel = placing(scale, 300, 20)(5);
    expect(valueAt(scale, 300, 20, pixel)).toBeCloseTo(5, 10);
    expect(placing(scale, 300, 20)(scale.min)).toBeCloseTo(300);
  });
  it("has no place for zero on a log axis", () => expect(placing({ min: 1, max: 10, log: true }, 0, 1)(0)).toBeNaN());
  it.each([
    [{ min: 0, max: 1, log: false }, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [{ min: 0.1, max: 0.31, log: false }, 3, [0.1, 0.2, 0.3]],
    [{ min: 1e-4, max: 10, log: true }, 6, [1e-4, 1e-3, 1e-2, 0.1, 1, 10]],
    [{ min: 1e-12, max: 1, log: true }, 4, [1e-12, 1e-9, 1e-6, 1e-3, 1]],
    [{ min: 0.5, max: 60, log: true }, 8, [0.5, 1, 2, 5, 10, 20, 50]],
    [{ min: 2, max: 5, log: true }, 4, [2, 3, 4, 5]],
  ])("ticks of %j, about %d", (scale, wanted, expected) => expect(ticks(scale, wanted)).toEqual(expected));
  it("whole steps, round times", () => {
    expect(ticks({ min: 0, max: 2, log: false }, 10, "step")).toEqual([0, 1, 2]);
    expect(ticks({ min: 0, max: 7000, log: false }, 4, "time")).toEqual([0, 1800, 3600, 5400]);
  });
  it.each([
    [[0, 0.05, 0.1], ["0", "0.05", "0.1"]], [[0, 5000, 10000], ["0", "5k", "10k"]], [[1e6, 1.5e6], ["1M", "1.5M"]], [[1e-5, 2e-5], ["1e-5", "2e-5"]], [[-1, 0, 1], ["-1", "0", "1"]],
    [[0.001, 0.01, 0.1, 1], ["0.001", "0.01", "0.1", "1"]], [[1000, 2000], ["1000", "2000"]], [[1e-5, 1e-4, 1e-3], ["1e-5", "1e-4", "0.001"]],
  ])("%j is written %j", (values, texts) => expect(tickTexts(values)).toEqual(texts));
  it.each([[90, "1m 30s"], [7200, "2h"], [90061, "1d 1h"], [0, "0s"], [0.25, "0.25s"], [59, "59s"]])("%d seconds are %s", (seconds, text) => expect(clock(seconds)).toBe(text));
});

describe("the line under the pointer", () => {
  const same = (value: number) => value;
  const lines = [line([0, 100], [0, 0]), line([0, 50, 100], [20, 20, 20], { id: "b", low: [20, 20, 20], high: [20, 90, 20] })];
  it("is the nearest by its segments, between points too", () => {
    expect(nearest(lines, 30, 30, 6, same, same)).toMatchObject({ line: { id: "a" }, index: 0 });
    expect(nearest(lines, 80, 80, 16, same, same)).toMatchObject({ line: { id: "b" }, index: 2 });
  });
  it("is found by its spike", () => expect(nearest(lines, 50, 50, 85, same, same)?.line.id).toBe("b"));
  it("is none far away", () => expect(nearest(lines, 10, 10, 500, same, same)).toBeNull());
});

describe("groups", () => {
  it("interpolates inside the points only", () => {
    expect(interpolated([0, 10], [0, 1], 5)).toBe(0.5);
    expect([interpolated([0, 10], [0, 1], 11), interpolated([2, 10], [0, 1], 1), interpolated([0, 5, 10], [0, NaN, 1], 7)]).toEqual([NaN, NaN, NaN]);
  });
  it("means over unequal x, each run within its own range", () => {
    const mean = averaged([curve("a", [0, 10, 20], [1, 2, 3]), curve("b", [0, 20], [3, 7])], "sd");
    expect([...mean.x]).toEqual([0, 10, 20]);
    expect([...mean.mean]).toEqual([2, 3.5, 5]);
    expect([...mean.counts]).toEqual([2, 2, 2]);
    expect(mean.high[0]! - mean.mean[0]!).toBeCloseTo(Math.SQRT2, 10); // sample standard deviation of 1 and 3
  });
  it("counts the runs that are still there", () => {
    const mean = averaged([curve("a", [0, 10], [1, 1]), curve("b", [0, 10, 20], [3, 3, 9])], "range");
    expect([...mean.counts]).toEqual([2, 2, 1]);
    expect([...mean.low]).toEqual([1, 1, 9]);
    expect([...mean.high]).toEqual([3, 3, 9]);
  });
  it("has a grid of at most so many points", () => expect(grid([curve("a", [0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0])], 3)).toEqual(Float64Array.from([0, 2.5, 5])));
});

it("runs of one name are told apart by their ids", () =>
  expect(distinctTitles([{ id: "20261122-abc", name: "base" }, { id: "20261122-def", name: "base" }, { id: "x", name: null }])).toEqual(["base abc", "base def", "x"]));

describe("lines", () => {
  const curves = [curve("a", [0, 1], [1, 2]), curve("b", [0, 1], [3, 4]), curve("c", [], [])];
  it("are the runs that have points and are not hidden", () =>
    expect(toLines(curves, { smooth: 0, dark: false, hidden: new Set(["a"]) }).map(({ id }) => id)).toEqual(["b"]));
  it("keep their colour wherever they stand in the answer", () => {
    const [first] = toLines(curves, { smooth: 0, dark: false });
    const [moved] = toLines([curves[1]!, curves[0]!], { smooth: 0, dark: false, order: new Map([["b", 0], ["a", 1]]) });
    expect(moved!.color).toBe(first!.color);
  });
  it("are means of groups", () => {
    const [group, ...rest] = toLines(curves, { smooth: 0, dark: false, groups: new Map([["a", "g"], ["b", "g"]]) });
    expect(rest).toEqual([]);
    expect([group!.label, [...group!.y], [...group!.counts!]]).toEqual(["g", [2, 3], [2, 2]]);
  });
  it("keep the unsmoothed values behind the smoothed", () => expect([...toLines(curves, { smooth: 0.9, dark: false })[0]!.raw!]).toEqual([1, 2]));
});
