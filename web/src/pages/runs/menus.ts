/** What the small menus of cells and headers offer. */
import type { Cell } from "../../api";
import { complain, say } from "../../ui/toast";
import type { Column } from "./columns";
import { narrowed, term } from "./filters";
import type { Choice } from "./popup";
import { textOf } from "./text";

const COMPARED = new Set(["created", "seconds", "step", "steps", "progress"]); // equal to nothing but themselves

/** The conditions that a value offers, the plainest first. */
export function conditions(column: Column, value: Cell): { label: string; condition: string }[] {
  const key = column.key === "progress" ? "step" : column.key;
  if (key === "tag") return String(value).split(", ").map((tag) => ({ label: `only tagged ${tag}`, condition: term("tag", "=", tag) }));
  if (key === "notes") return [{ label: "only with these notes", condition: term(key, "=", value) }];
  const equal = [
    { label: "only this value", condition: term(key, "=", value) },
    { label: "not this value", condition: term(key, "!=", value) },
  ];
  if (value === null || (!column.numeric && !COMPARED.has(column.key))) return equal;
  const [least, most] = key === "created" ? ["since then", "until then"] : ["at least this", "at most this"];
  const bounds = [
    { label: least, condition: term(key, ">=", value) },
    { label: most, condition: term(key, "<=", value) },
  ];
  return column.kind === "metric" || COMPARED.has(column.key) ? bounds : [...equal, ...bounds];
}

export function cellChoices(column: Column, value: Cell, filter: string, apply: (filter: string) => void): Choice[] {
  const filters = conditions(column, value).map(({ label, condition }) => ({ label, about: condition, run: () => apply(narrowed(filter, condition)) }));
  return value === null ? filters : [...filters, { label: "copy", about: textOf(column, value), run: () => void copy(String(value)) }];
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say("copied");
  } catch (error) {
    complain(error);
  }
}
