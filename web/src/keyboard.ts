/** Keyboard shortcuts: pages register theirs while they are on screen; `?` shows all of them. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { signal } from "@preact/signals";

export interface Shortcut {
  keys: string; // as KeyboardEvent.key, with "Shift+" or "Ctrl+" before it; several parted by spaces
  what: string;
  run: (event: KeyboardEvent) => void;
}

export const shortcuts = signal<readonly Shortcut[]>([]);

/** Keep `list` registered while the component is mounted; a key does what the last render says, however fast it is pressed. */
export function useShortcuts(list: readonly Shortcut[]): void {
  const latest = useRef(list);
  latest.current = list;
  useLayoutEffect(() => { // before the first paint: a key may follow at once
    const mine = list.map((one, at) => ({ ...one, run: (event: KeyboardEvent) => latest.current[at]?.run(event) }));
    shortcuts.value = [...shortcuts.value, ...mine];
    return () => {
      shortcuts.value = shortcuts.value.filter((one) => !mine.includes(one));
    };
  }, [list.map((one) => one.keys + one.what).join("\n")]);
}

export function spelled(event: KeyboardEvent): string {
  const shifted = event.shiftKey && event.key.length > 1;
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${shifted ? "Shift+" : ""}${event.key}`;
}

const typing = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || target.matches('input:not([type="checkbox"]), textarea, select'));
/** Enter and the space bar press what has the focus. */
const presses = (event: KeyboardEvent) =>
  ["Enter", " "].includes(event.key) && event.target instanceof HTMLElement && event.target.matches("a, button, summary, input");

export function startKeyboard(): void {
  document.addEventListener("keydown", (event) => {
    if (event.altKey || document.querySelector("dialog[open]")) return;
    if ((typing(event.target) && event.key !== "Escape") || presses(event)) return;
    const pressed = spelled(event);
    const found = shortcuts.value.findLast((one) => one.keys.split(" ").includes(pressed));
    if (!found) return;
    event.preventDefault();
    found.run(event);
  });
}
