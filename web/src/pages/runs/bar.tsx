import { count } from "../../format";
import { filter, href, select, selected } from "../../url";
import type { Editing } from "./edit";

const MOST_COMPARED = 400; // by their ids: the server takes no longer address

/** By ids, or where these are too many and nothing else matches, by the filter that they match. */
export const compareLink = (ids: readonly string[], every = false) => (ids.length > MOST_COMPARED && every && filter.value ? href("/compare", { f: filter.value }) : href("/compare", { runs: ids.slice(0, MOST_COMPARED), sel: ids }));
export const curvesLink = (ids: readonly string[]) => href("/curves", { runs: ids, sel: ids });

/** What can be done with the selected runs. */
export function SelectionBar({ readOnly, archived, every, edit, archive }: {
  readOnly: boolean;
  every: boolean; // whether the selection is all that the filter lets through
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
      {ids.length > 1 && <a class="button" href={compareLink(ids, every)} title={ids.length > MOST_COMPARED && !every ? `the first ${MOST_COMPARED} (c)` : "c"}>Compare</a>}
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
