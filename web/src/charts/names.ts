/** Names that tell runs apart: where several share one, the last part of the run's id follows it. */
import { title } from "../format";

export function distinctTitles(runs: readonly { id: string; name: string | null }[]): string[] {
  const counts = new Map<string, number>();
  for (const run of runs) counts.set(title(run), (counts.get(title(run)) ?? 0) + 1);
  return runs.map((run) => (counts.get(title(run))! > 1 ? `${title(run)} ${run.id.slice(run.id.lastIndexOf("-") + 1)}` : title(run)));
}
