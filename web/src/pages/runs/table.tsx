/** The table: a header that stays, columns that stay, and of ten thousand rows those on screen. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useRows } from "../../ui/virtual";
import type { Item } from "./groups";
import { GroupLine, RunLine, WaitingLine } from "./lines";
import { Head } from "./head";
import { scrolled } from "./picking";
import { CHECK, HEAD, ROW, type TableActions, type TableView } from "./view";

interface Props {
  view: TableView;
  act: TableActions;
  count: number;
  item: (index: number) => Item;
  cells: (item: Item) => readonly string[];
  want: (first: number, last: number) => void;
  find: (id: string) => number | null;
  resetKey: string; // another question begins at the top
}

export function Table({ view, act, count, item, cells, want, find, resetKey }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const { items, total } = useRows(count, ROW, scroller);
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => want(first, last));
  useLayoutEffect(() => scroller.current?.scrollTo({ top: 0 }), [resetKey]);

  // rows that arrive above push the others down: what the reader looks at stays where it is
  const held = useRef<{ id: string; at: number } | null>(null);
  useLayoutEffect(() => {
    const box = scroller.current;
    const top = Math.floor((box?.scrollTop ?? 0) / ROW);
    if (box && held.current && box.scrollTop > ROW) {
      const at = find(held.current.id);
      if (at !== null && at !== held.current.at && Math.abs(at - held.current.at) < 50) box.scrollTop += (at - held.current.at) * ROW;
    }
    const shown = count > top ? item(top) : null;
    held.current = shown?.kind === "run" ? { id: shown.row.id, at: top } : null;
  });

  useLayoutEffect(() => {
    const box = scroller.current;
    const to = box && view.cursor >= 0 && scrolled(view.cursor, { top: box.scrollTop, height: box.clientHeight, header: HEAD, row: ROW });
    if (box && typeof to === "number") box.scrollTop = to;
  }, [view.cursor]);

  const lefts = new Map<string, number>();
  let left = CHECK + view.nameWidth;
  for (const key of view.pinned) {
    lefts.set(key, left);
    left += view.columns.find((one) => one.key === key)?.width ?? 0;
  }
  const width = CHECK + view.nameWidth + view.columns.reduce((sum, one) => sum + one.width, 0);

  const onClick = (event: MouseEvent) => {
    const target = event.target as HTMLElement;
    const line = target.closest<HTMLElement>("[data-index]");
    if (!line) return;
    const index = Number(line.dataset["index"]);
    const key = target.closest<HTMLElement>("[data-key]")?.dataset["key"];
    const tag = target.closest<HTMLElement>("[data-tag]")?.dataset["tag"];
    if (tag !== undefined) act.tag(tag);
    else if (target.closest(".check")) act.check(index, event.shiftKey);
    else if (target.closest("[data-open]")) act.open(index);
    else if (target.closest("a, input")) return;
    else if (event.shiftKey) act.check(index, true);
    else {
      act.moveTo(index);
      if (key && target.closest("[data-value]")) act.cellMenu(index, key, event.clientX, event.clientY, event.altKey);
    }
  };
  const onMenu = (event: MouseEvent) => {
    const target = event.target as HTMLElement;
    const key = target.closest<HTMLElement>("[data-key]")?.dataset["key"];
    const line = target.closest<HTMLElement>(".line[data-index]");
    if (!key || !line) return;
    event.preventDefault();
    act.moveTo(Number(line.dataset["index"]));
    act.cellMenu(Number(line.dataset["index"]), key, event.clientX, event.clientY, false);
  };
  const place = { lefts, nameWidth: view.nameWidth };
  return (
    <div
      class="runs-table" ref={scroller} tabIndex={0} role="grid" aria-label="Runs" aria-rowcount={count + 1} aria-multiselectable="true"
      aria-activedescendant={view.cursor >= 0 ? `line-${view.cursor}` : undefined} onClick={onClick} onContextMenu={onMenu}
    >
      <Head view={view} act={act} lefts={lefts} width={width} count={count} />
      <div class="lines" role="rowgroup" style={{ height: `${total}px`, width: `${width}px` }}>
        {items.map(({ index, start }) => {
          const one = item(index);
          const common = { index, top: start, view, place };
          if (one.kind === "group") return <GroupLine key={`g${index}`} {...common} group={one.group} title={one.title} open={one.open} cells={cells(one)} />;
          if (one.kind === "run") return <RunLine key={one.row.id} {...common} row={one.row} inside={one.inside} cells={cells(one)} renamed={act.renamed} />;
          return <WaitingLine key={`w${index}`} {...common} text={one.kind === "more" ? `${one.left} more: filter by this group to see them` : ""} />;
        })}
      </div>
    </div>
  );
}
