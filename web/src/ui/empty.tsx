import type { ComponentChildren } from "preact";
import { Copy } from "./copy";

/** What stands where there is nothing: why, and the command that changes it. */
export function Empty({ title, command, hint }: { title: string; command?: string; hint?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>{title}</p>
      {command && <Copy text={command} />}
      {hint && <p class="dim">{hint}</p>}
    </div>
  );
}

/** One line for what went wrong, in the server's own words. */
export function Failed({ error, retry }: { error: { message: string; hint?: string | null }; retry?: () => void }) {
  return (
    <div class="failed" role="alert">
      {error.message}
      {error.hint && <span class="dim"> {error.hint}</span>}
      {retry && <button onClick={retry}>Try again</button>}
    </div>
  );
}
