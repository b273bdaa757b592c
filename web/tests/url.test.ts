import { describe, expect, it } from "vitest";
import { href, joinList, patched, splitList } from "../src/url";

describe("lists in the address", () => {
  it.each([[["a", "b"]], [["val/loss", "x,y", "back\\slash"]], [[]]])("%j survives", (items) => {
    expect(splitList(joinList(items))).toEqual(items);
  });
  it("takes nothing for nothing", () => expect(splitList(null)).toEqual([]));
});

describe("patched", () => {
  it("sets, replaces and removes, and leaves the given alone", () => {
    const given = new URLSearchParams("f=x&sort=-created");
    expect(patched(given, { sort: "name", f: null, sel: ["a", "b"], logx: true, logy: false }).toString()).toBe("sort=name&sel=a%2Cb&logx=1");
    expect(given.get("f")).toBe("x");
  });
});

describe("href", () => {
  it("keeps commas and slashes readable", () => expect(href("/curves", { m: ["val/loss", "val/f1"] })).toBe("/curves?m=val/loss,val/f1"));
  it("is the bare path without parameters", () => expect(href("/")).toBe("/"));
});
