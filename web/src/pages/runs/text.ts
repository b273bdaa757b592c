import type { Cell } from "../../api";
import { age, cell as cellText, duration, value, type Num } from "../../format";
import { shortText, type Column } from "./columns";

const LONGEST = 9; // characters of a number that is shown as it was configured

/** A cell as text, short enough to be read in a column; the whole of it belongs in the title. Pure. */
export function textOf(column: Pick<Column, "key" | "kind">, given: Cell): string {
  if (given === null) return "";
  if (column.key === "created") return age(typeof given === "number" ? new Date(given * 1000).toISOString() : String(given));
  if (column.key === "seconds") return duration(Number(given));
  if (["step", "steps", "progress"].includes(column.key)) return Math.round(Number(given)).toLocaleString("en-US");
  if (column.kind === "metric") return typeof given === "number" || !Number.isNaN(Number(given)) || given === "NaN" ? value(given as Num) : cellText(given);
  if (typeof given === "number") return String(given).length <= LONGEST ? String(given) : cellText(given);
  return typeof given === "string" ? shortText(column.key, given) : cellText(given);
}
