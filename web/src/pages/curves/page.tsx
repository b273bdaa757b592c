/** Curves: chosen metrics as small multiples over the runs that are selected or match the filter. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get, type GroupTable, type Keys, type RunTable } from "../../api";
import { CurveChart } from "../../charts/curve-chart";
import { distinctTitles } from "../../charts/names";
import { count } from "../../format";
import { useShortcuts } from "../../keyboard";
import { useResource } from "../../resource";
import { isTexts, remember, remembered } from "../../saved";
import { Empty, Failed } from "../../ui/empty";
import { filter, href, place, setParams } from "../../url";
import "./curves.css";
import { filterOf, moved, smoother, tiles, toggled, usual, written, type Tile } from "./layout";
import { MetricPicker } from "./metric-picker";
import { SideList, type Item } from "./side-list";
import { TileBox, tileMenu } from "./tile";
import { Toolbar } from "./toolbar";
import { MOST, rangeParams, viewOf } from "./view";

const CROWD = 60; // runs from which on 500 points of each are enough
const PAUSE = 200; // ms after the slider's last move before the address follows

export default function CurvesPage() {
  const params = place.value.params;
  const view = useMemo(() => viewOf(params), [params]);
  const f = view.runs.length ? filterOf(view.runs) : filter.value;
  const common = { f, archived: view.archived || view.runs.length > 0 };
  const rows = { ...common, sort: "-created", limit: MOST };
  const table = useResource(href("/api/runs", rows), (abort) => get<RunTable>("/api/runs", rows, abort), { live: true });
  const keys = useResource(href("/api/keys", common), (abort) => get<Keys>("/api/keys", common, abort), { live: true }).data;
  const grouping = { ...common, group: view.group, limit: 1000 };
  const groups = useResource(view.group ? href("/api/runs", grouping) : null, (abort) => get<GroupTable>("/api/runs", grouping, abort), { live: true }).data;

  const runs = table.data?.rows ?? [];
  const groupOf = useMemo(
    () => (view.group && groups ? new Map(groups.groups.flatMap((one) => one.ids.map((id) => [id, one.title] as const))) : undefined),
    [groups, view.group],
  );
  const titles = distinctTitles(runs);
  const items: Item[] = groupOf
    ? [...new Set(runs.map(({ id }) => groupOf.get(id)).filter((name) => name !== undefined))].map((name) => ({
        id: name, label: name, hint: count(runs.filter(({ id }) => groupOf.get(id) === name).length, "run"), href: null,
      }))
    : runs.map((run, at) => ({ id: run.id, label: titles[at]!, hint: `${run.project}, ${run.status}, ${run.id}`, href: href(`/run/${encodeURIComponent(run.id)}`) }));
  const names = items.map(({ id }) => id).join("\n");
  const order = useMemo(() => new Map(items.map(({ id }, at) => [id, at])), [names]);
  const hidden = useMemo(() => new Set(view.hidden), [view.hidden.join("\n")]);

  const saved = useMemo(() => tiles(remembered("curves.metrics", [], isTexts), remembered("curves.sizes", [], isTexts)), []);
  const usable = saved.filter(({ metric }) => keys?.metrics.some(({ key }) => key === metric));
  const list = view.metrics.length ? tiles(view.metrics, view.sizes) : usable.length ? usable : tiles(keys ? usual(keys.metrics) : [], []);
  const change = (next: readonly Tile[]) => {
    const { m, size } = written(next);
    setParams({ m, size });
    remember("curves.metrics", m);
    remember("curves.sizes", size);
  };
  const reset = () => change(tiles(keys ? usual(keys.metrics) : [], []));

  const focus = useSignal<string | null>(null);
  const [smooth, setSmooth] = useState(view.smooth);
  const timer = useRef(0);
  useEffect(() => setSmooth(view.smooth), [view.smooth]);
  const changeSmooth = (weight: number) => {
    setSmooth(weight);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => setParams({ smooth: weight || null }), PAUSE);
  };
  const pointedAt = useRef<string | null>(null);
  const [full, setFull] = useState<string | null>(null);
  const [dragged, setDragged] = useState<number | null>(null);
  const [listed, setListed] = useState(innerWidth > 860);
  useShortcuts([
    { keys: "]", what: "smooth more", run: () => changeSmooth(smoother(smooth, true)) },
    { keys: "[", what: "smooth less", run: () => changeSmooth(smoother(smooth, false)) },
    { keys: "l", what: "log y", run: () => setParams({ logy: !view.logY }) },
    { keys: "o", what: "ignore outliers", run: () => setParams({ outliers: view.outliers ? "ignore" : null }) },
    { keys: "f", what: "the chart under the pointer over the whole page", run: () => setFull(full ? null : (pointedAt.current ?? list[0]?.metric ?? null)) },
    { keys: "z", what: "reset zoom", run: () => setParams(rangeParams(null)) },
    ...(full ? [{ keys: "Escape", what: "back to all charts", run: () => setFull(null) }] : []),
  ]);

  if (table.error && !table.data) return <Failed error={table.error} retry={table.reload} />;
  if (!table.data) return <div class="loading" role="status">…</div>;
  if (!table.data.all) return <Empty title="No runs yet." command="headway train" hint="Its curves appear here while it trains." />;
  if (!runs.length) return <Empty title="No run matches the filter." hint="Empty the filter, or write another." />;

  const request = view.runs.length ? { runs: view.runs } : { f, sort: "-created", limit: MOST, archived: view.archived };
  const total = table.data.total;
  const shown = total > runs.length ? `${runs.length} of ${count(total, "run")}, newest first` : count(runs.length, "run");
  const note = groupOf ? `${count(items.length, "group")} of ${shown}` : shown;
  return (
    <>
      <Toolbar view={view} smooth={smooth} onSmooth={changeSmooth} keys={keys}>
        <MetricPicker metrics={keys?.metrics ?? []} chosen={list.map(({ metric }) => metric)} onToggle={(metric) => change(toggled(list, metric))}
          onReset={reset} />
        <button aria-pressed={listed} title={`List of runs: ${note}`}
          onClick={() => setListed(!listed)}>{count(items.length, groupOf ? "group" : "run")}</button>
      </Toolbar>
      <div class={`curves${listed ? " listed" : ""}`}>
        {listed && (
          <SideList items={items} noun={groupOf ? "group" : "run"} note={note} order={order} hidden={hidden} focus={focus}
            onHide={(hide) => setParams({ hide })} />
        )}
        <div class="tiles">
          {list.map((tile, at) => (
            <TileBox key={tile.metric} tile={tile} at={at} full={tile.metric === full} dragged={dragged} onDrag={setDragged}
              onPoint={() => (pointedAt.current = tile.metric)}
              onDrop={() => dragged !== null && change(moved(list, dragged, at))}>
              {(height) => (
                <CurveChart metric={tile.metric} title={<span class="grip" draggable title={`${tile.metric}; drag to move`}>{tile.metric}</span>}
                  x={view.x} params={request} height={height} points={runs.length > CROWD ? 500 : 2000}
                  smooth={smooth} logX={view.logX} logY={view.logY} outliers={view.outliers} hidden={hidden} order={order} focus={focus} legend={false}
                  {...(groupOf && { groups: groupOf, band: view.band })}
                  {...(view.linked && { range: view.range, onRange: (range) => setParams(rangeParams(range)) })}
                  menu={tileMenu(tile, at, tile.metric === full, {
                    onMove: (to) => change(moved(list, at, to)),
                    onSize: (size) => change(list.map((one) => (one === tile ? { ...one, size } : one))),
                    onHide: () => change(toggled(list, tile.metric)),
                    onFull: (on) => setFull(on ? tile.metric : null),
                  })} />
              )}
            </TileBox>
          ))}
          {!list.length && <Empty title="No metric is chosen." hint="Choose some under “metrics”." />}
        </div>
      </div>
    </>
  );
}
