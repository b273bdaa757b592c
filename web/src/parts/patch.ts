/** A unified diff, as `git diff` and `diff -u` write it, as data. */

export interface PatchLine {
  kind: "same" | "added" | "removed" | "note";
  text: string;
  old: number | null; // line numbers
  new: number | null;
}

export interface Hunk {
  title: string; // what follows the second @@
  lines: PatchLine[];
}

export interface PatchFile {
  path: string;
  from: string | null; // where it was renamed from
  state: "changed" | "new" | "deleted" | "renamed" | "binary";
  added: number;
  removed: number;
  hunks: Hunk[];
}

export interface Patch {
  notes: string[]; // lines before the first file
  files: PatchFile[];
}

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)$/;

export function parsePatch(text: string): Patch {
  const patch: Patch = { notes: [], files: [] };
  let file: PatchFile | null = null;
  let hunk: Hunk | null = null;
  let [old, next, oldLeft, nextLeft] = [0, 0, 0, 0];
  const begin = (path: string): PatchFile => {
    hunk = null;
    patch.files.push({ path, from: null, state: "changed", added: 0, removed: 0, hunks: [] });
    return patch.files.at(-1)!;
  };
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  for (const line of lines) {
    if (hunk && file && (oldLeft > 0 || nextLeft > 0)) {
      // counted, so that a removed line "-- x" is not taken for a header
      const sign = line[0];
      const rest = line.slice(1);
      if (sign === "+") hunk.lines.push({ kind: "added", text: rest, old: null, new: next++ }), nextLeft--, file.added++;
      else if (sign === "-") hunk.lines.push({ kind: "removed", text: rest, old: old++, new: null }), oldLeft--, file.removed++;
      else if (sign === "\\") hunk.lines.push({ kind: "note", text: line, old: null, new: null });
      else hunk.lines.push({ kind: "same", text: rest, old: old++, new: next++ }), oldLeft--, nextLeft--;
      continue;
    }
    const found = HUNK.exec(line);
    if (found && file) {
      [old, next] = [Number(found[1]), Number(found[3])];
      [oldLeft, nextLeft] = [Number(found[2] ?? 1), Number(found[4] ?? 1)];
      hunk = { title: found[5] ?? "", lines: [] };
      file.hunks.push(hunk);
    } else if (line.startsWith("diff --git ")) {
      file = begin(/ b\/(.*)$/.exec(line)?.[1] ?? line.slice(11));
    } else if (line.startsWith("--- ")) {
      if (!file || file.hunks.length) file = begin(bare(line.slice(4)));
      if (line.startsWith("--- /dev/null")) file.state = "new";
    } else if (file && line.startsWith("+++ ")) {
      if (line.startsWith("+++ /dev/null")) file.state = "deleted";
      else file.path = bare(line.slice(4));
    } else if (file && line.startsWith("rename from ")) {
      [file.from, file.state] = [line.slice(12), "renamed"];
    } else if (file && /^(Binary files|GIT binary patch)/.test(line)) {
      file.state = "binary";
    } else if (line.startsWith("\\") && hunk) {
      (hunk as Hunk).lines.push({ kind: "note", text: line, old: null, new: null });
    } else if (!file && line.trim()) {
      patch.notes.push(line);
    }
  }
  return patch;
}

const bare = (path: string) => path.replace(/\t.*$/, "").replace(/^[ab]\//, "");
