/** Pieces of the filter language: a value as it is written there, and one more condition for a filter. Pure. */
import type { Cell } from "../../api";

const RESERVED = ["and", "or", "not", "in", "exists", "true", "false", "null"];

/** A value as the filter language writes it: texts are quoted unless they are plain words. */
export function written(value: Cell): string {
  if (typeof value !== "string") return String(value);
  const plain = /^[A-Za-z_][\w./:+-]*$/.test(value) && !RESERVED.includes(value.toLowerCase());
  return plain && Number.isNaN(Number(value)) ? value : `"${value.replace(/[\\"]/g, "\\$&")}"`;
}

export function term(key: string, operator: string, value: Cell): string {
  return `${key} ${operator} ${written(value)}`;
}

const unquoted = (filter: string) => filter.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, "_");

/** `filter` and `condition`; said once only, and an `or` inside is put in brackets. */
export function narrowed(filter: string, condition: string): string {
  const old = filter.trim();
  if (!old) return condition;
  if (old.split(/ and /i).includes(condition)) return old;
  return /\bor\b/i.test(unquoted(old)) ? `(${old}) and ${condition}` : `${old} and ${condition}`;
}

/** `id in (...)` in pieces that a filter can hold. */
export function idFilters(ids: readonly string[], most = 200): string[] {
  const parts: string[] = [];
  for (let at = 0; at < ids.length; at += most) parts.push(`id in (${ids.slice(at, at + most).map((id) => written(id)).join(", ")})`);
  return parts;
}
