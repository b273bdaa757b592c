/** One row: a run, a group, or what is still on its way. */
import type { Group, RunRow, Status } from "../../api";
import { count, title } from "../../format";
import { StatusMark } from "../../ui/status";
import { href, place as address, carried } from "../../url";
import { centre, isBest, share } from "./best";
import { barStyle, Progress, ValueCell } from "./cells";
import { cellOf, type Column } from "./columns";
import { groupText, statusText } from "./groups";
import { CHECK, type TableView } from "./view";

interface Common {
  index: number;
  top: number;
  view: TableView;
  place: { lefts: ReadonlyMap<string, number>; nameWidth: number };
}

const box = (width: number, left?: number) => ({ width: `${width}px`, left: left === undefined ? undefined : `${left}px` });
const kindOf = (column: Column, left: number | undefined) => `cell ${column.kind}${column.numeric ? " number" : ""}${left === undefined ? "" : " stays"}`;

function Line({ index, top, view, selected, kind, label, children }: Common & { selected: boolean; kind: string; label: string; children: preact.ComponentChildren }) {
  const marks = `${selected ? " selected" : ""}${index === view.cursor ? " cursor" : ""}`;
  return (
    <div class={`line ${kind}${marks}`} role="row" id={`line-${index}`} data-index={index} aria-rowindex={index + 2} aria-selected={selected} aria-label={label} style={{ top: `${top}px` }}>
      {children}
    </div>
  );
}

const Check = ({ on, some = false, label }: { on: boolean; some?: boolean; label: string }) => (
  <div class="cell check stays" role="gridcell" style={box(CHECK, 0)}>
    <input type="checkbox" checked={on} ref={(input) => void (input && (input.indeterminate = some))} tabIndex={-1} aria-label={label} />
  </div>
);

export function RunLine(props: Common & { row: RunRow; inside: boolean; cells: readonly string[]; renamed: (id: string, name: string | null) => void }) {
  const { row, view, place, cells, inside } = props;
  const selected = view.selected.has(row.id);
  const name = title(row);
  const part = row.status === "running" && row.step !== null && row.steps ? row.step / row.steps : null;
  return (
    <Line {...props} selected={selected} kind={`run${row.archived ? " archived" : ""}${inside ? " inside" : ""}`} label={`${name}, ${row.status}`}>
      <Check on={selected} label={`Select ${name}`} />
      <div class="cell name stays" role="rowheader" style={box(place.nameWidth, CHECK)} data-key="name">
        <StatusMark status={row.status} word={false} />
        {view.renaming === row.id ? (
          <NameInput row={row} done={(next) => props.renamed(row.id, next)} />
        ) : (
          <a class="label" tabIndex={-1} href={href(`/run/${row.id}`, carried(address.value.params))} title={`${name}\n${row.id}${row.notes ? `\n\n${row.notes}` : ""}`}>{name}</a>
        )}
        {part !== null && <small class="part" title={`step ${row.step} of ${row.steps}`}>{Math.floor(part * 100)} %</small>}
        {row.notes && <span class="noted" title={row.notes} aria-label="has notes">✎</span>}
        {row.archived && <span class="chip">archived</span>}
        {row.tags.map((tag) => <button key={tag} class="chip" tabIndex={-1} data-tag={tag} title={`Only runs tagged ${tag}`}>{tag}</button>)}
        {part !== null && <i class="part" style={{ width: `${(part * 100).toFixed(1)}%` }} aria-hidden="true" />}
      </div>
      {view.columns.map((column) => (
        <div key={column.key} class={kindOf(column, place.lefts.get(column.key))} role="gridcell" style={box(column.width, place.lefts.get(column.key))} data-key={column.key}>
          {column.key === "progress" ? <Progress row={row} /> : (
            <ValueCell column={column} given={cellOf(row, column.key, cells)} ends={inside ? null : view.ends.get(column.key)} bars={view.bars} />
          )}
        </div>
      ))}
    </Line>
  );
}

function NameInput({ row, done }: { row: RunRow; done: (name: string | null) => void }) {
  const finish = (input: HTMLInputElement, keep: boolean) => {
    if (!input.isConnected) return;
    done(keep && input.value.trim() !== (row.name ?? "") ? input.value.trim() : null);
  };
  return (
    <input
      class="rename" defaultValue={row.name ?? ""} placeholder={row.id} aria-label={`Name of ${row.id}`} maxLength={200}
      ref={(input) => void (input && document.activeElement !== input && (input.focus(), input.select()))}
      onBlur={(event) => finish(event.currentTarget, true)}
      onKeyDown={(event) => {
        event.stopPropagation();
        if (event.key === "Enter" || event.key === "Escape") finish(event.currentTarget, event.key === "Enter");
      }}
    />
  );
}

export function GroupLine(props: Common & { group: Group; title: string; open: boolean; cells: readonly string[] }) {
  const { group, view, place, cells, open } = props;
  const chosen = group.ids.filter((id) => view.selected.has(id)).length;
  const all = chosen > 0 && chosen === group.ids.length;
  const statuses = Object.entries(group.statuses) as [Status, number][];
  return (
    <Line {...props} selected={all} kind="group" label={`${group.title}, ${count(group.n, "run")}`}>
      <Check on={all} some={chosen > 0 && !all} label={`Select the runs of ${group.title}`} />
      <div class="cell name stays" role="rowheader" style={box(place.nameWidth, CHECK)}>
        <button class="twist" tabIndex={-1} data-open="" aria-expanded={open} aria-label={open ? "Close the group" : "Open the group"}>{open ? "▾" : "▸"}</button>
        <button class="label" tabIndex={-1} data-open="" title={`${group.title}\n${statusText(group.statuses)}`}>{props.title}</button>
        <small class="part">
          {statuses.filter(([status]) => status !== "finished").map(([status, n]) => <span key={status}><StatusMark status={status} word={false} />{n} </span>)}
          n {group.n}
        </small>
      </div>
      {view.columns.map((column) => {
        const cell = group.cells[cells.indexOf(column.key === "progress" ? "step" : column.key)];
        const { text, spread, title, several } = groupText(column, cell);
        const best = isBest(centre(cell), view.ends.get(column.key), column.mode);
        return (
          <div key={column.key} class={kindOf(column, place.lefts.get(column.key))} role="gridcell" style={box(column.width, place.lefts.get(column.key))} title={title}>
            {column.kind === "metric" && view.bars && text && <i class="bar" style={barStyle(share(centre(cell), view.ends.get(column.key)))} aria-hidden="true" />}
            {text ? <span class={several ? "none" : best ? "value best" : "value"}>{text}{spread && <small>{spread}</small>}</span> : <span class="none">–</span>}
          </div>
        );
      })}
    </Line>
  );
}

export function WaitingLine(props: Common & { text: string }) {
  return (
    <Line {...props} selected={false} kind="waiting" label={props.text || "on its way"}>
      <div class="cell stays" style={box(CHECK + props.place.nameWidth, 0)}>{props.text || <i class="bone" />}</div>
    </Line>
  );
}
