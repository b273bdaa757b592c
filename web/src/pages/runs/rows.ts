/** The rows of the table as they come from the server: by blocks, kept up to date. */
import { useEffect, useMemo, useReducer, useRef } from "preact/hooks";
import { ApiError, get, type RunRow, type RunTable } from "../../api";
import { version } from "../../live";
import type { Patch } from "../../url";
import { BLOCK, Blocks } from "./blocks";
import { idFilters } from "./filters";

const AT_ONCE = 3; // requests
const AGAIN = 2000; // ms after a failure

export interface Rows {
  blocks: Blocks;
  error: ApiError | null;
  /** Say which rows are on screen; what is missing of them is fetched. */
  want: (first: number, last: number) => void;
}

/**
 * The runs that `params` asks for, with `columns`. A new question keeps the old rows on screen until its first answer;
 * a null question asks nothing.
 */
export function useBlocks(params: Patch | null, columns: readonly string[]): Rows {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const key = params && JSON.stringify([params, columns]);
  const next = useMemo(() => new Blocks(columns), [key]);
  const shown = useRef(next);
  if (shown.current !== next && (next.total !== null || key === null)) shown.current = next;
  const error = useRef<ApiError | null>(null);
  const place = useRef<[number, number]>([0, 0]);
  const changes = version.value;
  const seen = useRef(changes);

  const fetchMissing = useRef(() => {});
  fetchMissing.current = () => {
    if (!params) return;
    for (const block of next.missing(...place.current)) {
      if (next.waiting >= AT_ONCE) return;
      next.ask(block);
      get<RunTable>("/api/runs", { ...params, cols: columns.join(","), offset: block * BLOCK, limit: BLOCK }).then(
        (answer) => {
          next.put(block, answer);
          error.current = null;
          redraw(0);
        },
        (problem: unknown) => {
          error.current = problem instanceof ApiError ? problem : new ApiError(0, String(problem));
          redraw(0);
          const lasting = error.current.status >= 400 && error.current.status < 500; // the same question fails again
          setTimeout(() => {
            next.fail(block);
            fetchMissing.current();
          }, lasting ? 10 * AGAIN : AGAIN);
        },
      );
    }
  };
  useEffect(() => {
    error.current = null;
  }, [key]);
  useEffect(() => {
    if (seen.current !== changes) next.renew();
    seen.current = changes;
    fetchMissing.current();
  });
  const want = (first: number, last: number) => {
    const [from, to] = place.current;
    if (first === from && last === to) return;
    place.current = [first, last];
    fetchMissing.current();
  };
  return { blocks: shown.current, error: error.current, want };
}

/** The rows of these runs, whatever the filter is; runs that are no more are left out. */
export async function rowsOf(ids: readonly string[]): Promise<RunRow[]> {
  const parts = await Promise.all(idFilters(ids).map((f) => get<RunTable>("/api/runs", { f, archived: true, limit: 1000 })));
  return parts.flatMap((part) => part.rows);
}
