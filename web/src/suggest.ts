/** What could stand at the cursor of a filter: keys, then operators, then values. Pure, so that it is tested. */
import type { Keys } from "./api";

export interface Suggestion {
  text: string; // what is put in place of the word
  what: string;
}

export interface Word {
  start: number;
  end: number;
  text: string;
  kind: "key" | "operator" | "value";
  key: string | null; // whose value or operator is being written
}

const OPERATORS = ["=", "!=", "<", "<=", ">", ">=", "~", "!~", "in"];
const TOKEN = /"(?:[^"\\]|\\.)*"?|[<>!]=|!~|[=<>~(),]|[^\s=<>~!(),"]+/g;
const STATUSES = ["finished", "running", "failed", "crashed", "diverged", "preempted", "stopped", "created"];

/** The word under the cursor and what it is, from the tokens before it. */
export function wordAt(text: string, cursor: number): Word {
  const before: string[] = [];
  let word: Word = { start: cursor, end: cursor, text: "", kind: "key", key: null };
  for (const match of text.matchAll(TOKEN)) {
    const start = match.index, end = start + match[0].length;
    if (end < cursor || (end === cursor && /^[=<>~!(),]/.test(match[0]))) before.push(match[0]);
    else if (start < cursor || (start === cursor && end > cursor && before.length === 0)) {
      word = { ...word, start, end, text: text.slice(start, cursor) };
      break;
    } else break;
  }
  const last = before.at(-1) ?? "";
  if (/^([=<>~]|[<>!]=|!~)$/.test(last)) return { ...word, kind: "value", key: before.at(-2) ?? null };
  const list = before.lastIndexOf("in");
  if ((last === "(" || last === ",") && list > 0 && !before.slice(list).includes(")")) return { ...word, kind: "value", key: before[list - 1]! };
  const starts = ["", "and", "or", "not", "("].includes(last.toLowerCase());
  const operand = !starts && (before.length < 2 || ["and", "or", "not", "("].includes((before.at(-2) ?? "").toLowerCase()));
  return operand ? { ...word, kind: "operator", key: last } : { ...word, kind: "key" };
}

const quoted = (text: string) => (/^[\w./:+-]+$/.test(text) ? text : JSON.stringify(text));

/** At most `limit` suggestions: those that begin with the word first, then those that contain it. */
export function suggest(word: Word, known: Keys, limit = 12): Suggestion[] {
  const wanted = word.text.replace(/^"/, "").toLowerCase();
  let all: Suggestion[];
  if (word.kind === "operator") all = OPERATORS.map((text) => ({ text, what: "" }));
  else if (word.kind === "value") all = values(word.key ?? "", known);
  else {
    all = [
      ...known.fields.map((text) => ({ text, what: "of the run" })),
      ...known.keys.filter((one) => one.distinct > 1).map((one) => ({ text: one.key, what: `${one.distinct} values` })),
      ...known.metrics.map((one) => ({ text: one.key, what: `metric of ${one.runs}` })),
      ...known.keys.filter((one) => one.distinct <= 1).map((one) => ({ text: one.key, what: "same in all" })),
    ];
  }
  const starting = all.filter((one) => one.text.toLowerCase().startsWith(wanted));
  const inside = all.filter((one) => !starting.includes(one) && one.text.toLowerCase().includes(wanted));
  return [...starting, ...inside].slice(0, limit);
}

function values(key: string, known: Keys): Suggestion[] {
  if (key === "status") return STATUSES.map((text) => ({ text, what: "" }));
  if (key === "tag") return known.tags.map((text) => ({ text: quoted(text), what: "" }));
  if (key === "project") return known.projects.map((text) => ({ text: quoted(text), what: "" }));
  if (key === "archived") return ["true", "false"].map((text) => ({ text, what: "" }));
  const found = known.keys.find((one) => one.key === key);
  return (found?.values ?? []).map((value) => ({ text: typeof value === "string" ? quoted(value) : String(value), what: "" }));
}
