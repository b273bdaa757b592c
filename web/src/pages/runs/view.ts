/** What the parts of the table share: sizes, what is shown, what can be done. */
import type { Column } from "./columns";
import type { Ends } from "./ends";
import type { Order } from "./sorting";

export const ROW = 30; // px, as --row
export const HEAD = 44;
export const CHECK = 32; // px of the checkbox's column

export interface TableView {
  columns: readonly Column[];
  pinned: readonly string[];
  nameWidth: number;
  orders: readonly Order[];
  ends: Ends;
  bars: boolean;
  selected: ReadonlySet<string>;
  cursor: number;
  renaming: string | null;
}

export interface TableActions {
  sort: (column: Column | "name", add: boolean) => void;
  headMenu: (column: Column | "name", x: number, y: number) => void;
  cellMenu: (index: number, key: string, x: number, y: number, direct: boolean) => void;
  check: (index: number, shift: boolean) => void;
  checkAll: () => void;
  moveTo: (index: number) => void;
  open: (index: number) => void;
  tag: (tag: string) => void;
  renamed: (id: string, name: string | null) => void;
  resize: (key: string, width: number | null, done: boolean) => void;
}
