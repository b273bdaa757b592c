import { useState } from "preact/hooks";
import { get } from "../../api";
import { bytes, count } from "../../format";
import { useResource } from "../../resource";
import { csv, download } from "../../ui/download";
import { Failed } from "../../ui/empty";
import { href } from "../../url";
import { fileTree, type FileEntry, type FileNode } from "./files";
import type { TabProps } from "./page";
import { api } from "./address";

/** The run folder: everything that is in it, to be looked at or downloaded. */
export function FilesTab({ run, turn }: TabProps) {
  const { data, error, reload } = useResource(`files ${run.id} ${turn}`, (abort) => get<{ files: FileEntry[]; bytes: number }>(api(run.id, "files"), {}, abort));
  const marks = new Map(run.checkpoints.map((one) => [one.file, one.is]));
  if (!data) return error ? <Failed error={error} retry={reload} /> : <div class="loading">…</div>;
  const keep = () => download(`${run.id}-files.csv`, csv([["path", "bytes", "modified"], ...data.files.map((one) => [one.path, one.bytes, new Date(one.modified * 1000).toISOString()])]), "text/csv");
  return (
    <section class="card">
      <div class="heading">
        <h2>{count(data.files.length, "file")}, {bytes(data.bytes)}</h2>
        <code class="dim">{run.path}</code>
        <span class="grow" />
        <button class="quiet" onClick={keep}>CSV</button>
      </div>
      <div class="scroll">
        <table class="table files">
          <thead><tr><th>name</th><th class="number">size</th><th>changed</th><th /></tr></thead>
          <tbody>{fileTree(data.files).map((one) => <Node key={one.path} id={run.id} node={one} depth={0} marks={marks} whole={data.bytes} />)}</tbody>
        </table>
      </div>
    </section>
  );
}

function Node({ id, node, depth, marks, whole }: { id: string; node: FileNode; depth: number; marks: ReadonlyMap<string, readonly string[]>; whole: number }) {
  const [open, setOpen] = useState(node.count <= 40);
  const folder = node.count > 0;
  return (
    <>
      <tr>
        <td style={{ paddingLeft: `${depth * 18}px` }}>
          {folder ? <button class="quiet folder" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? "▾" : "▸"} {node.name}/</button> : <span class="leaf">{node.name}</span>}
          {folder && <span class="dim"> {count(node.count, "file")}</span>}
          {(marks.get(node.path) ?? []).map((mark) => <span key={mark} class={`chip mark-${mark}`}>{mark}</span>)}
        </td>
        <td class="number"><i class="size" style={{ width: `${whole ? (60 * node.bytes) / whole : 0}px` }} />{bytes(node.bytes)}</td>
        <td class="dim" title={new Date(node.modified * 1000).toISOString()}>{new Date(node.modified * 1000).toISOString().slice(0, 19).replace("T", " ")}</td>
        <td>{!folder && <a href={href(api(id, "file"), { path: node.path })} download aria-label={`Download ${node.path}`}>download</a>}</td>
      </tr>
      {open && node.children.map((one) => <Node key={one.path} id={id} node={one} depth={depth + 1} marks={marks} whole={whole} />)}
    </>
  );
}
