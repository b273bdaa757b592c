import { signal } from "@preact/signals";
import { shortcuts } from "../keyboard";
import { Dialog } from "./dialog";

const open = signal(false);
export const openHelp = () => (open.value = true);

const EXAMPLES: readonly [string, string][] = [
  ["minilm", "name, id, tags, notes or overrides contain it"],
  ["status = finished and val/accuracy > 0.9", "best value of a metric"],
  ["config.optimizer.lr < 1e-4", "a key of the config"],
  ['tag = "final" or created > 7d', "tags; newer than seven days"],
  ["project in (sst2, mrpc) and not archived = true", "lists, not"],
  ["name ~ bert* and exists(test/f1)", "contains, * for anything; recorded at all"],
  ["last(train/loss) < 0.1 and seed != 0", "last, min(...), max(...) instead of the best"],
];

/** The shortcuts of the page on screen, and the filter language by example. */
export function Help() {
  if (!open.value) return null;
  return (
    <Dialog title="Keyboard" onClose={() => (open.value = false)}>
      <dl class="keys">
        {shortcuts.value.map((one) => (
          <div key={one.keys + one.what}>
            <dt>{one.keys.split(" ").map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{one.what}</dd>
          </div>
        ))}
      </dl>
      <h2>Filter</h2>
      <dl class="examples">
        {EXAMPLES.map(([text, what]) => (
          <div key={text}>
            <dt><code>{text}</code></dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
