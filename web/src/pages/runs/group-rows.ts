/** Groups of runs and, of the open ones, their runs. */
import { useMemo, useState } from "preact/hooks";
import { get, type ApiError, type GroupTable, type RunRow, type RunTable } from "../../api";
import { useResource } from "../../resource";
import type { Patch } from "../../url";
import { filterOf, flat, groupId, type Item } from "./groups";

const INSIDE = 200; // runs shown of an open group

export interface GroupRows {
  table: GroupTable | null;
  items: Item[];
  columns: readonly string[]; // of the runs inside
  error: ApiError | null;
  toggle: (id: string) => void;
  openAll: (open: boolean) => void;
}

interface Members {
  columns: readonly string[];
  rows: Map<string, readonly RunRow[]>;
}

/** `columns` are those of the groups, `inside` those of their runs; null `by` asks nothing. */
export function useGroups(by: readonly string[] | null, params: Patch, columns: readonly string[], inside: readonly string[]): GroupRows {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const question = JSON.stringify([by, params, columns]);
  const groups = useResource(
    by && question,
    async (abort) => ({ columns, table: await get<GroupTable>("/api/runs", { ...params, group: by!.join(","), cols: columns.join(",") }, abort) }),
    { live: true },
  );
  const table = by && groups.data ? groups.data.table : null;
  const opened = (table?.groups ?? []).filter((group) => open.has(groupId(group)));
  const members = useResource<Members>(
    by && opened.length ? JSON.stringify([opened.map(groupId), params, inside]) : null,
    async (abort) => {
      const ask = (f: string) => get<RunTable>("/api/runs", { ...params, f, cols: inside.join(","), limit: INSIDE }, abort);
      const filter = String(params["f"] ?? "");
      const found = await Promise.all(opened.map(async (group) => [groupId(group), (await ask(filterOf(group, filter))).rows] as const));
      return { columns: inside, rows: new Map(found) };
    },
    { live: true },
  );
  const items = useMemo(() => flat(table?.groups ?? [], open, members.data?.rows ?? new Map()), [table, open, members.data]);
  const toggle = (id: string) =>
    setOpen((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  return {
    table: table && { ...table, columns: [...groups.data!.columns] },
    items,
    columns: members.data?.columns ?? inside,
    error: groups.error ?? members.error,
    toggle,
    openAll: (all) => setOpen(all ? new Set((table?.groups ?? []).slice(0, 50).map(groupId)) : new Set()),
  };
}
