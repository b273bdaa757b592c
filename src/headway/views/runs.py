"""What the command line prints of runs, as rich renderables.

Names, tags and metrics are other people's text: they are shown as text, never as markup or terminal commands.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from headway.facts import checkpoints, files, look_command, next_commands, runs_json, show_json
from headway.formats import age, duration, safe, size, value
from headway.store.run import Run

if TYPE_CHECKING:
    from headway.store.index.sql import Rows

__all__ = ["finished_view", "runs_json", "runs_table", "show_json", "show_view", "sql_table"]

STYLES = {
    "created": "dim",
    "running": "bold cyan",
    "finished": "green",
    "failed": "bold red",
    "crashed": "bold red",
    "diverged": "magenta",
    "preempted": "yellow",
    "stopped": "yellow",
}
MOST_METRICS = 60  # rows of the metrics table; the rest is counted
_LEFT = ("run", "project", "name", "status", "asked for")
_ORDER = {"test": 0, "val": 1, "train": 2, "perf": 4}


def runs_table(runs: Sequence[Run]) -> RenderableType:
    """One line per run, in the given order; the best value of a metric that all of them monitor is bold."""
    facts = runs_json(runs)
    metrics = {fact["monitor"]["metric"] for fact in facts if fact["monitor"]["metric"]}
    shared = next(iter(metrics)) if len(metrics) == 1 else None
    winner = _winner(facts) if shared else None

    def best(fact: Mapping[str, Any]) -> Text:
        number = _finite(fact["monitor"]["best"])
        metric = "" if shared or number is None else f"{safe(fact['monitor']['metric'], 16)} "
        return Text(metric + value(number), style="bold green" if fact["id"] == winner else "")

    columns: dict[str, list[Text]] = {
        "run": [Text(safe(fact["id"], 30)) for fact in facts],
        "project": [Text(safe(fact["project"], 16)) for fact in facts],
        "name": [Text(safe(fact["name"] or "", 24)) for fact in facts],
        "status": [Text(fact["status"] + _progress(fact), STYLES.get(fact["status"], "")) for fact in facts],
        "begun": [Text(age(fact["created_at"]), "dim") for fact in facts],
        "took": [Text(duration(fact["seconds"])) for fact in facts],
        safe(shared, 20) if shared else "best": [best(fact) for fact in facts],
        "asked for": [Text(safe(" ".join(fact["overrides"]), 200), "dim") for fact in facts],
    }
    if len({fact["project"] for fact in facts}) == 1:
        del columns["project"]
    return _Lines({header: cells for header, cells in columns.items() if any(cell.plain for cell in cells)})


def sql_table(found: "Rows") -> Table:
    """The rows of a statement; numbers to the right."""
    table = _table(2)
    for at, name in enumerate(found.columns):
        number = all(isinstance(row[at], int | float | None) for row in found.rows)
        table.add_column(Text(safe(name, 60)), justify="right" if number else "left", overflow="fold")
    for row in found.rows:
        table.add_row(*(Text("" if cell is None else safe(cell, 600)) for cell in row))
    return table


@dataclass(frozen=True)
class _Lines:
    """One line a row whatever the width: names are cut first, the last column gets what is left, or goes."""

    columns: Mapping[str, Sequence[Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        widths = {head: max(len(head), *(cell.cell_len for cell in cells)) for head, cells in self.columns.items()}
        asked = widths.pop("asked for", 0)
        if "name" in widths:
            widths["name"] = min(widths["name"], 24 if width >= 120 else 14)
        left = width - sum(widths.values()) - 2 * (len(widths) - 1)
        if "name" in widths and left < 0:
            widths["name"] = max(4, widths["name"] + left)
        if asked and left - 2 >= min(asked, 12):
            widths["asked for"] = min(asked, left - 2)
        table = _table(2)
        for head, most in widths.items():
            table.add_column(head, justify="left" if head in _LEFT else "right", no_wrap=True, width=most)
        for cells in zip(*(self.columns[head] for head in widths), strict=True):
            table.add_row(*cells)
        yield table


def _winner(facts: Sequence[Mapping[str, Any]]) -> str | None:
    scored = [(best, fact) for fact in facts if (best := _finite(fact["monitor"]["best"])) is not None]
    if len(scored) < 2:
        return None
    pick = min if scored[0][1]["monitor"]["mode"] == "min" else max
    return str(pick(scored, key=lambda pair: pair[0])[1]["id"])


def _progress(fact: Mapping[str, Any]) -> str:
    done, steps = fact["step"], fact["steps"]
    return f" {100 * done // steps}%" if fact["status"] == "running" and done and isinstance(steps, int) else ""


def show_view(run: Run) -> RenderableType:
    """Overview, metrics, data, checkpoints, files and the commands to go on with."""
    title = Text.assemble((f"{safe(run.name, 60)}  " if run.name else "", "bold"), (safe(run.id), "bold"))
    sections: dict[str, Callable[[Run], RenderableType | None]] = {
        "overview": _overview,
        "metrics": _metrics,
        "data": _data,
        "checkpoints": _checkpoints,
        "files": _files,
        "next": _commands,
    }
    parts: list[RenderableType] = [title]
    for name, build in sections.items():
        try:
            body = build(run)
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:  # a run.json from elsewhere can hold anything
            body = Text(f"cannot be shown: {type(error).__name__}: {safe(error, 100)}", style="red")
        if body is not None:
            parts += [Text(), Rule(name, align="left", style="dim"), Padding(body, (0, 0, 0, 2))]
    return Group(*parts)


def finished_view(run: Run) -> list[RenderableType]:
    """The end of a training: what came of it, where it is, and what to do next."""
    status = Text.assemble((run.status, STYLES.get(run.status, "")), f" after {duration(run.seconds) or '0s'}")
    metrics = _metrics(run, ("val/", "test/"))
    lines = [("run", str(run.path)), ("look", look_command(run)), *next_commands(run)]
    # plain lines, not a table: a path or a command that is cut to fit the window cannot be copied
    told = [Text.assemble((f"{name:<10}", "dim"), safe(line)) for name, line in lines]
    return [Text(), status, *([metrics] if metrics else []), Text(), *told]


def _overview(run: Run) -> Table:
    meta = run.meta
    git, versions, model = (meta.get(key) or {} for key in ("git", "versions", "model"))
    attempts = len(meta["attempts"])
    dirty = " with uncommitted changes (code.patch)" if git.get("dirty") else ""
    chosen = [f"{name} {versions[name]}" for name in ("python", "torch", "transformers") if name in versions]
    facts: list[tuple[str, Any]] = [
        ("status", Text.assemble((run.status, STYLES.get(run.status, "")), safe(f"  {meta.get('cause') or ''}", 300))),
        ("project", meta["project"]),
        ("tags", ", ".join(map(str, meta["tags"]))),
        ("notes", meta.get("notes")),
        ("begun", f"{age(meta['created_at'])}  ({meta['created_at']})"),
        ("took", duration(run.seconds) + (f" in {attempts} attempts" if attempts > 1 else "")),
        ("cost", _cost(meta.get("cost") or {})),
        ("host", meta.get("host")),
        ("command", shlex.join(map(str, meta.get("command") or []))),
        ("asked for", "  ".join(run.overrides)),
        ("seed", meta.get("seed")),
        ("config", meta.get("config_hash")),
        ("code", f"{git['commit'][:12]}{dirty}" if git.get("commit") else None),
        ("versions", ", ".join(chosen)),
        ("model", f"{model['parameters']:,} parameters" if "parameters" in model else None),
        *((f"tracker {mirror.get('name')}", _mirror(mirror)) for mirror in run.mirrors()),
        ("path", run.path),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts:
        if fact not in (None, ""):
            table.add_row(Text(safe(name, 30)), fact if isinstance(fact, Text) else Text(safe(fact, 600)))
    return table


def _cost(cost: Mapping[str, Any]) -> str:
    """`cost` of run.json in a line; "" where there is none."""
    if "training_s" not in cost:  # it was killed before there was any to tell
        return ""
    phases = {"training_s": "training", "evaluation_s": "evaluating", "waiting_s": "waiting for data"}
    parts = [", ".join(f"{duration(cost[key])} {what}" for key, what in phases.items())]
    if "compile_s" in cost:
        parts.append(f"{duration(cost['compile_s'])} compiling")
    if cost["tokens_per_s"]:
        parts.append(f"{cost['tokens_per_s']:,.0f} tokens/s")
    if cost["mfu"]:
        parts.append(f"{cost['mfu']:.0%} of the peak of {cost['peak_of']}")
    parts.append(size(cost["memory_bytes"]))
    if "gpu_memory_bytes" in cost:
        parts.append(f"{size(cost['gpu_memory_bytes'])} of the GPU")
    parts += [
        f"{joules / 1000:,.1f} kJ of the machine's {kind}" for kind, joules in cost.get("energy_joules", {}).items()
    ]
    return "; ".join(parts)


def _mirror(mirror: Mapping[str, Any]) -> Text:
    style = {"ok": "green", "failed": "bold red"}.get(str(mirror.get("status")), "")
    where = mirror.get("cause") or mirror.get("url_or_path") or ""
    return Text.assemble((safe(mirror.get("status"), 20), style), safe(f"  {mirror.get('rows', 0)} rows  {where}", 300))


def _metrics(run: Run, prefixes: tuple[str, ...] = ("",)) -> Table | None:
    summary = {name: entry for name, entry in run.summary().items() if name.startswith(prefixes)}
    monitored = (run.monitor() or ("", ""))[0]
    table = _table(3)
    table.add_column("metric", overflow="fold")
    for header in ("last", "best", "at step"):
        table.add_column(header, justify="right", no_wrap=True)
    names = sorted(summary, key=lambda name: (_ORDER.get(name.partition("/")[0], 3), name))
    for name in names[:MOST_METRICS]:
        entry, mode = summary[name], run.mode(name)
        judged = name == monitored or name.startswith(("test/", "val/", "train/loss"))
        best, at = (entry.get(mode), entry.get(f"{mode}_step")) if judged else (None, None)
        cells = (Text(safe(name)), Text(value(entry.get("last"))), Text(value(best)), Text(value(at)))
        table.add_row(*cells, style="bold" if name == monitored else "")
    if len(names) > MOST_METRICS:
        table.add_row(Text(f"and {len(names) - MOST_METRICS:,} more (--json)", style="dim"))
    return table if names else None


def _data(run: Run) -> RenderableType | None:
    data = run.meta.get("data")
    if not data:
        return None
    labels, splits, tokens = (data.get(key) or {} for key in ("labels", "splits", "tokens"))
    named = f": {', '.join(map(str, labels))}" if labels else ""
    counted = f", {len(labels)} labels{named}" if labels else ""
    head = f"fingerprint {str(data.get('fingerprint', ''))[:16]}{counted}"
    table = _table(3)
    table.add_column("split")
    for header in ("examples", "tokens", "empty left out", "duplicates"):
        table.add_column(header, justify="right", no_wrap=True)
    for name, split in splits.items():
        counts = (split.get("rows"), tokens.get(name), split.get("dropped_empty"), split.get("duplicates"))
        table.add_row(Text(safe(name)), *(Text(value(count)) for count in counts))
    parts: list[RenderableType] = [Text(safe(head, 300)), table]
    for pair in data.get("duplicates_across") or []:
        if pair.get("count"):
            first, second = (safe(split) for split in pair["splits"])
            example = next(iter(pair.get("examples") or []), None)
            such = f", such as {safe(example[1], 80)} = {safe(example[0], 80)}" if example else ""
            parts.append(Text(f"{pair['count']:,} texts of {second} are in {first} too{such}", style="yellow"))
    warnings = (data.get("checks") or {}).get("warnings") or []
    return Group(*parts, *(Text(safe(warning, 400), style="yellow") for warning in warnings))


def _checkpoints(run: Run) -> Table | None:
    table = _grid()
    for checkpoint in checkpoints(run):
        which = Text(", ".join(checkpoint["is"]), style="green")
        table.add_row(Text(safe(checkpoint["file"])), Text(size(checkpoint["bytes"])), which)
    return table if table.row_count else None


def _files(run: Run) -> Table:
    table = _grid()
    for file in files(run):
        folder = "files" in file
        count = Text(f"{file['files']} files" if folder else "", style="dim")
        table.add_row(Text(safe(file["path"], 80) + "/" * folder), Text(size(file["bytes"])), count)
    return table


def _commands(run: Run) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, command in [("look", look_command(run)), *next_commands(run)]:
        table.add_row(name, Text(safe(command)))
    return table


def _table(gap: int) -> Table:
    return Table(box=None, pad_edge=False, header_style="dim", padding=(0, gap, 0, 0))


def _grid() -> Table:
    """Name, amount, remark."""
    table = Table.grid(padding=(0, 3))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    return table


def _finite(stored: Any) -> float | None:
    return float(stored) if isinstance(stored, int | float) else None
