import { describe, expect, it } from "vitest";
import { rowsWithin } from "../src/ui/virtual";

const indices = (...given: Parameters<typeof rowsWithin>) => rowsWithin(...given).map((row) => row.index);

describe("rowsWithin", () => {
  it("covers every pixel of the window, wherever it stands", () => {
    for (let top = 0; top <= 30 * 10_000 - 600; top += 7_919) {
      const rows = rowsWithin(10_000, 30, top, 600, 0);
      expect(rows[0]!.start).toBeLessThanOrEqual(top);
      expect(rows.at(-1)!.start + 30).toBeGreaterThanOrEqual(top + 600);
      expect(rows.length).toBeLessThanOrEqual(21);
    }
  });
  it("adds rows on either side and stops at the ends", () => {
    expect(indices(100, 10, 500, 20, 2)).toEqual([48, 49, 50, 51, 52, 53]);
    expect(indices(3, 10, 0, 20, 12)).toEqual([0, 1, 2]);
    expect(indices(0, 10, 0, 500)).toEqual([]);
  });
  it("shows nothing past the end when the table has shrunk under the window", () => expect(indices(10, 10, 5_000, 100, 0)).toEqual([]));
});
