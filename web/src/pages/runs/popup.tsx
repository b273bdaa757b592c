import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface Choice {
  label: string;
  run: () => void;
  about?: string;
}

export interface Popup {
  x: number;
  y: number;
  title: string;
  choices: readonly Choice[];
}

/** A small menu at a point of the screen; arrows move, Enter takes, Escape or a click elsewhere closes. */
export function PopupMenu({ popup, onClose }: { popup: Popup; onClose: () => void }) {
  const ref = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState({ left: popup.x, top: popup.y });
  useLayoutEffect(() => {
    const box = ref.current!.getBoundingClientRect();
    setAt({ left: Math.max(4, Math.min(popup.x, innerWidth - box.width - 8)), top: Math.max(4, Math.min(popup.y, innerHeight - box.height - 8)) });
    ref.current!.querySelector("button")?.focus({ preventScroll: true });
  }, [popup]);
  useEffect(() => {
    const before = document.activeElement === document.body ? null : document.querySelector<HTMLElement>(".runs-table");
    const outside = (event: Event) => !ref.current?.contains(event.target as Node) && onClose();
    document.addEventListener("pointerdown", outside);
    addEventListener("resize", onClose);
    return () => {
      document.removeEventListener("pointerdown", outside);
      removeEventListener("resize", onClose);
      before?.focus({ preventScroll: true });
    };
  }, []);
  const onKey = (event: KeyboardEvent) => {
    const buttons = [...ref.current!.querySelectorAll("button")];
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step) buttons.at((buttons.indexOf(document.activeElement as HTMLButtonElement) + step) % buttons.length)?.focus();
    else if (event.key === "Escape" || event.key === "Tab") onClose();
    if (step || event.key === "Escape" || event.key === "Tab") event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="panel popup" role="menu" ref={ref} style={at} onKeyDown={onKey} aria-label={popup.title}>
      <p class="dim">{popup.title}</p>
      {popup.choices.map((one) => (
        <button key={one.label} class="item quiet" role="menuitem" onClick={() => { onClose(); one.run(); }}>
          {one.label}
          {one.about && <code>{one.about}</code>}
        </button>
      ))}
    </div>
  );
}
