import { expect, it } from "vitest";
import { decodeCurves } from "../src/api";

/** The same bytes as headway/web writes. */
function encoded(): ArrayBuffer {
  const series = [{ run: "a", name: null, n: 3, raw: false }, { run: "b", name: "B", n: 1, raw: true }];
  const text = JSON.stringify({ metric: "val/loss", x: "step", total: 2, series });
  const header = new TextEncoder().encode(text.padEnd(Math.ceil((4 + text.length) / 8) * 8 - 4));
  const buffer = new ArrayBuffer(4 + header.length + 3 * 8 + 3 * 16 + 8 + 8);
  new DataView(buffer).setUint32(0, header.length, true);
  new Uint8Array(buffer, 4, header.length).set(header);
  let at = 4 + header.length;
  new Float64Array(buffer, at, 3).set([1, 2, 3]);
  for (const [index, values] of [[0.5, NaN, 1.5], [0, NaN, 1], [1, NaN, 2]].entries()) new Float32Array(buffer, at + 24 + 16 * index, 3).set(values);
  at += 24 + 48;
  new Float64Array(buffer, at, 1).set([7]);
  new Float32Array(buffer, at + 8, 1).set([0.25]);
  return buffer;
}

it("reads the header and every series where it stands", () => {
  const { metric, series } = decodeCurves(encoded());
  expect(metric).toBe("val/loss");
  expect([...series[0]!.x]).toEqual([1, 2, 3]);
  expect([...series[0]!.mean]).toEqual([0.5, NaN, 1.5]);
  expect([...series[0]!.max]).toEqual([1, NaN, 2]);
  expect([...series[1]!.x, ...series[1]!.mean]).toEqual([7, 0.25]);
  expect(series[1]!.min).toBe(series[1]!.mean);
});
