import { useState } from "preact/hooks";
import { get, type RunTable } from "../../api";
import { age, title } from "../../format";
import { Search } from "../../parts/facts";
import { useResource } from "../../resource";
import { StatusMark } from "../../ui/status";
import { carried, go, href, place } from "../../url";
import { withRuns } from "./page";

/** Runs by name or id, to be added. */
export function AddRun({ runs, autofocus = false }: { runs: readonly string[]; autofocus?: boolean }) {
  const [text, setText] = useState("");
  const [open, setOpen] = useState(autofocus);
  const quoted = `"${text.trim().replace(/["\\]/g, "")}"`;
  const { data, error } = useResource(open ? `add ${text}` : null, (abort) => get<RunTable>("/api/runs", { f: text.trim() ? quoted : "", limit: 30, sort: "-created" }, abort));
  const options = data?.rows.filter((row) => !runs.includes(row.id)).slice(0, autofocus ? 12 : 8) ?? [];
  const add = (id: string) => {
    setText("");
    go(withRuns([...runs, id]));
  };
  return (
    <div class="add" onFocusIn={() => setOpen(true)} onFocusOut={(event) => !autofocus && !event.currentTarget.contains(event.relatedTarget as Node | null) && setOpen(false)}>
      <form onSubmit={(event) => { event.preventDefault(); if (options[0]) add(options[0].id); }}><Search value={text} onChange={setText} label="Add a run by name or id" wide /></form>
      {open && (
        <ul class={autofocus ? "choices" : "choices panel"}>
          {options.map((row) => (
            <li key={row.id}>
              <button class="quiet" onClick={() => add(row.id)}>
                <StatusMark status={row.status} word={false} /><b>{title(row)}</b><span class="dim">{row.project}</span>{row.name && <code class="dim">{row.id}</code>}
                <span class="grow" /><span class="dim">{row.seed !== null && `seed ${row.seed}, `}{age(row.created_at)}</span>
              </button>
            </li>
          ))}
          {data && options.length === 0 && <li class="dim">{text ? `No other run is called “${text}”.` : "There are no other runs."}</li>}
          {error && <li class="dim">{error.message}</li>}
        </ul>
      )}
    </div>
  );
}

/** The page before two runs are chosen. */
export function Choose({ runs }: { runs: readonly string[] }) {
  return (
    <div class="choose">
      <h1>{runs.length === 1 ? "One more run to compare with" : "Choose the runs to compare"}</h1>
      <p>
        On the <a href={href("/", carried(place.value.params))}>runs page</a>, select them with <kbd>x</kbd> and press <kbd>c</kbd>. Or choose them here.
        A verdict takes two groups, best of several seeds each.
      </p>
      {runs.length === 1 && <p>Chosen: <code>{runs[0]}</code> <button class="quiet" onClick={() => go(withRuns([]))}>remove</button></p>}
      <AddRun runs={runs} autofocus />
    </div>
  );
}
