/** Which columns are shown: searched by name, ticked, ordered, pinned. */
import { useState } from "preact/hooks";
import type { Keys } from "../../api";
import { count } from "../../format";
import type { Arrangement } from "./arrangement";
import { aggregateOf, byTelling, configKey, FIELD_KEYS, metricKey, metricName, moved, type Aggregate } from "./columns";

const LISTED = 120; // of each kind, until a search narrows them

interface Option {
  key: string;
  name: string;
  about: string;
  metric: boolean;
}

function options(known: Keys | null): { title: string; all: Option[] }[] {
  const keys = known?.keys ?? [];
  const option = (one: Keys["keys"][number]): Option => ({
    key: configKey(one.key), name: one.key.replace(/^config\./, ""), metric: false,
    about: one.distinct > 1 ? `${count(one.distinct, "value")} in ${count(one.runs, "run")}` : `${String(one.values[0] ?? "null")} in all ${one.runs}`,
  });
  return [
    { title: "Configuration that differs", all: byTelling(keys).map(option) },
    { title: "Metrics", all: (known?.metrics ?? []).map((one) => ({ key: metricKey(one.key), name: one.key, about: `${one.mode}, ${count(one.runs, "run")}`, metric: true })) },
    { title: "The run", all: FIELD_KEYS.map((key) => ({ key, name: key === "seconds" ? "duration" : key, about: "", metric: false })) },
    { title: "Configuration that is the same", all: keys.filter((one) => one.distinct <= 1).map(option) },
  ];
}

export function Chooser({ arrangement, known }: { arrangement: Arrangement; known: Keys | null }) {
  const [search, setSearch] = useState("");
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const { keys, pinned, arrange } = arrangement;
  const found = options(known).map(({ title, all }) => ({ title, all: all.filter((one) => words.every((word) => one.name.toLowerCase().includes(word))) }));
  const matching = found.flatMap((part) => part.all);
  const shownAs = (option: Option) => keys.find((key) => key === option.key || (option.metric && metricName(key) === option.name));
  const toggle = (option: Option) => {
    const shown = shownAs(option);
    arrange(shown ? keys.filter((key) => key !== shown) : [...keys, option.key]);
  };
  return (
    <div class="chooser">
      <Shown {...arrangement} />
      <section>
        <input
          type="search" value={search} placeholder="search keys and metrics" aria-label="Search columns" autofocus
          onInput={(event) => setSearch(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && matching[0] && toggle(matching[0])}
        />
        {found.map(({ title, all }) => all.length > 0 && (
          <fieldset key={title}>
            <legend>{title}</legend>
            {all.slice(0, LISTED).map((option) => {
              const shown = shownAs(option);
              return (
                <div key={option.key} class="option">
                  <label title={option.name}>
                    <input type="checkbox" checked={shown !== undefined} onChange={() => toggle(option)} />
                    <span>{option.name}</span>
                  </label>
                  {option.metric && shown ? (
                    <select aria-label={`Which value of ${option.name}`} value={aggregateOf(shown)}
                      onChange={(event) => {
                        const next = metricKey(option.name, event.currentTarget.value as Aggregate);
                        arrange(keys.map((key) => (key === shown ? next : key)), pinned.map((key) => (key === shown ? next : key)));
                      }}>
                      {["best", "last", "min", "max"].map((one) => <option key={one}>{one}</option>)}
                    </select>
                  ) : <small class="dim" title={option.about}>{option.about}</small>}
                </div>
              );
            })}
            {all.length > LISTED && <p class="dim">{all.length - LISTED} more: search for them.</p>}
          </fieldset>
        ))}
        {matching.length === 0 && <p class="dim">No key or metric is called so.</p>}
      </section>
    </div>
  );
}

/** The shown columns in their order: dragged, or moved with the buttons. */
function Shown({ keys, pinned, arrange, reset, chosen }: Arrangement) {
  const [dragged, setDragged] = useState<string | null>(null);
  const pin = (key: string) => arrange(keys, pinned.includes(key) ? pinned.filter((one) => one !== key) : [...pinned, key]);
  return (
    <section>
      <h3>Shown, in this order</h3>
      <ol class="shown">
        {keys.map((key, at) => (
          <li
            key={key} draggable class={dragged === key ? "dragged" : ""}
            onDragStart={() => setDragged(key)} onDragEnd={() => setDragged(null)}
            onDragOver={(event) => {
              event.preventDefault();
              if (dragged && dragged !== key) arrange(moved(keys, dragged, at));
            }}
          >
            <span title={key}>{key.replace(/^config\./, "")}</span>
            <button class="quiet" aria-label={`Move ${key} up`} title="Up" disabled={at === 0} onClick={() => arrange(moved(keys, key, at - 1))}>↑</button>
            <button class="quiet" aria-label={`Move ${key} down`} title="Down" disabled={at === keys.length - 1} onClick={() => arrange(moved(keys, key, at + 1))}>↓</button>
            <button class="quiet" aria-label={`Pin ${key}`} title="Stays at the left" aria-pressed={pinned.includes(key)} onClick={() => pin(key)}>pin</button>
            <button class="quiet" aria-label={`Hide ${key}`} title="Hide" onClick={() => arrange(keys.filter((one) => one !== key))}>×</button>
          </li>
        ))}
      </ol>
      <button onClick={reset} disabled={!chosen} title="What differs, how good, at what cost">Reset to what differs</button>
    </section>
  );
}
