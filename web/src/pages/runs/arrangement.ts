/** Which columns are shown, in which order and how wide: from the address, else as remembered, else by what differs. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Keys } from "../../api";
import { remember, remembered } from "../../saved";
import { place, setParams, splitList } from "../../url";
import { column, defaultColumns, pinnedFirst, type Column } from "./columns";
import { isChoice, isWidths, type Choice } from "./views";

const NAME_WIDTH = 300;
const NARROW_NAME_WIDTH = 168;
const LEAST = 48, MOST = 900; // px of a column

export interface Arrangement {
  columns: Column[];
  keys: string[];
  pinned: string[];
  nameWidth: number;
  chosen: boolean;
  arrange: (keys: readonly string[], pinned?: readonly string[]) => void;
  reset: () => void;
  resize: (key: string, width: number | null) => void;
  keepWidths: () => void;
}

const NONE: Choice = { cols: [], pin: [] };

export function useArrangement(known: Keys | null, filter: string, narrow: boolean): Arrangement {
  const params = place.value.params;
  const inAddress = params.get("cols");
  const [widths, setWidths] = useState(() => remembered("runs.widths", {}, isWidths));
  useEffect(() => {
    // so that the address alone shows the same to someone else
    const kept = remembered("runs.columns", NONE, isChoice);
    if (!inAddress && kept.cols.length && !narrow) setParams({ cols: kept.cols, pin: kept.pin });
  }, []);

  // columns that come and go while runs train would be hard to read: they are chosen once for each filter
  const settled = useRef<{ filter: string; narrow: boolean; keys: string[] } | null>(null);
  const same = settled.current?.filter === filter && settled.current.narrow === narrow;
  if (known && !(same && settled.current!.keys.length > 2)) settled.current = { filter, narrow, keys: defaultColumns(known, narrow) };
  const keys = inAddress ? splitList(inAddress) : (settled.current?.keys ?? defaultColumns(null, narrow));
  const pinned = narrow ? [] : splitList(params.get("pin")).filter((key) => keys.includes(key));
  const ordered = pinnedFirst(keys, pinned);
  const columns = useMemo(
    () => ordered.map((key) => column(key, known)).map((one) => ({ ...one, width: widths[one.key] ?? one.width })),
    [ordered.join("\n"), known, widths],
  );
  const arrange = (next: readonly string[], pins: readonly string[] = pinned) => {
    const pin = pins.filter((key) => next.includes(key));
    remember("runs.columns", { cols: next, pin });
    setParams({ cols: next, pin });
  };
  return {
    columns,
    keys: ordered,
    pinned,
    nameWidth: narrow ? NARROW_NAME_WIDTH : (widths["name"] ?? NAME_WIDTH),
    chosen: inAddress !== null,
    arrange,
    reset: () => {
      remember("runs.columns", null);
      setParams({ cols: null, pin: null });
    },
    resize: (key, width) =>
      setWidths((old) => {
        const { [key]: _, ...rest } = old;
        return width === null ? rest : { ...rest, [key]: Math.round(Math.min(MOST, Math.max(LEAST, width))) };
      }),
    keepWidths: () => setWidths((now) => (remember("runs.widths", now), now)),
  };
}
