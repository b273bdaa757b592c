import { useEffect, useState } from "preact/hooks";
import { onChange } from "../live";

/** Counts up when the server says that one of these runs changed; part of the key of everything that is asked about them. */
export function useTurn(ids: readonly string[]): number {
  const [turn, setTurn] = useState(0);
  useEffect(
    () => onChange((changed) => [...changed.ids, ...changed.removed].some((id) => ids.includes(id)) && setTurn((n) => n + 1)),
    [ids.join()],
  );
  return turn;
}
