/** The smallest and largest value of each metric's column over all runs that match, not only over those on screen. */
import { useMemo } from "preact/hooks";
import { get, type GroupTable } from "../../api";
import { useResource } from "../../resource";
import type { Patch } from "../../url";
import { endsOfGroups, endsOfMeans, extremes, type Extremes } from "./best";
import type { Blocks } from "./blocks";
import { useSlowVersion } from "./slow";
import { cellOf, type Column } from "./columns";

export type Ends = ReadonlyMap<string, Extremes | null>;

export function useEnds(columns: readonly Column[], blocks: Blocks, groups: GroupTable | null, params: Patch, known: readonly string[]): Ends {
  const metrics = columns.filter((one) => one.kind === "metric" && known.includes(one.key)).map((one) => one.key);
  const whole = groups ? null : blocks.whole();
  const long = !groups && !whole && metrics.length > 0 && (blocks.total ?? 0) > 0;
  const seen = useSlowVersion();
  // one small answer tells the ends of all columns: projects are few, their runs need not be sent
  const asked = useResource(
    long ? JSON.stringify([metrics, params, seen]) : null,
    async (abort) => ({ metrics, table: await get<GroupTable>("/api/runs", { ...params, sort: null, group: "project", cols: metrics.join(",") }, abort) }),
  ).data;
  return useMemo(() => {
    if (groups) return new Map(metrics.map((key) => [key, endsOfMeans(groups.groups, groups.columns.indexOf(key))]));
    if (whole) return new Map(metrics.map((key) => [key, extremes(whole.map((row) => cellOf(row, key, blocks.columns)))]));
    return new Map((asked?.metrics ?? []).map((key, at) => [key, endsOfGroups(asked!.table.groups, at)]));
  }, [groups, whole?.length, whole?.[0], whole?.at(-1), metrics.join("\n"), asked, blocks]);
}
