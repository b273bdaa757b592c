/** The address is the state: every view is a link that reproduces it. */
import { computed, signal } from "@preact/signals";

export interface Place {
  path: string;
  params: URLSearchParams;
}

export type Patch = Record<string, string | number | boolean | readonly string[] | null | undefined>;

/** A copy of `params` with `patch` applied; null, undefined, "", false and [] remove a key. Order of keys is kept. */
export function patched(params: URLSearchParams, patch: Patch): URLSearchParams {
  const next = new URLSearchParams(params);
  for (const [key, value] of Object.entries(patch)) {
    const text = value === true ? "1" : Array.isArray(value) ? joinList(value) : value === false ? "" : String(value ?? "");
    if (text === "") next.delete(key);
    else next.set(key, text);
  }
  return next;
}

/** A list as one parameter: commas part, a comma or backslash inside an item is escaped with a backslash. */
export function joinList(items: readonly string[]): string {
  return items.map((item) => item.replace(/[\\,]/g, "\\$&")).join(",");
}

/** What `joinList` joined; empty items are nothing. */
export function splitList(text: string | null): string[] {
  return (text?.match(/(?:\\.|[^,\\])+/gs) ?? []).map((item) => item.replace(/\\(.)/gs, "$1"));
}

/** `/path?query` with commas, slashes and colons left readable. */
export function href(path: string, params: URLSearchParams | Patch = {}): string {
  const search = params instanceof URLSearchParams ? params : patched(new URLSearchParams(), params);
  const query = search.toString().replace(/%2C/gi, ",").replace(/%2F/gi, "/").replace(/%3A/gi, ":");
  return query ? `${path}?${query}` : path;
}

function here(): Place {
  if (typeof location === "undefined") return { path: "/", params: new URLSearchParams() };
  return { path: location.pathname, params: new URLSearchParams(location.search) };
}

export const place = signal<Place>(here());
export const filter = computed(() => place.value.params.get("f") ?? "");
export const selected = computed(() => splitList(place.value.params.get("sel")));

/** Go to another view: a new entry of the browser's history unless `replace`. */
export function go(to: string, { replace = false } = {}): void {
  if (to === location.pathname + location.search) return;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  const moved = location.pathname !== place.value.path;
  place.value = here();
  if (moved) scrollTo(0, 0);
}

/** Change parts of the present view. Small changes (typing, zooming) replace the entry; choices push one. */
export function setParams(patch: Patch, { replace = true } = {}): void {
  go(href(place.value.path, patched(place.value.params, patch)), { replace });
}

/** What travels from page to page: the filter, archived runs, the selection. */
export function carried(params: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams();
  for (const key of ["f", "archived", "sel"]) {
    const value = params.get(key);
    if (value) kept.set(key, value);
  }
  return kept;
}

export function select(ids: readonly string[]): void {
  setParams({ sel: ids });
}

/** Plain clicks on links of this site change the view without loading; others are the browser's. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest?.("a");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.pathname.startsWith("/api/") || link.pathname.startsWith("/assets/")) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

export function startRouting(): void {
  addEventListener("popstate", () => (place.value = here()));
  document.addEventListener("click", followLinks);
}
