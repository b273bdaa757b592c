/** What the server says has changed: pages ask again for what they show, at most once a second. */
import { signal } from "@preact/signals";
import type { Changed } from "./api";

/** Counts up when anything changed; resources that depend on it ask again. */
export const version = signal(0);
export const connection = signal<"connecting" | "live" | "lost">("connecting");
export const pending = signal(0);

const listeners = new Set<(changed: Changed) => void>();

/** Called with every change; returns the function that ends it. */
export function onChange(listener: (changed: Changed) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function startLive(): void {
  const source = new EventSource("/api/events");
  source.onopen = () => (connection.value = "live");
  source.onerror = () => (connection.value = "lost"); // the browser tries again by itself
  source.addEventListener("changed", (event) => {
    const changed = JSON.parse((event as MessageEvent<string>).data) as Changed;
    connection.value = "live";
    pending.value = changed.pending;
    for (const listener of listeners) listener(changed);
    version.value++;
  });
}
