/** The runs or groups on the page: colour, name, shown or hidden; pointing at one highlights it in every chart. */
import { useComputed, type Signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { color } from "../../colors";
import { count } from "../../format";
import { dark } from "../../theme";

export interface Item {
  id: string;
  label: string;
  hint: string;
  href: string | null;
}

interface SideListProps {
  items: readonly Item[];
  noun: string;
  note: string;
  order: ReadonlyMap<string, number>;
  hidden: ReadonlySet<string>;
  focus: Signal<string | null>;
  onHide: (hidden: string[]) => void;
}

export function SideList({ items, noun, note, order, hidden, focus, onHide }: SideListProps) {
  const [wanted, setWanted] = useState("");
  const found = items.filter(({ label, hint }) => `${label} ${hint}`.toLowerCase().includes(wanted.toLowerCase()));
  const toggle = (id: string) => onHide(hidden.has(id) ? [...hidden].filter((one) => one !== id) : [...hidden, id]);
  const only = (id: string) => onHide(items.filter((one) => one.id !== id).map((one) => one.id));
  return (
    <aside class="side-list" aria-label={`${noun}s on show`}>
      <div class="side-head">
        <b>{note}</b>
        {hidden.size > 0 && <button class="quiet" onClick={() => onHide([])}>show all</button>}
      </div>
      {items.length > 8 && (
        <input type="search" placeholder={`find among ${count(items.length, noun)}`} aria-label={`find a ${noun}`} value={wanted}
          onInput={(event) => setWanted(event.currentTarget.value)} />
      )}
      <ul>
        {found.map((item) => (
          <Row key={item.id} item={item} at={order.get(item.id) ?? 0} off={hidden.has(item.id)} focus={focus} onToggle={() => toggle(item.id)}
            onOnly={() => only(item.id)} />
        ))}
      </ul>
    </aside>
  );
}

function Row({ item, at, off, focus, onToggle, onOnly }: {
  item: Item;
  at: number;
  off: boolean;
  focus: Signal<string | null>;
  onToggle: () => void;
  onOnly: () => void;
}) {
  const lit = useComputed(() => focus.value === item.id).value;
  return (
    <li class={`${off ? "off" : ""}${lit ? " lit" : ""}`} onPointerEnter={() => (focus.value = item.id)} onPointerLeave={() => (focus.value = null)}>
      <button class="quiet eye" aria-pressed={!off} onClick={onToggle} title={off ? "Show" : "Hide"}
        aria-label={`${off ? "show" : "hide"} ${item.label}`} style={{ "--color": color(at, dark.value) }}>
        <i class="dot" />
      </button>
      {item.href ? <a href={item.href} title={item.hint}>{item.label}</a> : <span title={item.hint}>{item.label}</span>}
      <button class="quiet only" onClick={onOnly} title="Hide all others">only</button>
    </li>
  );
}
