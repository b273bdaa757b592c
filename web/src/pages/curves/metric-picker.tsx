import { useState } from "preact/hooks";
import { count } from "../../format";
import { Menu } from "../../ui/menu";

const MOST = 300;

/** Every metric (or key) of the runs on show, found by name, switched on and off. */
export function MetricPicker({ metrics, chosen, noun = "metric", onToggle, onReset }: {
  metrics: readonly { key: string; runs: number }[];
  chosen: readonly string[];
  noun?: string;
  onToggle: (metric: string) => void;
  onReset: () => void;
}) {
  const [wanted, setWanted] = useState("");
  const known = [...chosen.filter((key) => !metrics.some((one) => one.key === key)).map((key) => ({ key, runs: 0 })), ...metrics];
  const found = known.filter(({ key }) => key.toLowerCase().includes(wanted.toLowerCase()));
  return (
    <Menu label={`${count(chosen.length, noun)} ▾`} title={`Choose ${noun}s`}>
      {() => (
        <div class="picker">
          <input type="search" placeholder={`find among ${count(known.length, noun)}`} aria-label={`find a ${noun}`} value={wanted} autofocus
            onInput={(event) => setWanted(event.currentTarget.value)} />
          <button class="quiet" onClick={onReset}>back to the usual</button>
          <div class="picker-list">
            {found.slice(0, MOST).map(({ key, runs }) => (
              <label key={key}>
                <input type="checkbox" checked={chosen.includes(key)} onChange={() => onToggle(key)} />
                <span>{key}</span>
                <small class="dim">{count(runs, "run")}</small>
              </label>
            ))}
          </div>
          {found.length > MOST && <p class="dim">{count(found.length - MOST, `more ${noun}`)}: write part of the name</p>}
        </div>
      )}
    </Menu>
  );
}
