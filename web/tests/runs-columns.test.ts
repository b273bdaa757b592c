import { describe, expect, it } from "vitest";
import type { ConfigKey, Keys, RunRow } from "../src/api";
import { aggregateOf, asked, cellOf, column, configKey, defaultColumns, differing, metricKey, metricName, moved, pinnedFirst, shortText, telling } from "../src/pages/runs/columns";

const key = (name: string, distinct: number, more: Partial<ConfigKey> = {}): ConfigKey => ({
  key: `config.${name}`, kind: "number", distinct, runs: 12, values: Array.from({ length: Math.min(distinct, 8) }, (_, at) => `${name}${at}`), ...more,
});
const metric = (name: string, runs = 12, mode: "min" | "max" = "max") => ({ key: name, runs, mode });
const known: Keys = {
  keys: [key("seed", 12), key("name", 5, { kind: "text" }), key("trainer.clip", 3), key("optimizer.lr", 2), key("model._target_", 3, { kind: "text" }), key("batch.workers", 4), key("data.format", 1)],
  metrics: [metric("perf/tokens_per_s"), metric("test/accuracy"), metric("train/loss", 12, "min"), metric("val/accuracy"), metric("val/loss", 12, "min")],
  fields: [], tags: [], projects: ["a"],
};

describe("differing", () => {
  it("names what differs and tells something, the model and known names first", () =>
    expect(differing(known.keys)).toEqual(["config.model._target_", "config.optimizer.lr", "config.trainer.clip"]));
  it("puts keys of few runs last", () => expect(differing([key("model.path", 3, { runs: 3 }), key("a.b", 2)])).toEqual(["config.a.b", "config.model.path"]));
  it("leaves out a text that is another one in every run", () => expect(differing([key("note.path", 12, { kind: "text" }), key("x.lr", 2)])).toEqual(["config.x.lr"]));
  it("says the same once", () => {
    const values = ["bert", "gpt"];
    expect(differing([key("model.path", 2, { values }), key("tokenizer.path", 2, { values })])).toEqual(["config.model.path"]);
  });
  it("is at most so many", () => expect(differing(Array.from({ length: 30 }, (_, at) => key(`k${at}.x`, 2)), 6)).toHaveLength(6));
});

describe("telling metrics", () => {
  it("are of validation first, scores before losses, without speeds", () =>
    expect(telling(known.metrics)).toEqual(["val/accuracy", "val/loss", "test/accuracy", "train/loss"]));
  it("are common ones before rare ones", () => expect(telling([metric("val/rare", 1), metric("test/f1", 40)])).toEqual(["test/f1", "val/rare"]));
});

describe("default columns", () => {
  it("are what differs, how good, at what cost", () =>
    expect(defaultColumns(known).slice(0, 4).concat(defaultColumns(known).slice(-2))).toEqual([
      "config.model._target_", "config.optimizer.lr", "config.trainer.clip", "val/accuracy", "seconds", "created",
    ]));
  it("name the project where there are several", () => expect(defaultColumns({ ...known, projects: ["a", "b"] })[0]).toBe("project"));
  it("do not, where the filter leaves one", () =>
    expect(defaultColumns({ ...known, keys: [...known.keys, key("project", 1)], projects: ["a", "b"] })).not.toContain("project"));
  it("are few where there is little room", () => expect(defaultColumns(known, true)).toEqual(["val/accuracy", "config.model._target_", "created"]));
});

describe("names of metrics", () => {
  it.each([["val/loss"], ["my loss"], ['say "a", b'], ["seed"], ["config.x"], ["loss.last"], ["a\\b"]])("%s is read back from its column", (name) => {
    for (const aggregate of ["best", "last", "min"] as const) {
      expect(metricName(metricKey(name, aggregate))).toBe(name);
      expect(aggregateOf(metricKey(name, aggregate))).toBe(aggregate);
    }
  });
  it("are quoted where they would be read as something else", () =>
    expect([metricKey("val/f1"), metricKey("seed"), metricKey("a b", "last")]).toEqual(["val/f1", 'metric."seed"', 'last(metric."a b")']));
  it("of config keys too", () => expect([configKey("config.a.b"), configKey("config.a b")]).toEqual(["config.a.b", 'config."a b"']));
});

describe("column", () => {
  it("knows the mode through an aggregate", () => expect(column("last(val/loss)", known)).toMatchObject({ prefix: "val/", label: "loss (last)", mode: "min", numeric: true }));
  it("calls a class by the part it stands for", () => expect(column("config.model._target_", known)).toMatchObject({ prefix: "", label: "model" }));
  it("is there for what nobody knows", () => expect(column("config.gone", null)).toMatchObject({ kind: "config", label: "gone" }));
});

it("texts are short where the end tells", () => {
  expect(shortText("config.task._target_", "headway.tasks.tagging.Tagging")).toBe("Tagging");
  expect(shortText("config.data._target_", "headway.data.sources.conll.read")).toBe("conll.read");
  expect(shortText("config.data.path", "/home/me/data/mrpc")).toBe("…/data/mrpc");
  expect(shortText("config.model.path", "google/bert")).toBe("google/bert");
});

describe("asked", () => {
  it("leaves out fields that rows bring and keys that no run has", () =>
    expect(asked(["project", "seconds", "host", "config.optimizer.lr", "config.gone", "last(val/loss)", "val/gone"], known, false)).toEqual(["host", "config.optimizer.lr", "last(val/loss)"]));
  it("asks for the fields of groups", () => expect(asked(["seconds", "progress", "step"], known, true)).toEqual(["seconds", "step"]));
});

it("cells are found by the columns that were asked for", () => {
  const row = { id: "r", seconds: 3, cells: ["adam", 0.5] } as unknown as RunRow;
  expect(["seconds", "val/f1", "config.x"].map((name) => cellOf(row, name, ["config.x", "val/f1"]))).toEqual([3, 0.5, "adam"]);
  expect(cellOf(row, "not/asked", ["config.x"])).toBeNull();
});

it("columns are moved and pinned", () => {
  expect(moved(["a", "b", "c"], "a", 2)).toEqual(["b", "c", "a"]);
  expect(moved(["a", "b", "c"], "c", -1)).toEqual(["c", "a", "b"]);
  expect(pinnedFirst(["a", "b", "c"], ["c", "gone"])).toEqual(["c", "a", "b"]);
});
