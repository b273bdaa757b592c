import type { Comparison } from "./answer";

const ORDER = ["test", "val", "train"];

/** Splits that were evaluated, what results are reported on first. */
export function splitsOf(found: Pick<Comparison, "evaluations">): string[] {
  const place = (split: string) => (ORDER.includes(split) ? ORDER.indexOf(split) : -1);
  return Object.keys(found.evaluations).sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}
