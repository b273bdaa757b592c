import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { hits } from "./highlight";

/** A long text: its beginning, and all of it on demand. Hits of `query` are marked. */
export function Long({ text, limit = 420, query = "", open = false }: { text: string; limit?: number; query?: string; open?: boolean }) {
  const [all, setAll] = useState(false);
  const cut = text.length > limit * 1.25 && !all && !open;
  return (
    <span class="long">
      <Hits text={cut ? `${text.slice(0, limit)}…` : text} query={query} />
      {cut && (
        <button class="more" onClick={(event) => { event.stopPropagation(); setAll(true); }}>all {text.length.toLocaleString("en-US")} characters</button>
      )}
    </span>
  );
}

export function Hits({ text, query }: { text: string; query: string }) {
  if (!query) return <>{text}</>;
  return <>{hits(text, query).map((piece, at) => (at % 2 ? <mark key={at}>{piece}</mark> : piece))}</>;
}

/** Anything taller than `lines` lines is cut there, with a way to open it. */
export function Clamp({ lines, open = false, children }: { lines: number; open?: boolean; children: ComponentChildren }) {
  const [all, setAll] = useState(false);
  const [over, setOver] = useState(false);
  const ref = useRef<HTMLDivElement>(null);
  const whole = all || open;
  useLayoutEffect(() => {
    const box = ref.current!;
    if (!whole) setOver(box.scrollHeight > box.clientHeight + 2);
  });
  return (
    <div class="clamp">
      <div ref={ref} class={whole ? "" : "clamped"} style={{ "--lines": lines }}>{children}</div>
      {over && !open && (
        <button class="more" onClick={(event) => { event.stopPropagation(); setAll(!all); }}>{all ? "less" : "all of it"}</button>
      )}
    </div>
  );
}
