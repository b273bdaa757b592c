import type { Status } from "../api";

const MARKS: Record<Status, string> = {
  created: "○", running: "◔", finished: "●", failed: "✕", crashed: "✕", diverged: "≈", preempted: "‖", stopped: "■",
};

/** The status as sign, colour and word: none of them is needed alone. */
export function StatusMark({ status, word = true }: { status: Status; word?: boolean }) {
  return (
    <span class={`status ${status}`} title={status}>
      <i aria-hidden="true">{MARKS[status] ?? "?"}</i>
      {word ? ` ${status}` : <span class="hidden">{status}</span>}
    </span>
  );
}
