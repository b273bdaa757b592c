import { describe, expect, it } from "vitest";
import { bestAt, chosenRows, codeRows, columnNames, costRows, dataRows, dataVerdict, delta, moved, sharedMetrics } from "../src/pages/compare/rows";
import { splitsOf } from "../src/pages/compare/splits";

const run = (id: string, name: string | null = null) => ({ id, name, project: "p", status: "finished" as const, seed: 0 });

describe("chosenRows", () => {
  const rows = [{ key: "optimizer.lr", values: [1e-3, 1e-4], differs: true }, { key: "seed", values: [0, 0], differs: false }];
  const keys = (options: { all: boolean; query: string }) => chosenRows(rows, (one) => one.key, options).map((one) => one.key);
  it.each([
    [{ all: false, query: "" }, ["optimizer.lr"]], [{ all: true, query: "" }, ["optimizer.lr", "seed"]], [{ all: true, query: "SEED" }, ["seed"]], [{ all: false, query: "0.0001" }, ["optimizer.lr"]], [{ all: false, query: "seed" }, []],
  ])("%j", (options, expected) => expect(keys(options)).toEqual(expected));
});

describe("bestAt", () => {
  it.each([
    [[1, 3, 2], "max", [1]], [[1, 3, 2], "min", [0]], [[2, 2, 1], "max", [0, 1]], [[2, 2], "max", []], [[2, null], "max", []], [["NaN", 2, 1], "min", [2]], [[], "max", []], [[2, 2, null], "max", [0, 1]],
  ] as const)("%j by %s", (values, mode, expected) => expect([...bestAt(values, mode)]).toEqual(expected));
});

describe("delta", () => {
  it.each([
    [0.5, 0.75, "max", { text: "+0.2500", better: true }], [0.5, 0.25, "min", { text: "−0.2500", better: true }], [0.5, 0.75, "min", { text: "+0.2500", better: false }],
    [1, 1, "max", { text: "=", better: null }], [null, 1, "max", null], [1, "NaN", "max", null],
  ] as const)("%j to %j by %s", (base, given, mode, expected) => expect(delta(base, given, mode)).toEqual(expected));
});

describe("dataVerdict", () => {
  const data = (...prints: (string | null)[]) => prints.map((fingerprint) => ({ fingerprint, splits: {}, same: fingerprint === prints[0] }));
  const runs = [run("a", "A"), run("b"), run("c")];
  it("says that they are the same", () => expect(dataVerdict({ data: data("x", "x"), runs: runs.slice(0, 2) })).toMatchObject({ same: true }));
  it("names those that differ", () => expect(dataVerdict({ data: data("x", "x", "y"), runs }).text).toMatch(/^Different data: c was .* than A\./));
  it("does not take nothing for the same", () => expect(dataVerdict({ data: data(null, null), runs }).same).toBe(false));
});

it("columns have the end of the id where names are shared", () =>
  expect(columnNames([run("20261122-111111-abcdef", "x"), run("20261122-111111-ghijkl", "x"), run("id"), run("i2", "y")])).toEqual(["x abcdef", "x ghijkl", "id", "y"]));

it("rows of cost, code and data", () => {
  expect(costRows([{ seconds: 65, steps: 1000, host: "m" }, { seconds: 65, steps: 2000, host: "m" }]).map((one) => [one.name, ...one.values, one.differs])).toEqual([
    ["time", "1m 05s", "1m 05s", false], ["steps", "1,000", "2,000", true], ["machine", "m", "m", false],
  ]);
  expect(codeRows([{ commit: "0123456789abcdef", dirty: true, patch_bytes: 2048 }, { commit: null, dirty: null, patch_bytes: 0 }]).map((one) => one.values)).toEqual([["0123456789ab", "no repository"], ["2.0 KB", ""]]);
  expect(dataRows([{ fingerprint: "x", splits: { test: 1 }, same: true }, { fingerprint: "y", splits: { val: 2 }, same: false }]).map((one) => [one.name, ...one.values])).toEqual([
    ["fingerprint", "x", "y"], ["test", "1 row", ""], ["val", "", "2 rows"],
  ]);
});

it("shared metrics: losses first, test last, those of one run left out", () =>
  expect(sharedMetrics(["test/loss", "train/loss", "val/f1", "odd", "val/loss"].map((key) => ({ key, mode: "max" as const, values: [1, 1], last: key === "odd" ? [1, null] : [1, 1] })))).toEqual([
    "val/loss", "train/loss", "val/f1", "test/loss",
  ]));

it("moved", () => expect([moved(["a", "b", "c"], 2, 0), moved(["a", "b", "c"], 0, 1)]).toEqual([["c", "a", "b"], ["b", "a", "c"]]));

describe("splitsOf", () => {
  const evaluations = { val: [{}, {}], extra: [{}, null], test: [{}, null] };
  it("names every split, test first after unknown ones", () => expect(splitsOf({ evaluations })).toEqual(["extra", "test", "val"]));
  it("keeps those that both runs have", () => expect(splitsOf({ evaluations }, [0, 1])).toEqual(["val"]));
});
