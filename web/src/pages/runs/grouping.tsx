/** By what the runs are put together, and the named views. */
import { useState } from "preact/hooks";
import type { Keys } from "../../api";
import { count } from "../../format";
import { remember, remembered } from "../../saved";
import { patched, place, setParams } from "../../url";
import { byTelling, configKey } from "./columns";
import { isViews, patchOf, viewOf, withView } from "./views";

const FIELDS = ["project", "status", "tag", "seed", "host", "commit", "data"];

export function Grouping({ known, group }: { known: Keys | null; group: readonly string[] }) {
  const [search, setSearch] = useState("");
  const set = (next: readonly string[]) => setParams({ group: next }, { replace: false });
  const toggle = (key: string) => {
    const keys = group.filter((one) => one !== "recipe");
    set(keys.includes(key) ? keys.filter((one) => one !== key) : [...keys, key]);
  };
  const options = [
    ...byTelling(known?.keys ?? []).map((one) => ({ key: configKey(one.key), name: one.key.replace(/^config\./, ""), about: count(one.distinct, "value") })),
    ...FIELDS.map((key) => ({ key, name: key, about: "" })),
  ].filter((one) => one.name.toLowerCase().includes(search.toLowerCase()));
  return (
    <div class="grouping">
      <button class="item" aria-pressed={group.length === 0} onClick={() => set([])}>Every run by itself</button>
      <button class="item" aria-pressed={group.includes("recipe")} onClick={() => set(["recipe"])}>
        By everything but the seed
      </button>
      <h3>By keys{group.length && !group.includes("recipe") ? `: ${group.map((key) => key.replace(/^config\./, "")).join(", ")}` : ""}</h3>
      <input type="search" value={search} placeholder="search keys" aria-label="Search keys to group by" onInput={(event) => setSearch(event.currentTarget.value)} />
      {options.map((one) => (
        <div key={one.key} class="option">
          <label title={one.name}><input type="checkbox" checked={group.includes(one.key)} onChange={() => toggle(one.key)} /><span>{one.name}</span></label>
          <small class="dim">{one.about}</small>
        </div>
      ))}
    </div>
  );
}

export function Views({ cols, pin, close }: { cols: readonly string[]; pin: readonly string[]; close: () => void }) {
  const [views, setViews] = useState(() => remembered("runs.views", [], isViews));
  const [name, setName] = useState("");
  const keep = (next: typeof views) => {
    remember("runs.views", next);
    setViews(next);
  };
  const save = (event: Event) => {
    event.preventDefault();
    if (!name.trim()) return;
    // a view shows these columns for ever, also where they came by themselves
    keep(withView(views, viewOf(name.trim(), patched(place.value.params, { cols, pin }))));
    setName("");
  };
  return (
    <div class="views">
      {views.length === 0 && <p class="dim">A view is the filter, the columns, their order, the sort order and the groups, under a name.</p>}
      {views.map((view) => (
        <div key={view.name} class="option">
          <button class="item quiet" title={view.params["f"]} onClick={() => { setParams(patchOf(view), { replace: false }); close(); }}>{view.name}</button>
          <button class="quiet" aria-label={`Delete the view ${view.name}`} title="Delete" onClick={() => keep(views.filter((one) => one !== view))}>×</button>
        </div>
      ))}
      <form class="save" onSubmit={save}>
        <input value={name} placeholder="name of this view" aria-label="Name of this view" maxLength={60} onInput={(event) => setName(event.currentTarget.value)} />
        <button disabled={!name.trim()}>Save</button>
      </form>
    </div>
  );
}
