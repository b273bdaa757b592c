import type { Comparison } from "./answer";

const ORDER = ["test", "val", "train"];

/** Splits that all runs at the places `of` evaluated (none given: that any run did), what results are reported on first. */
export function splitsOf({ evaluations }: Pick<Comparison, "evaluations">, of: readonly number[] = []): string[] {
  const place = (split: string) => (ORDER.includes(split) ? ORDER.indexOf(split) : -1);
  const evaluated = Object.keys(evaluations).filter((split) => of.every((at) => evaluations[split]![at] !== null));
  return evaluated.sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}
