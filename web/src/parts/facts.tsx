import type { ComponentChildren } from "preact";
import "./parts.css";

/** Names and what stands for them; rows without a value are left out. */
export function Facts({ rows }: { rows: readonly (readonly [string, ComponentChildren])[] }) {
  const kept = rows.filter(([, what]) => what !== null && what !== undefined && what !== "" && what !== false);
  return (
    <dl class="facts">
      {kept.map(([name, what]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{what}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A search field of a part of a page. */
export function Search({ value, onChange, label, wide = false }: { value: string; onChange: (text: string) => void; label: string; wide?: boolean }) {
  return (
    <input type="search" class={wide ? "search wide" : "search"} value={value} placeholder={label} aria-label={label} spellcheck={false}
      onInput={(event) => onChange(event.currentTarget.value)} />
  );
}
