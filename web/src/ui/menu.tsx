import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** A button that opens a panel below it; Escape, or a click elsewhere, closes it. */
export function Menu({ label, title, children, align = "left" }: {
  label: ComponentChildren;
  title?: string;
  align?: "left" | "right";
  children: (close: () => void) => ComponentChildren;
}) {
  const [open, setOpen] = useState(false);
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event) => !ref.current?.contains(event.target as Node) && setOpen(false);
    const escape = (event: KeyboardEvent) => event.key === "Escape" && setOpen(false);
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", escape);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("keydown", escape);
    };
  }, [open]);
  return (
    <div class="menu" ref={ref}>
      <button aria-haspopup="true" aria-expanded={open} title={title} onClick={() => setOpen(!open)}>{label}</button>
      {open && <div class={`panel ${align}`}>{children(() => setOpen(false))}</div>}
    </div>
  );
}
