import { describe, expect, it } from "vitest";
import { overridden, searched, tree, yaml } from "../src/pages/run/config-tree";
import { commands, dataWarnings, metricRows, parameters, splitFacts } from "../src/pages/run/facts";
import { byPrefix } from "../src/parts/metrics";
import { fileTree } from "../src/pages/run/files";
import { appended, bare, blocks, coloured, matching, prepended, type Part } from "../src/pages/run/output";
import { systemCharts } from "../src/pages/run/system-charts";

const config = { seed: 0, "data.path": "/data/sst2", "data.labels.0": "negative", "optimizer.betas": [0.9, 0.999], "optimizer.lr": 1e-3, "model.cell": "gru", "tracker._target_": null };

describe("a config", () => {
  it("is a tree in its own order", () => {
    expect(tree(config).map((one) => one.name)).toEqual(["seed", "data", "optimizer", "model", "tracker"]);
    expect(tree(config)[1]!.children[1]!).toMatchObject({ name: "labels", key: "data.labels", children: [{ name: "0", value: "negative" }] });
  });
  it("is YAML that says the same", () =>
    expect(yaml(config)).toBe(
      'seed: 0\ndata:\n  path: /data/sst2\n  labels:\n    "0": negative\noptimizer:\n  betas:\n  - 0.9\n  - 0.999\n  lr: 0.001\nmodel:\n  cell: gru\ntracker:\n  _target_: null\n',
    ));
  it.each([["true", '"true"'], ["1e-3", '"1e-3"'], ["a: b", '"a: b"'], ["", '""'], ["32-true", '"32-true"'], ["x #1", '"x #1"'], ["plain text", "plain text"], [[], "[]"], [{}, "{}"]] as const)(
    "%j is written as %s", (value, text) => expect(yaml({ key: value as never })).toBe(`key: ${text}\n`));
  it("knows what was overridden", () => {
    const found = overridden(["experiment=sst2", "data.path=x", "model=gru", "+optimizer.lr=1", "~tracker", "optimizer={lr:1}"], config);
    expect([...found.groups]).toEqual([["model", "gru"], ["tracker", ""]]);
    expect([...found.keys]).toEqual(["experiment", "data.path", "optimizer.lr", "optimizer.betas"]);
  });
  it.each([["LR", ["optimizer.lr"]], ["gru", ["model.cell"]], ["", Object.keys(config)], ["nothing", []]])("search %j", (query, keys) =>
    expect(Object.keys(searched(config, query))).toEqual(keys));
});

describe("output", () => {
  const part = (text: string, from: number, size = from + text.length): Part => ({ text, from, to: from + text.length, size });
  it("grows at its end", () => expect(appended(part("ab", 4), part("cd", 6))).toEqual({ ...part("abcd", 4), front: 0 }));
  it("begins again when the file did", () => expect(appended(part("abcdef", 0), part("x", 0))).toEqual(part("x", 0)));
  it("drops whole lines in front when it is too much, and says from where it is in bytes", () =>
    expect(appended({ text: "é\nbb\n", from: 0, to: 6, size: 6 }, part("cc\n", 6), 6)).toEqual({ text: "bb\ncc\n", from: 3, to: 9, size: 9, front: 0 }));
  it("takes an earlier part only where it meets", () => {
    expect(prepended(part("ab", 0), part("cd", 2))).toEqual({ ...part("abcd", 0), front: 0 });
    expect(prepended(part("a\nb\nc", 0), part("d\n", 5)).front).toBe(2);
    expect(prepended(part("ab", 0), part("cd", 5))).toEqual(part("cd", 5));
  });
  it("turns colours into classes and drops other controls", () =>
    expect(coloured("\u001b[1;31mbad\u001b[0m \u001b[2K\u001b[92mgood\u001b[39m\u001b]0;title\u0007!")).toEqual([
      { text: "bad", style: "bold red" }, { text: " ", style: "" }, { text: "good", style: "green" }, { text: "!", style: "" },
    ]));
  it("skips colours of the large palettes", () => expect(coloured("\u001b[38;5;196mx\u001b[38;2;1;2;3;1my")).toEqual([{ text: "x", style: "" }, { text: "y", style: "bold" }]));
  it("shows a progress bar as it was last", () => expect(bare("10%\r50%\r100%\r")).toBe("100%"));
  it.each([
    ["a\nb\nc\n", 0, ["0:a,b", "1:c"]], ["", 0, []], ["z\na\nb\nc\n", 1, ["-1:z", "0:a,b", "1:c"]], ["x\ny\nz\na\nb\nc\nd", 3, ["-2:x", "-1:y,z", "0:a,b", "1:c,d"]],
  ])("%j with %i lines in front is drawn in blocks that stay the same", (text, front, expected) =>
    expect(blocks(text, front, 2).map((one) => `${one.key}:${one.text.replaceAll("\n", ",")}`)).toEqual(expected));
  it("finds lines by what is shown of them", () => expect(matching("\u001b[31mEr\u001b[0mror\nfine\n", "ERROR")).toEqual(["Error"]));
});

describe("facts", () => {
  it("best is by the mode", () =>
    expect(metricRows({ summary: { "val/loss": { last: 3, last_step: 9, min: 1, min_step: 4, max: 5, max_step: 2, mode: "min" } } })).toEqual([
      { name: "val/loss", last: 3, lastStep: 9, mode: "min", best: 1, bestStep: 4 },
    ]));
  it("groups names by prefix, validation first", () =>
    expect(byPrefix(["train/loss", "epoch", "val/f1", "custom/x", "val/loss"]).map(([prefix, names]) => `${prefix}:${names.length}`)).toEqual(["val:2", "train:1", ":1", "custom:1"]));
  const data = {
    tokens: { train: 100 }, cut_texts: { train: 2 },
    splits: { train: { rows: 10, dropped_empty: 1, dropped_label: 1, duplicates: 1, label_counts: { a: 4, b: 6 } }, test: { rows: 5, dropped_empty: 0, dropped_label: 0, duplicates: 0 } },
    duplicates_across: [{ splits: ["train", "test"], count: 3 }, { splits: ["train", "val"], count: 0 }],
  };
  it("splits", () => expect(splitFacts(data)[0]).toEqual({ split: "train", rows: 10, tokens: 100, dropped: 2, duplicates: 1, labels: [["a", 4], ["b", 6]] }));
  it("warns of overlaps first", () =>
    expect(dataWarnings(data).map((one) => [one.text, one.grave])).toEqual([
      ["3 examples of test are also in train", true], ["1 duplicate within train", false], ["2 rows of train left out (empty or without a known label)", false], ["2 texts of train cut to the maximum length", false],
    ]));
  it("says what the checks before training found, overlaps and given-away labels gravely", () =>
    expect(dataWarnings({
      duplicates_across: [{ splits: ["train", "val"], count: 1 }],
      checks: { warnings: ["near", "leak", "balance"], near_duplicates: [{ count: 0 }, { count: 2 }], shortcuts: [{ large: true }, { large: false }] },
    }).map((one) => [one.text, one.grave])).toEqual([["1 example of val is also in train", true], ["near", true], ["leak", true], ["balance", false]]));
  it("of nothing recorded says nothing", () => expect([dataWarnings({}), splitFacts({}), parameters({})]).toEqual([[], [], null]));
  it("parameters", () => expect(parameters({ parameters: 100, trained: 1 })).toEqual({ all: 100, trained: 1, frozen: 99, share: 0.01 }));
  it("commands are named once", () => expect(commands({ resume: "headway resume x", reproduce: null, commands: { resume: "headway resume x", evaluate: "e" } })).toEqual([["resume", "headway resume x"], ["evaluate", "e"]]));
});

it("files form a tree with sums, folders first, numbers in order", () => {
  const nodes = fileTree([{ path: "b.txt", bytes: 1, modified: 5 }, { path: "c/step-10", bytes: 2, modified: 7 }, { path: "c/step-9", bytes: 3, modified: 6 }, { path: "c/d/e", bytes: 4, modified: 1 }]);
  expect(nodes.map((one) => [one.path, one.bytes, one.count, one.modified])).toEqual([["c", 9, 3, 7], ["b.txt", 1, 0, 5]]);
  expect(nodes[0]!.children.map((one) => one.path)).toEqual(["c/d", "c/step-9", "c/step-10"]);
});

it("system metrics share charts", () => {
  const series = { gpu1_percent: [1], cpu_percent: [50], gpu0_percent: [2], read_bytes: [1], write_bytes: [2], odd_thing: [3], gpu0_power_watts: [null] };
  const charts = systemCharts({ x: [0], series, units: { odd_thing: "m" } });
  expect(charts.map((one) => [one.title, one.unit, one.names.map(one.label).join()])).toEqual([
    ["CPU (100 % is one core)", "percent", "cpu"], ["Disk, read and written", "bytes", "read,write"], ["GPU", "percent", "gpu1,gpu0"], ["odd thing", "m", "odd thing"],
  ]);
});
