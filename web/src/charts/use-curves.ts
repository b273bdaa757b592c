import { useEffect, useRef, useState } from "preact/hooks";
import { curves, type Curves } from "../api";
import { onChange } from "../live";
import { useResource, type Resource } from "../resource";
import { href, type Patch } from "../url";

/** Curves as `request` asks for, asked again when a run on show got new rows (or, if a filter chose them, any run did). */
export function useCurves(request: Patch | null): Resource<Curves> {
  const [turn, setTurn] = useState(0);
  const shown = useRef<{ runs: ReadonlySet<string>; chosen: boolean }>({ runs: new Set(), chosen: false });
  const key = request && href("", request);
  const resource = useResource(key && `${key} ${turn}`, (abort) => curves(request!, abort));
  shown.current.chosen = request?.["runs"] !== undefined;
  useEffect(() => {
    shown.current.runs = new Set(resource.data?.series.map((one) => one.run));
  }, [resource.data]);
  useEffect(
    () =>
      onChange(({ ids, removed }) => {
        const { runs, chosen } = shown.current;
        if (!chosen || [...ids, ...removed].some((id) => runs.has(id))) setTurn((n) => n + 1);
      }),
    [],
  );
  return resource;
}
