/** Changing what is said of runs, and deleting them. */
import { useEffect, useState } from "preact/hooks";
import { get, mark, remove, type Marks, type RunRow } from "../../api";
import { bytes, count, title } from "../../format";
import { version } from "../../live";
import { Confirm, Dialog } from "../../ui/dialog";
import { complain, say } from "../../ui/toast";
import { select, selected } from "../../url";
import { rowsOf } from "./rows";

export interface Editing {
  what: "notes" | "tags" | "delete";
  ids: readonly string[];
}

const NAMED = 8; // runs listed by name in a dialog
const WEIGHED = 40; // runs whose files are added up

export async function change(ids: readonly string[], marks: Marks, done: string): Promise<void> {
  try {
    await mark(ids, marks);
    say(done);
    version.value++; // what is on screen is asked for again at once
  } catch (error) {
    complain(error);
  }
}

export function EditDialog({ editing, tags, onClose }: { editing: Editing; tags: readonly string[]; onClose: () => void }) {
  const [rows, setRows] = useState<RunRow[] | null>(null);
  const key = editing.ids.join();
  useEffect(() => {
    let here = true;
    rowsOf(editing.ids).then((found) => here && setRows(found), (error: unknown) => (complain(error), onClose()));
    return () => void (here = false);
  }, [key]);
  if (!rows) return null;
  if (editing.what === "notes") return <Notes rows={rows} onClose={onClose} />;
  if (editing.what === "tags") return <Tags rows={rows} tags={tags} onClose={onClose} />;
  return <Delete rows={rows} onClose={onClose} />;
}

const of = (rows: readonly RunRow[]) => (rows.length === 1 ? title(rows[0]!) : count(rows.length, "run"));

function Notes({ rows, onClose }: { rows: readonly RunRow[]; onClose: () => void }) {
  const same = new Set(rows.map((row) => row.notes ?? "")).size === 1;
  const [text, setText] = useState(same ? (rows[0]?.notes ?? "") : "");
  const save = () => {
    void change(rows.map((row) => row.id), { notes: text.trim() || null }, `Notes of ${of(rows)} saved`);
    onClose();
  };
  return (
    <Dialog title={`Notes of ${of(rows)}`} onClose={onClose}>
      {!same && <p class="dim">These runs have different notes; what is written here replaces them all.</p>}
      <textarea
        class="notes" rows={9} value={text} autofocus aria-label="Notes" onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && save()}
      />
      <div class="actions">
        <span class="dim grow">Ctrl+Enter saves</span>
        <button onClick={onClose}>Cancel</button>
        <button class="primary" onClick={save}>Save</button>
      </div>
    </Dialog>
  );
}

function Tags({ rows, tags, onClose }: { rows: readonly RunRow[]; tags: readonly string[]; onClose: () => void }) {
  const [add, setAdd] = useState<string[]>([]);
  const [drop, setDrop] = useState<string[]>([]);
  const [text, setText] = useState("");
  const having = (tag: string) => rows.filter((row) => row.tags.includes(tag)).length;
  const present = [...new Set(rows.flatMap((row) => row.tags))].sort();
  const offered = tags.filter((tag) => !add.includes(tag) && having(tag) < rows.length && tag.toLowerCase().includes(text.toLowerCase())).slice(0, 24);
  const take = (tag: string) => {
    if (tag.trim() && !add.includes(tag.trim())) setAdd([...add, tag.trim()]);
    setDrop(drop.filter((one) => one !== tag));
    setText("");
  };
  const save = () => {
    const more = text.trim() ? [...new Set([...add, text.trim()])] : add;
    if (more.length || drop.length) void change(rows.map((row) => row.id), { add_tags: more, remove_tags: drop }, `Tags of ${of(rows)} changed`);
    onClose();
  };
  return (
    <Dialog title={`Tags of ${of(rows)}`} onClose={onClose}>
      <div class="tags">
        {present.map((tag) => (
          <button key={tag} class={`chip${drop.includes(tag) ? " dropped" : ""}`} aria-pressed={!drop.includes(tag)} title={drop.includes(tag) ? "Keep it" : "Take it away"}
            onClick={() => setDrop(drop.includes(tag) ? drop.filter((one) => one !== tag) : [...drop, tag])}>
            {tag} {having(tag) < rows.length && <small class="dim">{having(tag)} of {rows.length}</small>} {drop.includes(tag) ? "↶" : "×"}
          </button>
        ))}
        {add.map((tag) => <button key={tag} class="chip added" title="Do not add it" onClick={() => setAdd(add.filter((one) => one !== tag))}>+ {tag}</button>)}
        {present.length + add.length === 0 && <span class="dim">No tags yet.</span>}
      </div>
      <input
        value={text} autofocus placeholder="a new tag, Enter adds it" aria-label="A new tag" maxLength={80} onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          if (text.trim()) take(text);
          else save();
        }}
      />
      {offered.length > 0 && <div class="tags offered">{offered.map((tag) => <button key={tag} class="chip" onClick={() => take(tag)}>{tag}</button>)}</div>}
      <div class="actions">
        <button onClick={onClose}>Cancel</button>
        <button class="primary" onClick={save}>Save</button>
      </div>
    </Dialog>
  );
}

async function weigh(rows: readonly RunRow[]): Promise<number> {
  const each = await Promise.all(rows.map((row) => get<{ bytes: number }>(`/api/runs/${row.id}/files`)));
  return each.reduce((sum, one) => sum + one.bytes, 0);
}

function Delete({ rows, onClose }: { rows: readonly RunRow[]; onClose: () => void }) {
  const running = rows.filter((row) => row.status === "running");
  const ended = rows.filter((row) => row.status !== "running");
  const [size, setSize] = useState<number | null>(null);
  useEffect(() => {
    if (ended.length && ended.length <= WEIGHED) weigh(ended).then(setSize, () => setSize(null)); // unknown: the dialog does not say it
  }, []);
  const gone = async () => {
    const ids = ended.map((row) => row.id);
    try {
      const { deleted } = await remove(ids);
      select(selected.value.filter((id) => !deleted.includes(id)));
      say(`${count(deleted.length, "run")} deleted`);
      version.value++;
    } catch (error) {
      complain(error);
    }
  };
  if (ended.length === 0) {
    return (
      <Dialog title="Nothing to delete" onClose={onClose}>
        <p>{running.length ? `${of(running)} still running: stop it first.` : "These runs are no more."}</p>
        <div class="actions"><button onClick={onClose}>Close</button></div>
      </Dialog>
    );
  }
  return (
    <Confirm title={`Delete ${of(ended)} for ever?`} action={`Delete ${count(ended.length, "run")}`} onClose={onClose} onConfirm={() => void gone()}>
      <p>
        Checkpoints, metrics, predictions and logs{size === null ? "" : `, ${bytes(size)} in all,`} are removed from the disk. This cannot be undone; archiving hides runs and keeps them.
      </p>
      <ul class="lost">
        {ended.slice(0, NAMED).map((row) => <li key={row.id}>{title(row)} <code class="dim">{row.id}</code></li>)}
        {ended.length > NAMED && <li class="dim">and {ended.length - NAMED} more</li>}
      </ul>
      {running.length > 0 && <p class="dim">{count(running.length, "run")} of the selection still running: not deleted.</p>}
    </Confirm>
  );
}
