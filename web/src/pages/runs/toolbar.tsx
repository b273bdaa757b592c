import type { Keys } from "../../api";
import { count } from "../../format";
import { Menu } from "../../ui/menu";
import { href, place, setParams, type Patch } from "../../url";
import type { Arrangement } from "./arrangement";
import { Chooser } from "./chooser";
import { Grouping, Views } from "./grouping";

export function Toolbar({ arrangement, known, group, total, all, groups, bars, setBars, question, opened }: {
  arrangement: Arrangement;
  known: Keys | null;
  group: readonly string[];
  total: number | null;
  all: number | null;
  groups: number | null;
  bars: boolean;
  setBars: (on: boolean) => void;
  question: Patch; // what a link to the same table asks the server
  opened: (all: boolean) => void;
}) {
  const archived = place.value.params.get("archived") === "1";
  const by = group.includes("recipe") ? "all but the seed" : group.map((key) => key.replace(/^config\./, "")).join(", ");
  return (
    <div class="toolbar">
      <span class="found" role="status">
        {groups !== null && <><b>{groups.toLocaleString("en-US")}</b> {groups === 1 ? "group" : "groups"} of </>}
        {total === null ? "…" : <><b>{total.toLocaleString("en-US")}</b> {total === 1 ? "run" : "runs"}</>}
        {total !== null && all !== null && all > total && <span class="dim"> of {all.toLocaleString("en-US")}</span>}
      </span>
      <Menu label="Columns" title="Choose, order and pin columns">{() => <Chooser arrangement={arrangement} known={known} />}</Menu>
      <Menu label={group.length ? <>Group: <span class="by">{by}</span></> : "Group"} title="Put runs together">{() => <Grouping known={known} group={group} />}</Menu>
      {group.length > 0 && <button class="quiet wide" onClick={() => setParams({ group: null }, { replace: false })} title="Every run by itself">Ungroup</button>}
      {group.length > 0 && <button class="quiet wide" onClick={() => opened(true)} title="Show the runs of all groups">Open all</button>}
      <Menu label="Views" title="Named views">{(close) => <Views cols={arrangement.keys} pin={arrangement.pinned} close={close} />}</Menu>
      <span class="grow" />
      <label class="wide" title="Also runs that were archived">
        <input type="checkbox" checked={archived} onChange={() => setParams({ archived: !archived }, { replace: false })} /> archived
      </label>
      <label class="wide" title="A thin line below each metric: how far along its column it is">
        <input type="checkbox" checked={bars} onChange={() => setBars(!bars)} /> bars
      </label>
      <Menu label="Export" align="right" title={total === null ? undefined : `${count(total, "run")} as a file`}>
        {(close) => (
          <>
            <a class="button item quiet" href={href("/api/runs.csv", question)} download="runs.csv" onClick={close}>CSV: all rows, these columns</a>
            <a class="button item quiet" href={href("/api/runs", { ...question, limit: 1000 })} target="_blank" rel="noreferrer" onClick={close}>JSON: the first 1,000 rows</a>
            {group.length > 0 && <a class="button item quiet" href={href("/api/runs", { ...question, group: group.join(",") })} target="_blank" rel="noreferrer" onClick={close}>JSON: the groups</a>}
          </>
        )}
      </Menu>
    </div>
  );
}
