import { useRef } from "preact/hooks";
import type { Column } from "./columns";
import { MOST } from "./picking";
import { orderOf } from "./sorting";
import { CHECK, type TableActions, type TableView } from "./view";

const LARGER = 16; // px that a key makes a column wider or narrower

/** The names of the columns: a click sorts, the edge resizes, the mark opens what else can be done. */
export function Head({ view, act, lefts, width, count }: {
  view: TableView;
  act: TableActions;
  lefts: ReadonlyMap<string, number>;
  width: number;
  count: number; // lines
}) {
  const some = view.selected.size > 0;
  const all = some && view.selected.size >= Math.min(count, MOST);
  return (
    <div class="head" role="row" style={{ width: `${width}px` }}>
      <div class="cell check stays" role="columnheader" style={{ left: 0, width: `${CHECK}px` }}>
        <input
          type="checkbox" checked={all} ref={(input) => void (input && (input.indeterminate = some && !all))}
          title={some ? "Select none" : "Select all shown (Ctrl+a)"} aria-label="Select all" onClick={act.checkAll}
        />
      </div>
      <Title column="name" view={view} act={act} width={view.nameWidth} left={CHECK} />
      {view.columns.map((column) => (
        <Title key={column.key} column={column} view={view} act={act} width={column.width} left={lefts.get(column.key)} />
      ))}
    </div>
  );
}

function Title({ column, view, act, width, left }: {
  column: Column | "name";
  view: TableView;
  act: TableActions;
  width: number;
  left: number | undefined;
}) {
  const key = column === "name" ? "name" : column.key;
  const order = orderOf(view.orders, key);
  const numeric = column !== "name" && column.numeric;
  const menu = (event: MouseEvent) => {
    event.preventDefault();
    act.headMenu(column, event.clientX, event.clientY);
  };
  const kind = column === "name" ? "name" : column.kind;
  return (
    <div
      class={`cell ${kind}${numeric ? " number" : ""}${left === undefined ? "" : " stays"}${order ? " sorted" : ""}`} role="columnheader"
      style={{ width: `${width}px`, left: left === undefined ? undefined : `${left}px` }}
      aria-sort={order ? (order.down ? "descending" : "ascending") : undefined} onContextMenu={menu}
    >
      <button class="title" onClick={(event) => act.sort(column, event.shiftKey)} title={`${key}: click to sort, Shift+click to sort by it as well`}>
        <small>{column === "name" ? "" : column.prefix}</small>
        <span>
          {column === "name" ? "name" : column.label}
          {order && <b aria-hidden="true">{order.down ? " ↓" : " ↑"}{view.orders.length > 1 ? <sup>{order.place}</sup> : null}</b>}
        </span>
      </button>
      <button class="more" onClick={menu} aria-label={`More for ${key}`} title="More">⋮</button>
      <Edge width={width} name={key} resize={(to, done) => act.resize(key, to, done)} />
    </div>
  );
}

function Edge({ width, name, resize }: { width: number; name: string; resize: (width: number | null, done: boolean) => void }) {
  const from = useRef<{ x: number; width: number } | null>(null);
  const move = (event: PointerEvent) => from.current && resize(from.current.width + event.clientX - from.current.x, false);
  const end = (event: PointerEvent) => {
    if (!from.current) return;
    resize(from.current.width + event.clientX - from.current.x, true);
    from.current = null;
  };
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? LARGER : event.key === "ArrowLeft" ? -LARGER : 0;
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    resize(width + step, true);
  };
  return (
    <div
      class="edge" role="separator" aria-orientation="vertical" aria-label={`Width of ${name}`} aria-valuenow={width} title="Drag to resize, double click for the usual width"
      onPointerDown={(event) => {
        event.preventDefault();
        from.current = { x: event.clientX, width };
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={move} onPointerUp={end} onPointerCancel={end} onDblClick={() => resize(null, true)} onKeyDown={onKey}
    />
  );
}
