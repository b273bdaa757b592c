import { count } from "../../format";
import { href, select, selected } from "../../url";
import type { Editing } from "./edit";

const MOST_COMPARED = 16;

export const compareLink = (ids: readonly string[]) => href("/compare", { runs: ids.slice(0, MOST_COMPARED), sel: ids });
export const curvesLink = (ids: readonly string[]) => href("/curves", { runs: ids, sel: ids });

/** What can be done with the selected runs. */
export function SelectionBar({ readOnly, archived, edit, archive }: {
  readOnly: boolean;
  archived: boolean; // whether all of the selection is
  edit: (what: Editing["what"]) => void;
  archive: (on: boolean) => void;
}) {
  const ids = selected.value;
  if (ids.length === 0) return null;
  const why = readOnly ? "The server was started with --read-only" : undefined;
  return (
    <div class="selection" role="toolbar" aria-label="Selected runs">
      <b>{ids.length} selected</b>
      {ids.length > 1 && <a class="button" href={compareLink(ids)} title={ids.length > MOST_COMPARED ? `the first ${MOST_COMPARED} (c)` : "c"}>Compare</a>}
      <a class="button" href={curvesLink(ids)} title="v">Curves</a>
      <button onClick={() => edit("tags")} disabled={readOnly} title={why ?? "t"}>Tag</button>
      <button onClick={() => edit("notes")} disabled={readOnly} title={why ?? "e"}>Notes</button>
      <button onClick={() => archive(!archived)} disabled={readOnly} title={why ?? (archived ? "Show among the others again" : "Hide, keep the files")}>{archived ? "Unarchive" : "Archive"}</button>
      <button class="delete" onClick={() => edit("delete")} disabled={readOnly} title={why ?? "#"}>Delete</button>
      <button class="quiet" onClick={() => select([])} title={`Clear the selection of ${count(ids.length, "run")} (Escape)`}>Clear</button>
      {readOnly && <span class="dim">read-only</span>}
    </div>
  );
}
