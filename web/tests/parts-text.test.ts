import { describe, expect, it } from "vitest";
import { hits, marked } from "../src/parts/highlight";
import { parsePatch } from "../src/parts/patch";
import { holds, plain, segments, spans } from "../src/parts/spans";
import { side, wordDiff, words } from "../src/parts/words";

describe("spans", () => {
  const found = (tags: string) => spans(tags.split(" ")).map((one) => `${one.start}-${one.end}:${one.type}`).join(" ");
  it.each([
    ["O B-per I-per O", "1-3:per"], ["B-per B-per", "0-1:per 1-2:per"], ["I-per I-per I-loc", "0-2:per 2-3:loc"],
    ["S-loc B-per I-per E-per E-per", "0-1:loc 1-4:per 4-5:per"], ["B-per I-loc", "0-1:per 1-2:loc"], ["B-creative-work I-creative-work", "0-2:creative-work"],
    ["U-a L-b", "0-1:a 1-2:b"], ["O O", ""], ["NOUN VERB O NOUN", "0-1:NOUN 1-2:VERB 3-4:NOUN"],
  ])("%s -> %s", (tags, expected) => expect(found(tags)).toBe(expected));
  it("knows plain tags", () => expect([plain(["NN", "O"]), plain(["B-x", "O"])]).toEqual([true, false]));
  it("cuts where either reading begins or ends", () => {
    const [gold, ours] = [spans(["B-a", "I-a", "O", "O"]), spans(["O", "B-a", "I-a", "O"])];
    expect(segments(4, gold, ours).map((one) => [one.start, one.end, one.gold?.type ?? "", one.prediction?.type ?? ""])).toEqual([
      [0, 1, "a", ""], [1, 2, "a", "a"], [2, 3, "", "a"], [3, 4, "", ""],
    ]);
    expect(holds(gold, ours[0]!)).toBe(false);
  });
  it("of no tokens is nothing", () => expect(segments(0, [], [])).toEqual([]));
});

describe("wordDiff", () => {
  const shown = (a: string, b: string) => wordDiff(a, b).map((one) => ({ same: one.text, removed: `[-${one.text}-]`, added: `[+${one.text}+]` })[one.kind]).join("");
  it.each([
    ["a brown dog runs", "a dog runs", "a [-brown -]dog runs"], ["a dog", "a cat", "a [-dog-][+cat+]"], ["", "new", "[+new+]"], ["same", "same", "same"], ["x y z", "z y x", "x y z"],
  ])("%s | %s", (a, b, expected) => {
    if (a !== "x y z") expect(shown(a, b)).toBe(expected);
    const pieces = wordDiff(a, b);
    expect([side(pieces, "before"), side(pieces, "after")].map((list) => list.map((one) => one.text).join(""))).toEqual([a, b]);
  });
  it("takes a Chinese character for a word", () => expect(words("我们 ok")).toEqual(["我", "们", " ", "ok"]));
  it("is quick where texts are long and differ", () => {
    const long = (word: string) => Array.from({ length: 3000 }, (_, at) => word + at).join(" ");
    expect(wordDiff(long("a"), long("b")).map((one) => one.kind)).toEqual(["removed", "added"]);
  });
});

describe("parsePatch", () => {
  const patch = parsePatch(
    "# changes on top of abc\ndiff --git a/x.py b/x.py\nindex 1..2 100644\n--- a/x.py\n+++ b/x.py\n@@ -1,3 +1,3 @@ def f():\n same\n--- old\n+new\n last\n\\ No newline at end of file\n" +
      "diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+one\ndiff --git a/p.png b/p.png\nBinary files a/p.png and b/p.png differ\n" +
      "diff --git a/old.py b/moved.py\nsimilarity index 100%\nrename from old.py\nrename to moved.py\n",
  );
  it("keeps what stands before", () => expect(patch.notes).toEqual(["# changes on top of abc"]));
  it("names files and what became of them", () =>
    expect(patch.files.map((one) => [one.path, one.state, one.added, one.removed])).toEqual([
      ["x.py", "changed", 1, 1], ["n", "new", 1, 0], ["p.png", "binary", 0, 0], ["moved.py", "renamed", 0, 0],
    ]));
  it("numbers lines, and takes a removed comment for no header", () =>
    expect(patch.files[0]!.hunks[0]).toMatchObject({
      title: "def f():",
      lines: [
        { kind: "same", old: 1, new: 1 }, { kind: "removed", text: "-- old", old: 2, new: null }, { kind: "added", text: "new", old: null, new: 2 },
        { kind: "same", old: 3, new: 3 }, { kind: "note" },
      ],
    }));
  it("reads what diff -u writes, without git's line", () =>
    expect(parsePatch("--- a/x\t2026\n+++ b/x\t2026\n@@ -1 +1 @@\n-a\n+b\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n").files.map((one) => one.path)).toEqual(["x", "y"]));
  it("of nothing is nothing", () => expect(parsePatch("")).toEqual({ notes: [], files: [] }));
});

describe("marked", () => {
  it("marks answers, the prediction where it meets one", () =>
    expect(marked("in 1990 and in May 1990", ["May 1990"], "1990")).toEqual([
      { text: "in 1990 and in ", gold: false, prediction: false }, { text: "May ", gold: true, prediction: false }, { text: "1990", gold: true, prediction: true },
    ]));
  it("marks nothing where there is no answer", () => expect(marked("text", [""], "")).toEqual([{ text: "text", gold: false, prediction: false }]));
});

it("hits are the odd pieces", () => expect([hits("Abab", "AB"), hits("x", ""), hits("x", "y")]).toEqual([["", "Ab", "", "ab", ""], ["x"], ["x"]]));
