/** Dark or light: what the system says until the reader says otherwise. */
import { computed, signal } from "@preact/signals";

type Choice = "system" | "light" | "dark";

const stored = () => (localStorage.getItem("theme") as Choice | null) ?? "system";
const media = matchMedia("(prefers-color-scheme: dark)");
const system = signal(media.matches);
export const choice = signal<Choice>(stored());
export const dark = computed(() => (choice.value === "system" ? system.value : choice.value === "dark"));

export function startTheme(): void {
  media.addEventListener("change", (event) => (system.value = event.matches));
  dark.subscribe((on) => (document.documentElement.dataset["theme"] = on ? "dark" : "light"));
}

export function toggleTheme(): void {
  choice.value = dark.value ? "light" : "dark";
  localStorage.setItem("theme", choice.value);
}
