import { describe, expect, it } from "vitest";
import { filterOf, moved, smoother, tiles, toggled, usual, written } from "../src/pages/curves/layout";
import { rangeParams, viewOf } from "../src/pages/curves/view";

const metric = (key: string, runs = 1) => ({ key, runs, mode: "min" as const });

describe("what is shown at first", () => {
  it("is validation metrics of most runs, and the training loss", () =>
    expect(usual([metric("train/lr", 9), metric("train/loss", 9), metric("val/f1", 2), metric("val/accuracy", 5), metric("val/loss", 5)])).toEqual(["val/loss", "val/accuracy", "val/f1", "train/loss"]));
  it("is six at most", () => expect(usual([...Array.from({ length: 20 }, (_, at) => metric(`val/${at}`)), metric("train/loss")])).toHaveLength(6));
  it("is whatever there is", () => expect(usual([metric("reward")])).toEqual(["reward"]));
});

describe("tiles", () => {
  const three = tiles(["a", "b", "c"], ["s", "x"]);
  it("have a size, medium unless said", () => expect(three.map(({ size }) => size)).toEqual(["s", "m", "m"]));
  it.each([[0, 2, "bca"], [2, 0, "cab"], [1, -1, "bac"], [0, 9, "bca"], [1, 1, "abc"]])("%d moved to %d: %s", (from, to, order) =>
    expect(moved(three, from, to).map((one) => one.metric).join("")).toBe(order));
  it("come and go", () => expect(toggled(toggled(three, "b"), "d").map((one) => one.metric)).toEqual(["a", "c", "d"]));
  it("are written without sizes where all are medium", () => {
    expect(written(tiles(["a", "b"], []))).toEqual({ m: ["a", "b"], size: [] });
    expect(written(three)).toEqual({ m: ["a", "b", "c"], size: ["s", "m", "m"] });
  });
});

describe("the address", () => {
  const of = (text: string) => viewOf(new URLSearchParams(text));
  it("is the usual view when empty", () => expect(of("")).toMatchObject({ x: "step", smooth: 0, outliers: true, range: null, linked: true, band: "sd", runs: [] }));
  it("says everything", () =>
    expect(of("runs=a,b&m=val/loss&x=time&smooth=0.9&logy=1&outliers=ignore&from=10&to=20&group=recipe&band=range&hide=b&zoom=own")).toMatchObject({
      runs: ["a", "b"], metrics: ["val/loss"], x: "time", smooth: 0.9, logY: true, logX: false, outliers: false, range: [10, 20], group: "recipe", band: "range", hidden: ["b"], linked: false,
    }));
  it("survives nonsense", () => expect(of("x=moon&smooth=abc&from=5&to=1&size=,,")).toMatchObject({ x: "step", smooth: 0, range: null }));
  it("takes the selection where no runs are named", () => expect(of("sel=c").runs).toEqual(["c"]));
  it("keeps a zoom that begins at zero", () => expect(rangeParams([0, 1234.56789])).toEqual({ from: 0, to: 1234.568 }));
});

it("runs become a filter, whatever their ids hold", () => expect(filterOf(["a", 'b"c'])).toBe('id in ("a", "b\\"c")'));
it("smoothing steps up and down and stops at its ends", () => {
  expect([smoother(0, true), smoother(0.9, false), smoother(0.995, true), smoother(0, false), smoother(0.5, true)]).toEqual([0.2, 0.85, 0.995, 0, 0.6]);
});
