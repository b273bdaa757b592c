/** What clicks and keys do in the table. */
import { useRef } from "preact/hooks";
import { get, mark, type RunTable } from "../../api";
import { title } from "../../format";
import { useShortcuts } from "../../keyboard";
import { version } from "../../live";
import { complain, say } from "../../ui/toast";
import { carried, filter, go, href, place, select, selected, setParams, type Patch } from "../../url";
import type { Arrangement } from "./arrangement";
import { compareLink, curvesLink } from "./bar";
import { cellOf, column as columnOf, moved, type Column } from "./columns";
import type { Editing } from "./edit";
import { narrowed, term } from "./filters";
import { groupId, idOf, type Cursor, type Item } from "./groups";
import { cellChoices } from "./menus";
import { MOST, range, toggled, union } from "./picking";
import type { Popup } from "./popup";
import { clicked, DEFAULT_SORT, firstDown, sortKey, writeSort, type Order } from "./sorting";
import type { TableActions } from "./view";

interface Table {
  arrangement: Arrangement;
  columns: readonly Column[];
  orders: readonly Order[];
  item: (index: number) => Item;
  count: number;
  cursor: number;
  setCursor: (cursor: Cursor) => void;
  readOnly: boolean;
  question: Patch;
  cells: readonly string[];
  grouped: boolean;
  toggleGroup: (id: string) => void;
  setRenaming: (id: string | null) => void;
  setEditing: (editing: Editing) => void;
  setPopup: (popup: Popup) => void;
}

const idsOf = (item: Item): readonly string[] => (item.kind === "run" ? [item.row.id] : item.kind === "group" ? item.group.ids : []);
const NAME: Pick<Column, "key" | "kind" | "mode"> = { key: "name", kind: "field", mode: null };

export function useActions(table: Table): TableActions {
  const { arrangement, item, count, cursor, question, grouped } = table;
  const anchor = useRef(0);
  const here = cursor >= 0 ? item(cursor) : null;
  const chosen = selected.value;

  const moveTo = (index: number) => {
    if (count === 0) return;
    const to = Math.max(0, Math.min(count - 1, index));
    table.setCursor({ index: to, id: idOf(item(to)) });
  };
  /** Ids of the lines `first` to `last`, also of those that were never on screen. */
  const idsBetween = async (first: number, last: number): Promise<string[]> => {
    const items = Array.from({ length: last - first + 1 }, (_, at) => item(first + at));
    if (grouped || items.every((one) => one.kind === "run")) return items.flatMap(idsOf);
    const answer = await get<RunTable>("/api/runs", { ...question, offset: first, limit: last - first + 1 });
    return answer.rows.map((row) => row.id);
  };
  const pick = async (index: number, shift: boolean) => {
    moveTo(index);
    if (!shift) {
      anchor.current = index;
      return select(toggled(selected.value, idsOf(item(index))).slice(0, MOST));
    }
    const { first, last } = range(anchor.current, index);
    try {
      select(union(selected.value, await idsBetween(first, last)));
    } catch (error) {
      complain(error);
    }
  };
  const pickAll = async () => {
    try {
      const ids = await idsBetween(0, Math.min(count, MOST) - 1);
      select(union([], ids));
      if (count > MOST) say(`The first ${MOST} of ${count.toLocaleString("en-US")} are selected`);
    } catch (error) {
      complain(error);
    }
  };
  const open = (index: number) => {
    const one = item(index);
    if (one.kind === "group") table.toggleGroup(groupId(one.group));
    else if (one.kind === "run") go(href(`/run/${one.row.id}`, carried(place.value.params)));
  };
  const setSort = (orders: readonly Order[]) => {
    const text = writeSort(orders);
    setParams({ sort: text === DEFAULT_SORT ? null : text }, { replace: false });
  };
  const setFilter = (next: string) => setParams({ f: next }, { replace: false });
  const targets = (): readonly string[] => (chosen.length ? chosen : here ? idsOf(here) : []);
  const edit = (what: Editing["what"]) => {
    const ids = targets();
    if (table.readOnly) say("The server is read-only");
    else if (ids.length) table.setEditing({ what, ids });
  };
  const rename = () => {
    if (table.readOnly) say("The server is read-only");
    else if (here?.kind === "run") table.setRenaming(here.row.id);
  };
  const headMenu = (column: Column | "name", x: number, y: number) => {
    const { keys, pinned, arrange } = arrangement;
    const of = column === "name" ? NAME : column;
    const sorted = (down: boolean) => () => setSort([{ key: sortKey(of.key), down }]);
    const first = firstDown(of);
    const sorts = [
      { label: of.kind === "metric" ? "best first" : first ? "largest first" : "smallest first", run: sorted(first) },
      { label: of.kind === "metric" ? "worst first" : first ? "smallest first" : "largest first", run: sorted(!first) },
    ];
    if (column === "name") return table.setPopup({ x, y, title: "name", choices: [...sorts, { label: "usual width", run: () => arrangement.resize("name", null) }] });
    const key = column.key;
    const at = keys.indexOf(key);
    const isPinned = pinned.includes(key);
    table.setPopup({ x, y, title: key, choices: [
      ...sorts,
      ...(column.kind === "metric" ? [] : [{ label: "group by this", run: () => setParams({ group: [sortKey(key)] }, { replace: false }) }]),
      ...(key === "progress" ? [] : [{ label: "only runs that have it", run: () => setFilter(narrowed(filter.value, `exists(${key})`)) }]),
      { label: isPinned ? "unpin" : "pin at the left", run: () => arrange(keys, isPinned ? pinned.filter((one) => one !== key) : [...pinned, key]) },
      ...(at > 0 ? [{ label: "move left", run: () => arrange(moved(keys, key, at - 1)) }] : []),
      ...(at < keys.length - 1 ? [{ label: "move right", run: () => arrange(moved(keys, key, at + 1)) }] : []),
      { label: "usual width", run: () => { arrangement.resize(key, null); arrangement.keepWidths(); } },
      { label: "hide", run: () => arrange(keys.filter((one) => one !== key)) },
    ] });
  };
  const cellMenu = (index: number, key: string, x: number, y: number, direct: boolean) => {
    const one = item(index);
    if (one.kind !== "run") return;
    const { row } = one;
    if (key === "name") {
      return table.setPopup({ x, y, title: title(row), choices: [
        { label: "open", run: () => open(index) },
        { label: "rename", run: () => (table.readOnly ? say("The server is read-only") : table.setRenaming(row.id)) },
        { label: `only ${row.status}`, run: () => setFilter(narrowed(filter.value, term("status", "=", row.status))) },
        { label: "only runs that differ in the seed", run: () => setFilter(narrowed(filter.value, term("recipe", "=", row.recipe))) },
        { label: "copy the id", about: row.id, run: () => void navigator.clipboard.writeText(row.id).then(() => say("copied"), complain) },
      ] });
    }
    const column = table.columns.find((candidate) => candidate.key === key) ?? columnOf(key, null);
    const value = cellOf(row, key, table.cells);
    const choices = cellChoices(column, value, filter.value, setFilter);
    if (direct) choices[0]?.run();
    else table.setPopup({ x, y, title: `${column.prefix}${column.label}`, choices });
  };
  const renamed = (id: string, name: string | null) => {
    table.setRenaming(null);
    if (name === null) return;
    mark([id], { name: name || null }).then(() => version.value++, complain);
  };
  const step = (by: number, extend: boolean) => {
    const to = Math.max(0, Math.min(count - 1, cursor + by));
    if (extend) {
      if (cursor < 0) anchor.current = to;
      void pick(to, true);
    } else moveTo(to);
  };
  useShortcuts([
    { keys: "j ArrowDown", what: "next row", run: () => step(1, false) },
    { keys: "k ArrowUp", what: "row before", run: () => step(-1, false) },
    { keys: "PageDown", what: "twenty rows on", run: () => step(20, false) },
    { keys: "PageUp", what: "twenty rows back", run: () => step(-20, false) },
    { keys: "g Home", what: "first row", run: () => moveTo(0) },
    { keys: "G End", what: "last row", run: () => moveTo(count - 1) },
    { keys: "x", what: "select the row", run: () => cursor >= 0 && void pick(cursor, false) },
    { keys: "Shift+ArrowDown Shift+ArrowUp", what: "select while moving", run: (event) => step(event.key === "ArrowDown" ? 1 : -1, true) },
    { keys: "Ctrl+a", what: `select all (${MOST} at most)`, run: () => void pickAll() },
    { keys: "Escape", what: "select none", run: () => select([]) },
    { keys: "Enter o", what: "open the run or group", run: () => cursor >= 0 && open(cursor) },
    { keys: "c", what: "compare the selected", run: () => (chosen.length > 1 ? go(compareLink(chosen, !grouped && chosen.length === count)) : say("Select two runs or more to compare (x)")) },
    { keys: "v", what: "curves of the selected", run: () => go(curvesLink(targets())) },
    { keys: "t", what: "tag", run: () => edit("tags") },
    { keys: "e", what: "write notes", run: () => edit("notes") },
    { keys: "n", what: "rename", run: rename },
    { keys: "# Delete", what: "delete, after asking", run: () => edit("delete") },
    { keys: "s", what: "group by everything but the seed", run: () => setParams({ group: grouped ? null : ["recipe"] }, { replace: false }) },
  ]);
  return {
    sort: (column, add) => setSort(clicked(table.orders, column === "name" ? NAME : column, add)),
    headMenu,
    cellMenu,
    check: (index, shift) => void pick(index, shift),
    checkAll: () => (chosen.length ? select([]) : void pickAll()),
    moveTo,
    open,
    tag: (tag) => setFilter(narrowed(filter.value, term("tag", "=", tag))),
    renamed,
    resize: (key, width, done) => {
      arrangement.resize(key, width);
      if (done) arrangement.keepWidths();
    },
  };
}
