/** Console output of which a part is loaded: bytes [from, to) of `size`, as text. */
import { hits } from "../../parts/highlight";

export interface Part {
  text: string;
  from: number;
  to: number;
  size: number;
  front?: number; // lines that were put in front of what was loaded first
}

export const BLOCK = 200; // lines drawn as one element
export const KEPT = 4 * 2 ** 20; // characters kept while following a run for days

/**
 * `loaded` and the `part` that begins where it ends. A part from elsewhere replaces all: the file was truncated or
 * the run began again. What is too much is dropped from the front, by whole lines.
 */
export function appended(loaded: Part | null, part: Part, most = KEPT): Part {
  if (!loaded || part.from !== loaded.to || part.size < loaded.to) return part;
  const text = loaded.text + part.text;
  const front = loaded.front ?? 0;
  if (text.length <= most) return { ...part, text, from: loaded.from, front };
  const cut = text.indexOf("\n", text.length - most - 1) + 1 || text.length - most;
  const dropped = text.slice(0, cut);
  return { ...part, text: text.slice(cut), from: loaded.from + bytesOf(dropped), front: Math.max(0, front - lineEnds(dropped)) };
}

/** `part` in front of `loaded`, where the two meet. */
export function prepended(part: Part, loaded: Part): Part {
  if (part.to !== loaded.from) return loaded;
  return { ...loaded, text: part.text + loaded.text, from: part.from, front: (loaded.front ?? 0) + lineEnds(part.text) };
}

const lineEnds = (text: string) => text.split("\n").length - 1;
const bytesOf = (text: string) => new TextEncoder().encode(text).length;

const ANSI = /\u001b(?:\[([0-9;]*)([A-Za-z])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

export interface Run {
  text: string;
  style: string; // class names
}

/** One line with its colours as classes; other control sequences are dropped. A bar that redraws itself is as it was last. */
export function coloured(line: string): Run[] {
  const last = line.replace(/\r+$/, "");
  const shown = last.slice(last.lastIndexOf("\r") + 1);
  const runs: Run[] = [];
  let [style, at] = ["", 0];
  const put = (text: string) => text && runs.push({ text, style });
  for (const found of shown.matchAll(ANSI)) {
    put(shown.slice(at, found.index));
    at = found.index + found[0].length;
    if (found[2] === "m") style = restyled(style, found[1] ?? "");
  }
  put(shown.slice(at));
  return runs;
}

function restyled(style: string, codes: string): string {
  let now = new Set(style.split(" ").filter(Boolean));
  const list = codes === "" ? [0] : codes.split(";").map(Number);
  for (let at = 0; at < list.length; at++) {
    const code = list[at]!;
    const colour = code >= 90 && code <= 97 ? code - 90 : code - 30;
    if (code === 0) now = new Set();
    else if (code === 1) now.add("bold");
    else if (code === 2) now.add("faint");
    else if (code === 22) now = new Set([...now].filter((one) => one !== "bold" && one !== "faint"));
    else if (code === 38 || code === 48) at += list[at + 1] === 5 ? 2 : 4; // of 256 or 16 million colours: left as they are
    else if ((code >= 30 && code <= 39) || (code >= 90 && code <= 97)) {
      now = new Set([...now].filter((one) => !COLOURS.includes(one)));
      if (COLOURS[colour]) now.add(COLOURS[colour]!);
    }
  }
  return [...now].join(" ");
}

export const bare = (line: string): string => coloured(line).map((run) => run.text).join("");

export interface Block {
  key: number;
  text: string;
}

/**
 * Lines as blocks: one whose text is the same is not drawn again. They are counted from where loading began, `front`
 * lines down, so that neither end changes the blocks of the other. The last empty line is none.
 */
export function blocks(text: string, front = 0, size = BLOCK): Block[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const before = Math.ceil(front / size);
  const short = before * size - front; // lines that the first block lacks
  const count = Math.ceil((lines.length + short) / size);
  return Array.from({ length: count }, (_, at) => ({ key: at - before, text: lines.slice(Math.max(0, at * size - short), (at + 1) * size - short).join("\n") }));
}

/** Lines that contain `query`, whatever its case. */
export function matching(text: string, query: string): string[] {
  return text.split("\n").map(bare).filter((line) => hits(line, query).length > 1);
}
