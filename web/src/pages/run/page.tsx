import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { get, type RunDetail } from "../../api";
import { useShortcuts } from "../../keyboard";
import { useResource } from "../../resource";
import { Empty, Failed } from "../../ui/empty";
import { carried, go, href, patched, place } from "../../url";
import { ConfigTab } from "./config";
import { ConsoleTab } from "./console";
import { CurvesTab } from "./curves";
import { EnvironmentTab } from "./environment";
import { FilesTab } from "./files-tab";
import { Header } from "./header";
import { Overview } from "./overview";
import { PredictionsTab } from "./predictions";
import { SystemTab } from "./system";
import { api } from "./address";
import { useTurn } from "../../parts/use-turn";
import "../../parts/parts.css";
import "./run.css";

export interface TabProps {
  run: RunDetail;
  turn: number; // counts up when the run changed
  reload: () => void;
}

const TABS: readonly { key: string; name: string; tab: ComponentType<TabProps> }[] = [
  { key: "overview", name: "Overview", tab: Overview },
  { key: "curves", name: "Curves", tab: CurvesTab },
  { key: "predictions", name: "Predictions", tab: PredictionsTab },
  { key: "output", name: "Console", tab: ConsoleTab },
  { key: "config", name: "Config", tab: ConfigTab },
  { key: "files", name: "Files", tab: FilesTab },
  { key: "system", name: "System", tab: SystemTab },
  { key: "environment", name: "Environment", tab: EnvironmentTab },
];

function identifier(path: string): string {
  const text = path.slice("/run/".length).replace(/\/$/, "");
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone % in an address written by hand
  }
}

export default function Page() {
  const id = identifier(place.value.path);
  return <OneRun key={id} id={id} />;
}

function OneRun({ id }: { id: string }) {
  const turn = useTurn([id]);
  const { data: run, error, reload } = useResource(`run ${id} ${turn}`, (abort) => get<RunDetail>(api(id), {}, abort));
  const asked = place.value.params.get("tab");
  const at = Math.max(0, TABS.findIndex((one) => one.key === asked));
  const link = (key: string) => href(`/run/${encodeURIComponent(id)}`, patched(carried(place.value.params), { tab: key === "overview" ? null : key }));
  const move = (by: number) => go(link(TABS[(at + by + TABS.length) % TABS.length]!.key));
  const tabs = useRef<HTMLElement>(null);
  useEffect(() => {
    const [bar, chosen] = [tabs.current, tabs.current?.querySelector<HTMLElement>("[aria-current]")];
    if (bar && chosen) bar.scrollLeft = chosen.offsetLeft - bar.offsetLeft - (bar.clientWidth - chosen.clientWidth) / 2;
  }, [at, run === null]);
  useShortcuts([
    { keys: "]", what: "next tab", run: () => move(1) },
    { keys: "[", what: "previous tab", run: () => move(-1) },
  ]);
  if (!run) {
    if (!error) return <div class="loading" role="status">…</div>;
    if (error.status !== 404) return <Failed error={error} retry={reload} />;
    return <Empty title={`There is no run ${id} here.`} command="headway runs" hint={<a href={href("/", carried(place.value.params))}>All runs</a>} />;
  }
  const Tab = TABS[at]!.tab;
  return (
    <div class="run-page">
      <Header run={run} reload={reload} />
      {error && <Failed error={error} retry={reload} />}
      <nav class="tabs" aria-label="Parts of the run" ref={tabs}>
        {TABS.map((one, index) => (
          <a key={one.key} href={link(one.key)} aria-current={index === at ? "page" : undefined}>{one.name}</a>
        ))}
      </nav>
      <Tab run={run} turn={turn} reload={reload} />
    </div>
  );
}
