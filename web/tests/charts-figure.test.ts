import { describe, expect, it } from "vitest";
import { figureHeight, rows, svg, type Figure } from "../src/charts/figure";
import { drawLines } from "../src/charts/draw";
import type { Line } from "../src/charts/line";
import { escaped, SvgSurface } from "../src/charts/svg";

const look = { paper: "#fff", ink: "#000", dim: "#666", grid: "#ddd", font: "sans-serif" };
const line = (id: string, more: Partial<Line> = {}): Line => {
  const y = [1, 2, 3];
  return { id, label: id, color: "#0b6e8f", dash: [], x: [0, 50, 100], y, low: y, high: y, raw: null, ...more };
};
const figure = (lines: Line[], more: Partial<Figure> = {}): Figure => ({
  title: "val/loss", note: "", lines, x: { min: 0, max: 100, log: false }, y: { min: 0, max: 4, log: false }, axis: "step", width: 640, height: 300, ...more,
});

describe("a figure as SVG", () => {
  it("has title, axis, ticks, lines and a legend", () => {
    const text = svg(figure([line("first run"), line("second", { color: "#d1620c" })]), look);
    for (const part of ["val/loss", ">step<", ">100<", ">4<", "first run", "second", "#d1620c"]) expect(text).toContain(part);
    expect(text.match(/<svg /g)).toHaveLength(1);
    expect(text.match(/<g /g)?.length).toBe(text.match(/<\/g>/g)?.length);
  });
  it("takes names as text only", () => {
    const text = svg(figure([line('<script>alert("x")</script>'), line("b & c")], { title: "<b>" }), look);
    expect(text).not.toContain("<script");
    expect(text).not.toContain("<b>");
    expect(text).toContain("b &#38; c");
  });
  it("names a few lines and counts the others", () => {
    const many = figure(Array.from({ length: 200 }, (_, at) => line(`run ${at}`)));
    expect(svg(many, look)).toContain("and 176 more");
    expect(figureHeight(many)).toBeLessThan(500);
  });
  it("leaves out characters that XML forbids", () => expect(escaped("a\u0000b\u0007<")).toBe("ab&#60;"));
});

describe("drawn lines", () => {
  const frame = { box: { left: 0, top: 0, width: 100, height: 40 }, x: { min: 0, max: 100, log: false }, y: { min: 0, max: 4, log: false }, ratio: 1 };
  const drawn = (lines: Line[]) => {
    const on = new SvgSurface(100, 40);
    drawLines(on, lines, frame);
    return on.text();
  };
  it("break at a gap and mark it at the frame", () => {
    const text = drawn([line("a", { x: [0, 20, 50, 80, 100], y: [1, 1, NaN, 1, 1], low: [1, 1, NaN, 1, 1], high: [1, 1, NaN, 1, 1] })]);
    expect(text).toContain("M0 30L20 30M80 30L100 30");
    expect(text).toContain("M46 0L54 0L50 6.4Z");
  });
  it("reach every minimum and maximum, few or many", () => {
    const y = [1, 1, 1];
    const spiked = (id: string) => line(id, { y, low: [1, 0.5, 1], high: [1, 3.5, 1] });
    for (const lines of [[spiked("a")], Array.from({ length: 40 }, (_, at) => spiked(`${at}`))]) {
      expect(drawn(lines)).toContain("L50 35");
      expect(drawn(lines)).toContain("50 5");
    }
  });
});

it("a figure as rows has minimum and maximum only where points stand for several values", () => {
  expect(rows(figure([line("a")])).slice(0, 2)).toEqual([["run", "step", "val/loss"], ["a", 0, 1]]);
  expect(rows(figure([line("a", { y: [5, 5, 5], raw: [1, 2, 3], low: [1, 2, 3] })])).slice(0, 2)).toEqual([["run", "step", "val/loss", "min", "max", "smoothed"], ["a", 0, 1, 1, 1, 5]]);
  expect(rows(figure([line("a", { low: [0, 1, 2], high: [2, 3, 4] })]))[1]).toEqual(["a", 0, 1, 0, 2]);
});
