import { describe, expect, it } from "vitest";
import { age, bytes, count, duration, keyParts, value } from "../src/format";

describe("value", () => {
  it.each([
    [0.973214, "0.9732"], [5e-5, "5.00e-5"], [10234.5, "10,234.5"], [3, "3"], [0, "0"], [-0.5, "-0.5000"],
    ["NaN", "nan"], ["-Infinity", "-inf"], [null, ""], [undefined, ""], [123456789.5, "1.23e+8"],
  ] as const)("%s -> %s", (given, shown) => expect(value(given)).toBe(shown));
});

describe("duration", () => {
  it.each([[3725, "1h 02m"], [65, "1m 05s"], [59, "59s"], [90061, "1d 01h"], [null, ""], [-3, "0s"]] as const)("%s -> %s", (given, shown) =>
    expect(duration(given)).toBe(shown));
});

describe("age", () => {
  const now = Date.parse("2026-11-22T12:00:00Z");
  it.each([
    ["2026-11-22T11:59:58Z", "now"], ["2026-11-22T11:30:00Z", "30m ago"], ["2026-11-20T12:00:00Z", "2d ago"],
    ["2026-01-01T00:00:00Z", "2026-01-01"], ["no date", ""], [null, ""],
  ] as const)("%s -> %s", (given, shown) => expect(age(given, now)).toBe(shown));
});

it("bytes", () => expect([bytes(12), bytes(1536), bytes(3 * 1024 ** 3)]).toEqual(["12 B", "1.5 KB", "3.0 GB"]));
it("count", () => expect([count(1, "run"), count(10000, "run")]).toEqual(["1 run", "10,000 runs"]));
it("keyParts", () => expect([keyParts("config.optimizer.lr"), keyParts("val/loss"), keyParts("seed")]).toEqual([["optimizer.", "lr"], ["val/", "loss"], ["", "seed"]]));
