import { get } from "../../api";
import { count } from "../../format";
import { exact } from "../../parts/exact";
import { Facts, Search } from "../../parts/facts";
import { PatchView } from "../../parts/patch-view";
import { useResource } from "../../resource";
import { Copy } from "../../ui/copy";
import { csv, download } from "../../ui/download";
import { Failed } from "../../ui/empty";
import { href, place, setParams } from "../../url";
import type { TabProps } from "./page";
import { api } from "./address";

interface Text {
  text: string;
  bytes: number;
  truncated: boolean;
}

/** On what the run ran: versions, machine, code with its uncommitted changes, packages. */
export function EnvironmentTab({ run }: TabProps) {
  return (
    <>
      <div class="cards">
        <section class="card"><h2>Versions</h2><Facts rows={Object.entries(run.versions)} /></section>
        <section class="card">
          <h2>Hardware</h2>
          <Facts rows={[["host", run.host], ...Object.entries(run.hardware).map(([name, what]) => [name === "memory_gb" ? "memory, GB" : name.replaceAll("_", " "), exact(what)] as const)]} />
        </section>
        <section class="card">
          <h2>Code</h2>
          <Facts rows={[
            ["commit", run.git?.commit ? <Copy text={run.git.commit} label={run.git.commit.slice(0, 12)} /> : "not in a git repository"],
            ["changes", run.git ? (run.git.dirty ? "uncommitted changes, below" : "none") : null],
            ["command", <code class="command">{run.command.join(" ")}</code>],
          ]} />
        </section>
      </div>
      <PatchCard run={run} />
      <Packages id={run.id} />
    </>
  );
}

function PatchCard({ run }: { run: TabProps["run"] }) {
  const { data, error } = useResource(run.git?.dirty ? `patch ${run.id}` : null, (abort) => get<Text>(api(run.id, "text/patch"), {}, abort));
  if (!run.git?.dirty) return null;
  return (
    <section class="block">
      <div class="heading"><h2>Uncommitted changes</h2><span class="grow" /><a class="button" href={href(api(run.id, "file"), { path: "code.patch" })} download>Download</a></div>
      {error ? <Failed error={error} /> : data && <PatchView text={data.text} />}
      {data?.truncated && <p class="dim">Cut here; the download has all of it.</p>}
    </section>
  );
}

function Packages({ id }: { id: string }) {
  const query = place.value.params.get("q") ?? "";
  const { data } = useResource(`environment ${id}`, (abort) => get<Text>(api(id, "text/environment"), {}, abort));
  if (!data?.text) return null;
  const all = data.text.split("\n").filter((line) => line && !line.startsWith("#")).map((line) => line.split("=="));
  const found = all.filter(([name]) => name!.toLowerCase().includes(query.toLowerCase()));
  return (
    <section class="block">
      <div class="heading">
        <h2>{count(all.length, "package")}</h2>
        <Search value={query} onChange={(q) => setParams({ q })} label="Search packages" />
        <span class="grow" />
        <button class="quiet" onClick={() => download(`${id}-packages.csv`, csv([["package", "version"], ...all]), "text/csv")}>CSV</button>
      </div>
      <ul class="packages">{found.map(([name, version]) => <li key={name}><span>{name}</span><code class="dim">{version}</code></li>)}</ul>
    </section>
  );
}
