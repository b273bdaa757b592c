import type { ComponentType } from "preact";
import { get, type Meta } from "./api";
import { connection, pending, version } from "./live";
import { useResource } from "./resource";
import { dark, toggleTheme } from "./theme";
import { useShortcuts } from "./keyboard";
import { carried, go, href, place, selected } from "./url";
import { count } from "./format";
import { FilterBox, focusFilter } from "./ui/filter-box";
import { Help, openHelp } from "./ui/help";
import { Toasts } from "./ui/toast";
import { Empty } from "./ui/empty";
import { later } from "./later";
import { RunsPage } from "./pages/runs/page";

interface View {
  path: string;
  name: string;
  keys: string;
  page: ComponentType;
  filtered: boolean; // whether the filter box belongs to it
}

const VIEWS: readonly View[] = [
  { path: "/", name: "Runs", keys: "1", page: RunsPage, filtered: true },
  { path: "/curves", name: "Curves", keys: "2", page: later(() => import("./pages/curves/page")), filtered: true },
  { path: "/compare", name: "Compare", keys: "3", page: later(() => import("./pages/compare/page")), filtered: false },
  { path: "/params", name: "Parameters", keys: "4", page: later(() => import("./pages/params/page")), filtered: true },
];
const RunPage = later(() => import("./pages/run/page"));

function link(view: View): string {
  const params = carried(place.value.params);
  if (view.path === "/compare" && selected.value.length > 1) return href("/compare", { runs: selected.value, sel: selected.value });
  return href(view.path, params);
}

export function App() {
  const { path } = place.value;
  const view = VIEWS.find((one) => one.path === path);
  const meta = useResource("meta", (abort) => get<Meta>("/api/meta", {}, abort), { live: true }).data;
  useShortcuts([
    ...VIEWS.map((one) => ({ keys: one.keys, what: one.name, run: () => go(link(one)) })),
    { keys: "/", what: "write a filter", run: focusFilter },
    { keys: "?", what: "these shortcuts", run: openHelp },
    { keys: "d", what: "dark or light", run: toggleTheme },
  ]);
  const Page = view?.page ?? (path.startsWith("/run/") ? RunPage : NoPage);
  return (
    <>
      <header class="top">
        <a class="brand" href={href("/", carried(place.value.params))} title="All runs">
          <img src="/icon.svg" alt="" width="22" height="22" />
          <b>Headway</b>
        </a>
        <nav aria-label="Views">
          {VIEWS.map((one) => (
            <a key={one.path} href={link(one)} aria-current={one === view ? "page" : undefined} title={`key ${one.keys}`}>
              {one.name}
            </a>
          ))}
        </nav>
        <div class="grow">{view?.filtered && <FilterBox />}</div>
        <Live runs={meta?.runs} readOnly={meta?.read_only ?? false} />
        <button class="quiet" onClick={toggleTheme} title="Dark or light (d)" aria-label={dark.value ? "Light colours" : "Dark colours"}>
          {dark.value ? "☀" : "☾"}
        </button>
        <button class="quiet" onClick={openHelp} title="Shortcuts and the filter language (?)" aria-label="Help">?</button>
      </header>
      <main class={`page${view || path.startsWith("/run/") ? "" : " plain"}`}>
        <Page />
      </main>
      <Help />
      <Toasts />
    </>
  );
}

function Live({ runs, readOnly }: { runs: number | undefined; readOnly: boolean }) {
  const state = connection.value;
  const waiting = pending.value;
  const text = state === "lost" ? "no answer" : waiting ? `reading ${count(waiting, "run")}` : state === "live" ? "live" : "connecting";
  return (
    <span class={`live ${waiting ? "busy" : state}`} title={`change ${version.value}`} role="status">
      <i /> {text}
      {runs !== undefined && <small>{count(runs, "run")}{readOnly ? ", read-only" : ""}</small>}
    </span>
  );
}

function NoPage() {
  return <Empty title="There is no such page." command="" hint={<a href="/">All runs</a>} />;
}
