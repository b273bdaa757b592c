/** All runs: found, ordered, grouped, selected, tidied up. */
import { useEffect, useState } from "preact/hooks";
import { get, type Keys, type Meta } from "../../api";
import { count } from "../../format";
import { useResource } from "../../resource";
import { remember, remembered } from "../../saved";
import { Empty, Failed } from "../../ui/empty";
import { filter, place, selected, setParams, splitList, type Patch } from "../../url";
import { useArrangement } from "./arrangement";
import { SelectionBar } from "./bar";
import { asked } from "./columns";
import { change, EditDialog, type Editing } from "./edit";
import { useEnds } from "./ends";
import { useGroups } from "./group-rows";
import { idOf, type Cursor, type Item } from "./groups";
import { PopupMenu, type Popup } from "./popup";
import { useBlocks } from "./rows";
import { useSlowVersion } from "./slow";
import "./runs.css";
import { DEFAULT_SORT, parseSort } from "./sorting";
import { Table } from "./table";
import { Toolbar } from "./toolbar";
import { useActions } from "./actions";

const BEFORE_KNOWN = 14; // lines drawn before the first answer
const GROUPED_WIDTH = 158; // px: a mean and its deviation
const GROUPED_NAME = 380; // px: what was asked for on the command line

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => matchMedia("(max-width: 640px)").matches);
  useEffect(() => {
    const media = matchMedia("(max-width: 640px)");
    const follow = () => setNarrow(media.matches);
    media.addEventListener("change", follow);
    return () => media.removeEventListener("change", follow);
  }, []);
  return narrow;
}

export function RunsPage() {
  const narrow = useNarrow();
  const params = place.value.params;
  const f = filter.value;
  const sort = params.get("sort") ?? DEFAULT_SORT;
  const group = splitList(params.get("group"));
  const archived = params.get("archived") === "1";
  const meta = useResource("meta", (abort) => get<Meta>("/api/meta", {}, abort), { live: true }).data;
  const seen = useSlowVersion();
  const known = useResource(`keys ${seen} ${f}`, (abort) => get<Keys>("/api/keys", { f }, abort)).data;
  const arrangement = useArrangement(known, f, narrow);
  const [bars, setBars] = useState(() => remembered("runs.bars", true, isBoolean));
  const [cursor, setCursor] = useState<Cursor>({ index: -1, id: null });
  const [renaming, setRenaming] = useState<string | null>(null);
  const [editing, setEditing] = useState<Editing | null>(null);
  const [popup, setPopup] = useState<Popup | null>(null);

  const grouped = group.length > 0;
  const question: Patch = { f, sort, archived };
  const cols = asked(arrangement.keys, known, false);
  const rows = useBlocks(grouped ? null : question, cols);
  const groups = useGroups(grouped ? group : null, question, asked(arrangement.keys, known, true), cols);
  const { blocks } = rows;
  const columns = grouped ? arrangement.columns.map((one) => (one.kind === "metric" ? { ...one, width: Math.max(one.width, GROUPED_WIDTH) } : one)) : arrangement.columns;
  const ends = useEnds(columns, blocks, grouped ? groups.table : null, question, grouped ? groups.columns : cols);

  const item = (index: number): Item => {
    if (grouped) return groups.items[index] ?? { kind: "waiting" };
    const row = blocks.row(index);
    return row ? { kind: "run", row, inside: false } : { kind: "waiting" };
  };
  const find = (id: string): number | null => {
    if (!grouped) return blocks.find(id);
    const at = groups.items.findIndex((one) => idOf(one) === id);
    return at < 0 ? null : at;
  };
  const at = cursor.id === null || idOf(item(cursor.index)) === cursor.id ? cursor.index : (find(cursor.id) ?? cursor.index);
  const total = grouped ? (groups.table?.total ?? null) : blocks.total;
  const rowCount = grouped ? groups.items.length : (total ?? BEFORE_KNOWN);
  const readOnly = meta?.read_only ?? false;

  const act = useActions({
    arrangement, columns, orders: parseSort(sort), item, count: rowCount, cursor: Math.min(at, rowCount - 1), setCursor, readOnly, question, cells: blocks.columns,
    grouped, toggleGroup: groups.toggle, setRenaming, setEditing, setPopup,
  });
  const chosen = selected.value;
  const archivedOnes = chosen.length > 0 && chosen.every((id) => {
    const place = find(id);
    const one = place === null ? null : item(place);
    return one?.kind === "run" && one.row.archived;
  });
  const every = chosen.length === (grouped ? groups.table?.groups.reduce((sum, { n }) => sum + n, 0) : total);
  const archive = (on: boolean) => void change(chosen, { archived: on }, `${count(chosen.length, "run")} ${on ? "archived" : "no longer archived"}`);
  const error = grouped ? groups.error : rows.error;
  const view = {
    columns, pinned: arrangement.pinned, nameWidth: grouped && !narrow ? Math.max(arrangement.nameWidth, GROUPED_NAME) : arrangement.nameWidth, orders: parseSort(sort), ends, bars,
    selected: new Set(chosen), cursor: Math.min(at, rowCount - 1), renaming,
  };
  return (
    <div class={`runs${narrow ? " narrow" : ""}`}>
      <Toolbar
        arrangement={arrangement} known={known} group={group} total={total} all={grouped ? (meta?.runs ?? null) : blocks.all || null} groups={grouped ? (groups.table?.groups.length ?? null) : null}
        bars={bars} setBars={(on) => { remember("runs.bars", on); setBars(on); }} question={{ ...question, cols: cols.join(",") }} opened={groups.openAll}
      />
      {error && (
        <div class="trouble">
          <Failed error={error} />
          {sort !== DEFAULT_SORT && <button onClick={() => setParams({ sort: null })}>Sort by date again</button>}
          {grouped && <button onClick={() => setParams({ group: null })}>Ungroup</button>}
        </div>
      )}
      {total === 0 ? (
        <Nothing filtered={f !== ""} hidden={!archived && (meta?.runs ?? 0) > 0} train={meta?.commands["train"] ?? "headway train"} />
      ) : error && total === null ? null : (
        <Table
          view={view} act={act} count={rowCount} item={item} resetKey={JSON.stringify([f, sort, group, archived])}
          cells={(one) => (one.kind === "group" ? (groups.table?.columns ?? []) : grouped ? groups.columns : blocks.columns)}
          want={grouped ? () => {} : rows.want} find={find}
        />
      )}
      <SelectionBar readOnly={readOnly} archived={archivedOnes} every={every} edit={(what) => setEditing({ what, ids: chosen })} archive={archive} />
      {popup && <PopupMenu popup={popup} onClose={() => setPopup(null)} />}
      {editing && <EditDialog editing={editing} tags={known?.tags ?? []} onClose={() => setEditing(null)} />}
    </div>
  );
}

function Nothing({ filtered, hidden, train }: { filtered: boolean; hidden: boolean; train: string }) {
  if (filtered) {
    const clear = <button onClick={() => setParams({ f: null })}>Clear the filter</button>;
    return <Empty title="No run matches the filter." hint={<>{clear} {hidden && <button onClick={() => setParams({ archived: true })}>Look among archived runs too</button>}</>} />;
  }
  if (hidden) return <Empty title="All runs are archived." hint={<button onClick={() => setParams({ archived: true })}>Show them</button>} />;
  return <Empty title="No runs yet. The first one appears here while it trains." command={train} />;
}
