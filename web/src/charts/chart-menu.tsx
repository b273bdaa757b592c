import type { ComponentChildren } from "preact";
import { csv, download } from "../ui/download";
import { Menu } from "../ui/menu";
import { keepPng, keepSvg, type Picture } from "./keep";

/** What can be done with a chart: keep it as a picture or a table, and what its page adds. */
export function ChartMenu({ picture, table, children }: {
  picture: () => Picture | null;
  table: () => unknown[][];
  children?: ((close: () => void) => ComponentChildren) | undefined;
}) {
  return (
    <Menu label="⋯" title="Save, size, place" align="right">
      {(close) => {
        const item = (text: string, run: () => void) => (
          <button class="item" onClick={() => { run(); close(); }}>{text}</button>
        );
        const kept = picture();
        return (
          <>
            {children?.(close)}
            {kept && item("Save as PNG", () => keepPng(kept))}
            {kept && item("Save as SVG", () => keepSvg(kept))}
            {kept && item("Save data as CSV", () => download(`${kept.name}.csv`, csv(table()), "text/csv"))}
          </>
        );
      }}
    </Menu>
  );
}
