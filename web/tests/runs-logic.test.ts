import { describe, expect, it } from "vitest";
import type { Group, RunRow, RunTable } from "../src/api";
import { endsOfGroups, endsOfMeans, extremes, isBest, share } from "../src/pages/runs/best";
import { BLOCK, Blocks } from "../src/pages/runs/blocks";
import { column } from "../src/pages/runs/columns";
import { idFilters, narrowed, term, written } from "../src/pages/runs/filters";
import { filterOf, flat, groupId, groupText, shortTitles, statusText } from "../src/pages/runs/groups";
import { conditions } from "../src/pages/runs/menus";
import { MOST, range, scrolled, toggled, union } from "../src/pages/runs/picking";
import { clicked, orderOf, parseSort, writeSort } from "../src/pages/runs/sorting";
import { isViews, patchOf, viewOf, withView } from "../src/pages/runs/views";

describe("sort order", () => {
  const loss = { key: "val/loss", kind: "metric", mode: "min" } as const;
  const score = { key: "val/f1", kind: "metric", mode: "max" } as const;
  it.each([["-created"], ["-val/f1,name"], ['-metric."a,b",last(metric."c,d")'], [""]])("%s survives", (text) => expect(writeSort(parseSort(text))).toBe(text));
  it("begins with the good end", () => {
    expect(writeSort(clicked([], loss, false))).toBe("val/loss");
    expect(writeSort(clicked([], score, false))).toBe("-val/f1");
  });
  it("turns with the second click and ends with the third", () => {
    const twice = clicked(clicked([], score, false), score, false);
    expect(writeSort(twice)).toBe("val/f1");
    expect(clicked(twice, score, false)).toEqual([]);
  });
  it("adds with Shift and leaves the others", () => {
    const both = clicked(parseSort("-val/f1"), loss, true);
    expect(writeSort(both)).toBe("-val/f1,val/loss");
    expect(writeSort(clicked(both, loss, true))).toBe("-val/f1,-val/loss");
    expect(writeSort(clicked(both, loss, false))).toBe("val/loss");
    expect(orderOf(both, "val/loss")).toEqual({ place: 2, down: false });
  });
  it("sorts progress by the step", () => expect(writeSort(clicked([], { key: "progress", kind: "field", mode: null }, false))).toBe("-step"));
});

describe("selection", () => {
  it("toggles one and many", () => {
    expect(toggled(["a"], ["b"])).toEqual(["a", "b"]);
    expect(toggled(["a", "b", "c"], ["a", "c"])).toEqual(["b"]);
    expect(toggled(["a"], ["a", "b"])).toEqual(["a", "b"]);
    expect(toggled(["a"], [])).toEqual(["a"]);
  });
  it("has each run once and not more than fit", () => {
    expect(union(["b"], ["a", "b"])).toEqual(["b", "a"]);
    expect(union([], Array.from({ length: MOST + 9 }, (_, at) => String(at)))).toHaveLength(MOST);
  });
  it("reaches from the anchor both ways", () => {
    expect(range(3, 6)).toEqual({ first: 3, last: 6 });
    expect(range(6, 3)).toEqual({ first: 3, last: 6 });
    expect(range(0, 9999)).toEqual({ first: 0, last: MOST - 1 });
    expect(range(9999, 0)).toEqual({ first: 10000 - MOST, last: 9999 });
  });
  it("scrolls only to what is hidden by the header or below the foot", () => {
    const view = { top: 300, height: 344, header: 44, row: 30 };
    expect(scrolled(10, view)).toBeNull();
    expect(scrolled(19, view)).toBeNull();
    expect(scrolled(9, view)).toBe(270);
    expect(scrolled(20, view)).toBe(330);
  });
});

describe("best of a column", () => {
  it("looks at finite numbers only", () => expect(extremes([1, null, "NaN", Infinity, 3, "x"])).toEqual({ min: 1, max: 3 }));
  it("is nothing among one", () => expect(extremes([1, null])).toBeNull());
  it("depends on the mode", () => {
    const ends = { min: 1, max: 3 };
    expect([isBest(1, ends, "min"), isBest(1, ends, "max"), isBest(3, ends, "max"), isBest(3, ends, null)]).toEqual([true, false, true, false]);
    expect(isBest(2, { min: 2, max: 2 }, "max")).toBe(false);
  });
  it("is a share of the range", () => expect([share(2, { min: 1, max: 3 }), share(null, { min: 1, max: 3 }), share(2, { min: 2, max: 2 })]).toEqual([0.5, null, null]));
});

const run = (id: string): RunRow => ({ id }) as RunRow;
const page = (from: number, count: number, total: number): RunTable => ({
  total, all: total, offset: from, columns: [], pending: 0, rows: Array.from({ length: count }, (_, at) => run(`r${from + at}`)),
});

describe("blocks", () => {
  it("asks for what is missing, once", () => {
    const blocks = new Blocks([]);
    expect(blocks.missing(0, 40)).toEqual([0]);
    blocks.ask(0);
    expect(blocks.missing(0, 40)).toEqual([]);
    blocks.put(0, page(0, BLOCK, 1000));
    expect(blocks.row(7)?.id).toBe("r7");
    expect(blocks.missing(BLOCK - 5, BLOCK + 30)).toEqual([1]);
    expect(blocks.missing(990, 5000)).toEqual([4]);
  });
  it("keeps old rows until the new ones are here", () => {
    const blocks = new Blocks([]);
    blocks.put(0, page(0, 3, 3));
    expect(blocks.missing(0, 2)).toEqual([]);
    blocks.renew();
    expect(blocks.missing(0, 2)).toEqual([0]);
    expect(blocks.row(0)?.id).toBe("r0");
    blocks.ask(0);
    blocks.renew(); // something changed while the answer was on its way: ask again after it
    blocks.put(0, page(0, 2, 2));
    expect(blocks.missing(0, 1)).toEqual([0]);
    expect(blocks.row(2)).toBeUndefined();
  });
  it("asks again after a failure", () => {
    const blocks = new Blocks([]);
    blocks.ask(0);
    blocks.fail(0);
    expect(blocks.missing(0, 9)).toEqual([0]);
  });
  it("asks again whether an empty table is still empty", () => {
    const blocks = new Blocks([]);
    blocks.put(0, page(0, 0, 0));
    expect(blocks.missing(0, 9)).toEqual([]);
    blocks.renew();
    expect(blocks.missing(0, 9)).toEqual([0]);
  });
  it("forgets what is long past, and what the table no longer reaches", () => {
    const blocks = new Blocks([]);
    for (let at = 0; at < 100; at++) blocks.put(at, page(at * BLOCK, BLOCK, 20000));
    expect(blocks.row(0)).toBeUndefined();
    expect(blocks.row(19999)?.id).toBe("r19999");
    blocks.put(0, page(0, 50, 50));
    expect(blocks.row(19999)).toBeUndefined();
    expect(blocks.whole()).toHaveLength(50);
    expect(blocks.find("r49")).toBe(49);
  });
});

describe("filter", () => {
  it.each([
    ["final", "final"], ["to check", '"to check"'], ["16", '"16"'], [16, "16"], [true, "true"], [null, "null"], ["null", '"null"'], ["or", '"or"'],
    ['say "hi"', '"say \\"hi\\""'], ["a\\b", '"a\\\\b"'], ["Infinity", '"Infinity"'], ["google/bert-base", "google/bert-base"], ["", '""'], ["a,b", '"a,b"'],
  ] as const)("%j is written %s", (given, text) => expect(written(given)).toBe(text));
  it("grows by a condition, once", () => {
    expect(narrowed("", "seed = 1")).toBe("seed = 1");
    expect(narrowed("tag = a and seed = 1", "seed = 1")).toBe("tag = a and seed = 1");
    expect(narrowed("tag = a or tag = b", "seed = 1")).toBe("(tag = a or tag = b) and seed = 1");
    expect(narrowed('name = "this or that"', "seed = 1")).toBe('name = "this or that" and seed = 1');
  });
  it("names runs in pieces", () => expect(idFilters(["20-a", "20-b", "c"], 2)).toEqual(['id in ("20-a", "20-b")', "id in (c)"]));
  it("offers what fits a column", () => {
    expect(conditions(column("val/loss", null), 0.5).map((one) => one.condition)).toEqual(["val/loss >= 0.5", "val/loss <= 0.5"]);
    expect(conditions(column("config.kind", null), "bpe").map((one) => one.condition)).toEqual(["config.kind = bpe", "config.kind != bpe"]);
    expect(conditions(column("config.kind", null), null)[0]?.condition).toBe("config.kind = null");
    expect(conditions(column("tag", null), "a, to check").map((one) => one.condition)).toEqual(["tag = a", 'tag = "to check"']);
    expect(term("seed", "!=", 3)).toBe("seed != 3");
  });
});

describe("groups", () => {
  const group = (value: string, n = 2, cells: Group["cells"] = []): Group => ({ key: [["recipe", value]], title: value, n, statuses: { finished: n }, ids: [], cells });
  const spread = { n: 3, mean: 0.9, sd: 0.01, min: 0.89, max: 0.91 };
  it("say mean and deviation, the ends in the title", () => {
    const text = groupText(column("val/f1", null), spread);
    expect([text.text, text.spread, text.title]).toEqual(["0.9000", " ± 0.0100", "mean ± sd of 3 runs; 0.8900 to 0.9100"]);
    expect(groupText(column("val/f1", null), { ...spread, n: 1, sd: null }).spread).toBe("");
  });
  it("say one value of the config, or that there are several", () => {
    const lr = column("config.lr", null);
    expect(groupText(lr, { n: 2, mean: 0.1, sd: 0, min: 0.1, max: 0.1 }).text).toBe("0.1");
    expect(groupText(lr, { n: 2, mean: 0.2, sd: 0.1, min: 0.1, max: 0.3 })).toMatchObject({ text: "several", title: "0.1 to 0.3" });
    expect(groupText(lr, { value: "adam" }).text).toBe("adam");
    expect(groupText(lr, null).text).toBe("several");
    expect(groupText(lr, { value: null }).text).toBe("");
  });
  it("have ends over runs and over means", () => {
    const groups = [group("a", 3, [spread]), group("b", 3, [{ ...spread, mean: 0.5, min: 0.2, max: 0.95 }]), group("c", 1, [null])];
    expect(endsOfGroups(groups, 0)).toEqual({ min: 0.2, max: 0.95 });
    expect(endsOfMeans(groups, 0)).toEqual({ min: 0.5, max: 0.9 });
  });
  it("are a filter of their own", () => {
    expect(filterOf(group("67157f3a"), "seed = 1 or seed = 2")).toBe('(seed = 1 or seed = 2) and recipe = "67157f3a"');
    expect(filterOf({ ...group("a"), key: [["config.a", null], ["config.b", 2]] }, "")).toBe("config.a = null and config.b = 2");
  });
  it("open to their runs, as far as these are known", () => {
    const groups = [group("a"), group("b", 5)];
    const open = new Set(groups.map(groupId));
    const kinds = (members: Map<string, RunRow[]>) => flat(groups, open, members).map((item) => item.kind);
    expect(kinds(new Map([[groupId(groups[1]!), [run("x"), run("y")]]]))).toEqual(["group", "waiting", "group", "run", "run", "more"]);
    expect(flat(groups, new Set(), new Map())).toHaveLength(2);
  });
  it("are told apart by what they do not share", () => {
    expect(shortTitles(["lr=1 epochs=2", "lr=3 epochs=2"])).toEqual(["lr=1", "lr=3"]);
    expect(shortTitles(["lr=1"])).toEqual(["lr=1"]);
    expect(statusText({ running: 1, finished: 3 })).toBe("3 finished, 1 running");
  });
});

describe("named views", () => {
  const view = viewOf("mine", new URLSearchParams("f=seed = 1&cols=a,b&sel=x,y&group=recipe"));
  it("keep what is shown, not what is selected", () => expect(view.params).toEqual({ f: "seed = 1", cols: "a,b", group: "recipe" }));
  it("take away what they do not say", () => expect(patchOf(view)).toMatchObject({ f: "seed = 1", sort: null, archived: null }));
  it("replace their namesake", () => expect(withView([view, viewOf("a", new URLSearchParams())], { ...view, params: {} }).map((one) => one.params)).toEqual([{}, {}]));
  it("are not read from what is none", () => expect([isViews([view]), isViews([{ name: 1 }]), isViews("x")]).toEqual([true, false, false]));
});
