import { useState } from "preact/hooks";

/** A command that is copied with one click. */
export function Copy({ text, label }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1200);
  };
  return (
    <button class="copy" onClick={copy} title="Copy">
      <code>{label ?? text}</code>
      <span aria-live="polite">{done ? "copied" : "copy"}</span>
    </button>
  );
}
