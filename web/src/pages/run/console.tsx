import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, get } from "../../api";
import { bytes, count } from "../../format";
import { Hits } from "../../parts/clamp";
import { Search } from "../../parts/facts";
import { Empty, Failed } from "../../ui/empty";
import { href, place, setParams } from "../../url";
import { appended, blocks, coloured, matching, prepended, type Part } from "./output";
import type { TabProps } from "./page";
import { api } from "./address";

const EARLIER = 512 * 1024; // bytes loaded when the top is reached
const EVERY = 2000; // ms between looks at the output of a run that is on: a line without a metric is no change to the server
const NEAR = 40; // pixels from an end that count as being there

/** output.log: its end, followed while the run is on; earlier parts when the top is reached. */
export function ConsoleTab({ run, turn }: TabProps) {
  const { params } = place.value;
  const [query, wrap] = [params.get("q") ?? "", !params.has("nowrap")];
  const [part, setPart] = useState<Part | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [follow, setFollow] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  const anchor = useRef<{ row: Element; top: number } | null>(null); // the line looked at when an earlier part was put in front
  const busy = useRef(false);
  const held = useRef<Part | null>(null); // what is loaded, for answers that arrive between two drawings
  const [tick, setTick] = useState(0);
  const on = run.status === "running" || run.status === "created";
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => document.visibilityState === "visible" && setTick((n) => n + 1), EVERY);
    return () => clearInterval(timer);
  }, [on]);

  const ask = (from: number | null) => get<Part>(api(run.id, "output"), from === null ? {} : { from });
  const failed = (problem: unknown) => setError(problem instanceof ApiError ? problem : new ApiError(0, String(problem)));
  const hold = (next: Part) => {
    if (next !== held.current) setPart(next);
    held.current = next;
  };
  useEffect(() => {
    let left = false;
    const load = async () => {
      for (let more = true; more && !left; ) {
        let next = await ask(held.current ? held.current.to : null);
        if (held.current && next.size < held.current.to) next = await ask(null); // it began again
        if (left) return;
        if (!held.current || next.text !== "" || next.size < held.current.to) hold(appended(held.current, next));
        more = next.to < next.size && next.text !== "";
      }
      if (!left) setError(null);
    };
    load().catch((problem) => left || failed(problem));
    return () => void (left = true);
  }, [run.id, turn, tick]);

  const earlier = async () => {
    if (!part || part.from === 0 || busy.current) return;
    busy.current = true;
    try {
      let before = await ask(Math.max(0, part.from - EARLIER));
      const encoder = new TextEncoder();
      // the answer may reach beyond what is loaded: cut it where that begins
      if (before.to > part.from) {
        const whole = encoder.encode(before.text).slice(0, part.from - before.from);
        before = { ...before, text: new TextDecoder().decode(whole), to: part.from };
      }
      anchor.current = box.current && topRow(box.current);
      if (held.current) hold(prepended(before, held.current));
    } catch (problem) {
      failed(problem);
    }
    busy.current = false;
  };

  useLayoutEffect(() => {
    const pane = box.current;
    if (!pane) return;
    if (anchor.current) pane.scrollTop += anchor.current.row.getBoundingClientRect().top - anchor.current.top;
    else if (follow) pane.scrollTop = pane.scrollHeight;
    anchor.current = null;
  }, [part, follow, wrap, query]);

  const onScroll = () => {
    const pane = box.current!;
    setFollow(pane.scrollHeight - pane.scrollTop - pane.clientHeight < NEAR);
    if (pane.scrollTop < NEAR && !query) void earlier();
  };
  const found = useMemo(() => (query && part ? matching(part.text, query) : null), [part?.text, query]);
  const drawn = useMemo(() => (found ? blocks(found.join("\n")) : blocks(part?.text ?? "", part?.front)), [part?.text, found]);

  if (error && !part) return <Failed error={error} />;
  if (part && part.size === 0) return <Empty title="The run has written nothing to its console." hint={run.status === "running" ? "What it writes appears here." : undefined} />;
  return (
    <section class="console-tab">
      <div class="toolbar">
        <Search value={query} onChange={(q) => setParams({ q })} label="Show lines that contain" wide />
        {found && <span class="dim">{count(found.length, "line")}</span>}
        {part && part.from > 0 && <button onClick={() => void earlier()}>Load earlier <span class="dim">({bytes(part.from)})</span></button>}
        <span class="grow" />
        <label><input type="checkbox" checked={wrap} onChange={(event) => setParams({ nowrap: !event.currentTarget.checked })} /> wrap</label>
        <label title="Keep the end in view as lines arrive"><input type="checkbox" checked={follow} onChange={(event) => setFollow(event.currentTarget.checked)} /> follow</label>
        {part && <span class="dim">{bytes(part.size)}</span>}
        <a class="button" href={href(api(run.id, "file"), { path: "output.log" })} download>Download</a>
      </div>
      {error && <Failed error={error} />}
      <div class={`console${wrap ? " wrap" : ""}`} ref={box} onScroll={onScroll} tabIndex={0} role="log" aria-label="Console output" aria-live="off">
        {part && part.from === 0 && !found && <p class="dim edge">beginning of the output</p>}
        {drawn.map((one) => <Lines key={one.key} text={one.text} query={query} />)}
        {found?.length === 0 && <p class="dim edge">No loaded line contains “{query}”{part && part.from > 0 ? "; load earlier ones." : "."}</p>}
      </div>
    </section>
  );
}

function topRow(pane: Element): { row: Element; top: number } | null {
  const edge = pane.getBoundingClientRect().top;
  for (const row of pane.querySelectorAll(".row")) {
    const { top, bottom } = row.getBoundingClientRect();
    if (bottom > edge) return { row, top };
  }
  return null;
}

/** Drawn again only when its text or the search changes. Rows are keyed from their end: lines put in front of a block leave the others as they are. */
function Lines({ text, query }: { text: string; query: string }) {
  return useMemo(() => {
    const lines = text.split("\n");
    return (
      <pre>
        {lines.map((line, at) => (
          <span key={lines.length - at} class="row">
            {coloured(line).map((run, place) => (run.style || query ? <span key={place} class={run.style}><Hits text={run.text} query={query} /></span> : run.text))}
            {"\n"}
          </span>
        ))}
      </pre>
    );
  }, [text, query]);
}
