import { useMemo, useState } from "preact/hooks";
import { count } from "../format";
import { parsePatch, type PatchFile } from "./patch";
import "./parts.css";

const OPENED = 400; // lines; longer files start closed
const OPENED_OF_MANY = 40;
const MANY = 4; // files

/** A unified diff by files, with line numbers and colours. `name` shortens paths. */
export function PatchView({ text, name = (path) => path }: { text: string; name?: (path: string) => string }) {
  const patch = useMemo(() => parsePatch(text), [text]);
  const total = patch.files.reduce((all, one) => ({ added: all.added + one.added, removed: all.removed + one.removed }), { added: 0, removed: 0 });
  if (!patch.files.length && !patch.notes.length) return <p class="dim">No difference.</p>;
  return (
    <div class="patch">
      <p>
        {count(patch.files.length, "file")} <Counts {...total} />
      </p>
      {patch.notes.length > 0 && <pre class="notes">{patch.notes.join("\n")}</pre>}
      {patch.files.map((file, at) => <OneFile key={at} file={file} name={name(file.path)} most={patch.files.length > MANY ? OPENED_OF_MANY : OPENED} />)}
    </div>
  );
}

const Counts = ({ added, removed }: { added: number; removed: number }) => (
  <span class="counts"><span class="plus">+{added.toLocaleString("en-US")}</span> <span class="minus">−{removed.toLocaleString("en-US")}</span></span>
);

function OneFile({ file, name, most }: { file: PatchFile; name: string; most: number }) {
  const lines = file.hunks.reduce((all, one) => all + one.lines.length, 0);
  const [open, setOpen] = useState(lines <= most);
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <code>{file.from ? `${file.from} → ${name}` : name}</code>
        {file.state !== "changed" && <span class="chip">{file.state}</span>}
        <Counts added={file.added} removed={file.removed} />
      </summary>
      {open && file.hunks.map((hunk, at) => (
        <div key={at} class="hunk scroll">
          <table>
            <tbody>
              {(at > 0 || hunk.title) && <tr class="title"><td colSpan={3}>{hunk.title || "…"}</td></tr>}
              {hunk.lines.map((line, row) => (
                <tr key={row} class={line.kind}>
                  <td class="place">{line.old ?? ""}</td>
                  <td class="place">{line.new ?? ""}</td>
                  <td class="code"><i>{line.kind === "added" ? "+" : line.kind === "removed" ? "−" : " "}</i>{line.text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ))}
    </details>
  );
}
