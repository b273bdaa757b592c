import { signal } from "@preact/signals";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

const toasts = signal<readonly Toast[]>([]);
let next = 0;

/** A line at the foot of the page for some seconds; errors stay until they are dismissed. */
export function say(text: string, { bad = false } = {}): void {
  const id = next++;
  toasts.value = [...toasts.value, { id, text, bad }];
  if (!bad) setTimeout(() => dismiss(id), 4000);
}

export const complain = (error: unknown): void => say(error instanceof Error ? error.message : String(error), { bad: true });

const dismiss = (id: number) => (toasts.value = toasts.value.filter((one) => one.id !== id));

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((one) => (
        <button key={one.id} class={one.bad ? "bad" : ""} onClick={() => dismiss(one.id)}>{one.text}</button>
      ))}
    </div>
  );
}
