import { get } from "../../api";
import { count } from "../../format";
import { Search } from "../../parts/facts";
import { Hits } from "../../parts/clamp";
import { exact } from "../../parts/exact";
import { Copy } from "../../ui/copy";
import { csv, download } from "../../ui/download";
import { complain, say } from "../../ui/toast";
import { place, setParams } from "../../url";
import { overridden, searched, tree, yaml, type Branch, type Leaf, type Overridden } from "./config-tree";
import type { TabProps } from "./page";
import { api } from "./address";

/** The config as it was composed, with what the command line changed marked. */
export function ConfigTab({ run }: TabProps) {
  const { params } = place.value;
  const [query, flat, only] = [params.get("q") ?? "", params.has("flat"), params.has("overridden")];
  const config = run.config as Record<string, Leaf>;
  const changed = overridden(run.overrides, config);
  const within = only ? Object.fromEntries(Object.entries(config).filter(([key]) => isChanged(key, changed))) : config;
  const found = searched(within, query);
  const keys = Object.keys(found);
  const copy = () => navigator.clipboard.writeText(yaml(found)).then(() => say("copied as YAML"), complain);
  const whole = async () => download(`${run.id}-config.yaml`, (await get<{ text: string }>(api(run.id, "text/config"))).text);
  return (
    <section>
      <div class="toolbar">
        <Search value={query} onChange={(q) => setParams({ q })} label="Search keys and values" wide />
        <label><input type="checkbox" checked={only} onChange={(event) => setParams({ overridden: event.currentTarget.checked })} /> only overridden</label>
        <label><input type="checkbox" checked={flat} onChange={(event) => setParams({ flat: event.currentTarget.checked })} /> flat</label>
        <span class="grow" />
        <button onClick={copy}>Copy as YAML</button>
        <button onClick={() => whole().catch(complain)}>Download</button>
        <button class="quiet" onClick={() => download(`${run.id}-config.csv`, csv([["key", "value"], ...Object.entries(found)]), "text/csv")}>CSV</button>
      </div>
      {run.overrides.length > 0 && (
        <div class="overrides"><span class="dim">Given on the command line</span> {run.overrides.map((one) => <Copy key={one} text={one} />)}</div>
      )}
      {keys.length === 0 ? <p class="dim">No key {query ? `contains “${query}”` : "was overridden"}.</p> : flat || query ? (
        <div class="scroll card">
          <table class="table config-flat"><tbody>
            {keys.map((key) => (
              <tr key={key} class={isChanged(key, changed) ? "overridden" : ""}>
                <td><code><Hits text={key} query={query} /></code></td>
                <td><Value value={found[key]} query={query} /></td>
              </tr>
            ))}
          </tbody></table>
        </div>
      ) : (
        <div class="config-tree">
          <div class="card group"><Leaves branches={tree(found).filter((one) => !one.children.length)} changed={changed} /></div>
          {tree(found).filter((one) => one.children.length).map((one) => <Group key={one.key} branch={one} changed={changed} />)}
        </div>
      )}
      <p class="dim">{count(keys.length, "key")}{keys.length < Object.keys(config).length && ` of ${Object.keys(config).length}`}</p>
    </section>
  );
}

const isChanged = (key: string, { keys, groups }: Overridden) => keys.has(key) || [...groups.keys()].some((group) => key.startsWith(`${group}.`));

function Group({ branch, changed }: { branch: Branch; changed: Overridden }) {
  const chosen = changed.groups.get(branch.key);
  return (
    <div class="card group">
      <h3>{branch.key}{chosen !== undefined && <span class="chip chosen" title="chosen on the command line">{chosen}</span>}</h3>
      <Leaves branches={branch.children} changed={changed} />
    </div>
  );
}

function Leaves({ branches, changed }: { branches: readonly Branch[]; changed: Overridden }) {
  return (
    <dl class="leaves">
      {branches.map((one) => one.children.length ? (
        <div key={one.key} class="nested"><dt>{one.name}{changed.groups.has(one.key) && <span class="chip chosen">{changed.groups.get(one.key)}</span>}</dt><dd><Leaves branches={one.children} changed={changed} /></dd></div>
      ) : (
        <div key={one.key} class={changed.keys.has(one.key) ? "overridden" : ""} title={changed.keys.has(one.key) ? "given on the command line" : undefined}>
          <dt>{one.name}</dt><dd><Value value={one.value} /></dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ value, query = "" }: { value: unknown; query?: string }) {
  if (value === null || value === undefined) return <span class="dim">null</span>;
  return <code class={typeof value}><Hits text={exact(value)} query={query} /></code>;
}
