import { describe, expect, it } from "vitest";
import type { Keys } from "../src/api";
import { suggest, wordAt } from "../src/suggest";

const known: Keys = {
  keys: [
    { key: "config.optimizer.lr", kind: "number", distinct: 3, runs: 9, values: [0.1, 0.01, 0.001] },
    { key: "config.model.path", kind: "text", distinct: 1, runs: 9, values: ["a path"] },
  ],
  metrics: [{ key: "val/accuracy", runs: 9, mode: "max" }],
  fields: ["status", "seed", "tag"],
  tags: ["final", "to check"],
  projects: ["sst2"],
};

function at(marked: string) {
  const cursor = marked.indexOf("|");
  return wordAt(marked.replace("|", ""), cursor);
}
const texts = (marked: string) => suggest(at(marked), known).map((one) => one.text);

describe("wordAt", () => {
  it.each([
    ["|", "key"], ["sta|", "key"], ["status |", "operator"], ["status =|", "value"], ["status = fin|", "value"],
    ["status = finished |", "key"], ["status = finished and |", "key"], ["not (se|", "key"], ["tag in (fin|", "value"], ["tag in (a, |", "value"],
    ["config.optimizer.lr < 1e-4 and val/acc|", "key"],
  ] as const)("%s is a %s", (marked, kind) => expect(at(marked).kind).toBe(kind));
  it("is the word to replace", () => expect(at("a = 1 and val/ac|")).toMatchObject({ start: 10, end: 16, text: "val/ac" }));
  it("knows whose value is written", () => expect(at("tag in (a, |").key).toBe("tag"));
});

describe("suggest", () => {
  it("names keys that differ before those that do not", () => expect(texts("config.|")).toEqual(["config.optimizer.lr", "config.model.path"]));
  it("puts beginnings before middles", () => expect(texts("s|")[0]).toBe("status"));
  it("quotes what is not a word", () => expect(texts("tag = |")).toEqual(["final", '"to check"']));
  it("offers values of a key", () => expect(texts("config.optimizer.lr = |")).toEqual(["0.1", "0.01", "0.001"]));
  it("offers operators after a key", () => expect(texts("status |")).toContain("!="));
});
