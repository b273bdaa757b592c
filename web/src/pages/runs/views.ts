/** The table's lasting choices: columns, widths, named views. */
import { isTexts } from "../../saved";

export interface View {
  name: string;
  params: Record<string, string>; // of the address
}

/** The parts of the address that a named view keeps. */
export const KEPT = ["f", "sort", "cols", "pin", "group", "archived"] as const;

export interface Choice {
  cols: string[];
  pin: string[];
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

export const isChoice = (value: unknown): value is Choice => isObject(value) && isTexts(value["cols"]) && isTexts(value["pin"]);

export const isWidths = (value: unknown): value is Record<string, number> =>
  isObject(value) && Object.values(value).every((one) => typeof one === "number" && Number.isFinite(one));

export const isViews = (value: unknown): value is View[] =>
  Array.isArray(value) &&
  value.every((one) => isObject(one) && typeof one["name"] === "string" && isObject(one["params"]) && Object.values(one["params"]).every((text) => typeof text === "string"));

export function viewOf(name: string, params: URLSearchParams): View {
  return { name, params: Object.fromEntries(KEPT.flatMap((key) => (params.get(key) ? [[key, params.get(key)!]] : []))) };
}

/** The patch of the address that shows a view: what it does not say is as nobody chose it. */
export function patchOf(view: View): Record<string, string | null> {
  return Object.fromEntries(KEPT.map((key) => [key, view.params[key] ?? null]));
}

/** With `view`; one of the same name is replaced. */
export function withView(views: readonly View[], view: View): View[] {
  return [...views.filter((one) => one.name !== view.name), view].sort((a, b) => a.name.localeCompare(b.name));
}
