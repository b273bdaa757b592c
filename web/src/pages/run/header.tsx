import { useState } from "preact/hooks";
import { get, mark, type Marks, type Meta, type RunDetail } from "../../api";
import { age, duration, title, value } from "../../format";
import { useResource } from "../../resource";
import { Copy } from "../../ui/copy";
import { StatusMark } from "../../ui/status";
import { complain } from "../../ui/toast";
import { carried, href, patched, place } from "../../url";
import { commands } from "./facts";

export function useWritable(): boolean {
  return useResource("meta of the run", (abort) => get<Meta>("/api/meta", {}, abort)).data?.read_only === false;
}

/** Change what was said of a run, and show it. */
export async function change(run: RunDetail, marks: Marks, reload: () => void): Promise<void> {
  try {
    await mark([run.id], marks);
    reload();
  } catch (error) {
    complain(error);
  }
}

export function Header({ run, reload }: { run: RunDetail; reload: () => void }) {
  const writable = useWritable();
  const kept = carried(place.value.params);
  const compare = [...new Set([...(kept.get("sel") ?? "").split(",").filter(Boolean), run.id])];
  return (
    <header class="run-head">
      <div class="line">
        <Name run={run} writable={writable} reload={reload} />
        <StatusMark status={run.status} />
        {run.archived && <span class="chip">archived</span>}
        <span class="grow" />
        {compare.length > 1 && <a class="button" href={href("/compare", { runs: compare, sel: compare })}>Compare with {compare.length - 1} selected</a>}
      </div>
      <div class="line dim">
        <a href={href("/", patched(kept, { f: `project = ${quoted(run.project)}` }))} title="Runs of this project">{run.project}</a>
        <code>{run.id}</code>
        <span title={run.created_at}>{age(run.created_at)}</span>
        {run.seconds !== null && <span>{duration(run.seconds)}</span>}
        {run.step !== null && <span>step {run.step.toLocaleString("en-US")}{run.steps ? ` of ${run.steps.toLocaleString("en-US")}` : ""}</span>}
        {run.seed !== null && <span>seed {run.seed}</span>}
        <Tags run={run} writable={writable} reload={reload} />
      </div>
      {run.steps && run.status === "running" ? <progress max={run.steps} value={run.step ?? 0} aria-label="Steps done" /> : null}
      <div class="line">
        {run.monitor.metric && run.monitor.best !== null && (
          <span class="best"><b>{value(run.monitor.best)}</b> best {run.monitor.metric}{run.monitor.best_step !== null && <span class="dim"> at step {run.monitor.best_step.toLocaleString("en-US")}</span>}</span>
        )}
        <span class="grow" />
        <span class="copies">{commands(run).map(([name, text]) => <span key={name} title={text}><Copy text={text} label={name} /></span>)}</span>
      </div>
    </header>
  );
}

const focused = (box: HTMLInputElement | null): void => {
  if (box && document.activeElement !== box) box.focus();
};

const quoted = (text: string) => (/^[\w-]+$/.test(text) ? text : `"${text.replace(/"/g, '\\"')}"`);

function Name({ run, writable, reload }: { run: RunDetail; writable: boolean; reload: () => void }) {
  const [text, setText] = useState<string | null>(null);
  if (text === null) {
    return (
      <h1>
        {title(run)}
        {writable && <button class="quiet" onClick={() => setText(run.name ?? "")} title="Rename" aria-label="Rename">✎</button>}
      </h1>
    );
  }
  const done = () => {
    setText(null);
    if (text.trim() !== (run.name ?? "")) void change(run, { name: text.trim() || null }, reload);
  };
  return (
    <form onSubmit={(event) => { event.preventDefault(); done(); }}>
      <input class="rename" value={text} aria-label="Name of the run" placeholder={run.id} ref={focused}
        onInput={(event) => setText(event.currentTarget.value)} onBlur={done}
        onKeyDown={(event) => { if (event.key === "Escape") { event.stopPropagation(); setText(null); } }} />
    </form>
  );
}

function Tags({ run, writable, reload }: { run: RunDetail; writable: boolean; reload: () => void }) {
  const [text, setText] = useState<string | null>(null);
  const add = () => {
    if (text?.trim()) void change(run, { add_tags: [text.trim()] }, reload);
    setText(null);
  };
  return (
    <span class="tags">
      {run.tags.map((tag) => (
        <span key={tag} class="chip">
          {tag}
          {writable && <button onClick={() => void change(run, { remove_tags: [tag] }, reload)} aria-label={`Remove the tag ${tag}`}>×</button>}
        </span>
      ))}
      {writable && (text === null ? (
        <button class="quiet" onClick={() => setText("")}>+ tag</button>
      ) : (
        <form onSubmit={(event) => { event.preventDefault(); add(); }}>
          <input class="tag-input" value={text} aria-label="New tag" ref={focused}
            onInput={(event) => setText(event.currentTarget.value)} onBlur={add} />
        </form>
      ))}
    </span>
  );
}
