/** Data of the server as state: the old answer stays on screen while the next one is on its way. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api";
import { version } from "./live";

export interface Resource<T> {
  data: T | null;
  error: ApiError | null;
  loading: boolean;
  reload: () => void;
}

/**
 * `load` again whenever `key` changes, and, if `live`, whenever the server says that something changed.
 * A null key asks for nothing. An answer that was overtaken by a newer question is dropped.
 */
export function useResource<T>(key: string | null, load: (abort: AbortSignal) => Promise<T>, { live = false } = {}): Resource<T> {
  const [state, setState] = useState<{ key: string | null; data: T | null; error: ApiError | null; loading: boolean }>({
    key: null, data: null, error: null, loading: key !== null,
  });
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  const changes = live ? version.value : 0;
  useEffect(() => {
    if (key === null) return setState({ key, data: null, error: null, loading: false });
    const abort = new AbortController();
    setState((old) => ({ ...old, loading: true }));
    latest.current(abort.signal).then(
      (data) => !abort.signal.aborted && setState({ key, data, error: null, loading: false }),
      (error: unknown) => {
        if (abort.signal.aborted) return;
        const shown = error instanceof ApiError ? error : new ApiError(0, String(error));
        setState((old) => ({ key, data: old.data, error: shown, loading: false }));
      },
    );
    return () => abort.abort();
  }, [key, turn, changes]);
  return { data: state.data, error: state.error, loading: state.loading, reload: () => setTurn((n) => n + 1) };
}
