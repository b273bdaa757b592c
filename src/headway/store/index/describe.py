"""What is known of a run beside its rows: run.json, config.yaml, overrides.yaml, marks.json -> `runs`, `config`."""

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from headway.store import layout
from headway.store.index.series import Names
from headway.store.marks import read_marks
from headway.store.rows import read_summary
from headway.store.run import Run, default_mode, flatten, read_yaml

# no one's experiment
NOT_IN_RECIPE = frozenset(
    {"seed", "name", "tags", "notes", "runs_dir", "trainer.threads", "trainer.train_predictions", "data.metadata"}
)

GUESSES = ("val/accuracy", "val/loss", "train/loss")  # in this order
_SECTION = re.compile(r"(?m)^(?=[A-Za-z_])")  # of block-style YAML: what begins a line at the margin
_mode = lru_cache(maxsize=None)(default_mode)

Flat = tuple[tuple[str, str, float | None], ...]  # (dotted key, text, number or None)


def open_run(path: Path) -> Run:
    """As Run.open, with its configuration parsed the fast way."""
    run = Run.open(path)
    run.__dict__["config"] = read_config(run.config_text)[0]  # the value of the cached property
    return run


def describe(connection: sqlite3.Connection, names: Names, run: Run, root: Path, stamp: str) -> int:
    """Write the rows of `runs` and `config`, and `metrics` from summary.json while no history is there; runs.key.

    Raises RunError, KeyError, TypeError, ValueError or AttributeError for a record of another shape than ours.
    """
    meta, marks = run.meta, read_marks(run.path)
    _, flat = read_config(run.config_text)
    metric, mode = run.monitored() or (None, None)
    name, notes = marks.get("name", run.name), marks.get("notes", meta.get("notes"))
    tags = [str(tag) for tag in marks.get("tags", meta["tags"])]
    overrides = _overrides(run.text(layout.OVERRIDES))
    git, data, plan = (_group(meta.get(key)) for key in ("git", "data", "plan"))
    row = {
        "id": run.id,
        "root": str(root),
        "path": str(run.path),
        "project": run.project,
        "name": _text(name),
        "tags": json.dumps(tags, ensure_ascii=False),
        "notes": _text(notes),
        "status": run.status,
        "recorded": meta["status"],
        "cause": _text(meta.get("cause")),
        "created": _unix(meta["created_at"]),
        "created_at": meta["created_at"],
        "started_at": _text(meta.get("started_at")),
        "ended_at": _text(meta.get("ended_at")),
        "seconds": run.seconds,
        "steps": _whole(plan.get("steps")),
        "seed": _whole(meta.get("seed")),
        "recipe": _recipe(flat),
        "data": _text(data.get("fingerprint")),
        "commit": _text(git.get("commit")),
        "host": _text(meta.get("host")),
        "archived": int(marks.get("archived", False)),
        "monitor": metric,
        "mode": mode,
        "search": "\n".join(map(str, (run.id, name or "", *tags, notes or "", run.project, *overrides))).lower(),
        "overrides": json.dumps(overrides, ensure_ascii=False),
        "stamp": f"{stamp}|",
        "sealed": 0,
    }
    row = {key: _storable(value) for key, value in row.items()}
    columns = ", ".join(f'"{key}"' for key in row)
    updates = ", ".join(f'"{key}" = excluded."{key}"' for key in row if key != "stamp")
    [(key, history_bytes)] = connection.execute(
        f"INSERT INTO runs({columns}) VALUES ({', '.join('?' * len(row))}) "
        f"ON CONFLICT(id) DO UPDATE SET {updates}, stamp = ? || substr(stamp, instr(stamp, '|')) "
        "RETURNING key, history_bytes",
        [*row.values(), stamp],
    ).fetchall()
    connection.execute("DELETE FROM config WHERE run = ?", [key])
    connection.executemany(
        "INSERT OR REPLACE INTO config VALUES (?, ?, ?, ?)",
        [(key, names[item], _storable(text), number) for item, text, number in flat],
    )
    if not history_bytes:
        _write_summary(connection, names, key, run, mode_of(metric, mode))
    guess_monitor(connection, key)
    return int(key)


def guess_monitor(connection: sqlite3.Connection, key: int) -> None:
    """Fill in what chose the best checkpoint where the run does not say, as Run.monitor does."""
    connection.execute(
        f"""UPDATE runs SET (monitor, mode) = (
            SELECT name, mode FROM metrics JOIN names ON id = metrics.key
            WHERE run = runs.key AND name IN {GUESSES} ORDER BY instr('{GUESSES[1]} {GUESSES[2]}', name) LIMIT 1)
        WHERE key = ? AND monitor IS NULL""",
        [key],
    )


def mode_of(monitor: str | None, mode: str | None) -> Callable[[str], str]:
    """From a metric to "min" or "max", for a run that monitors `monitor`."""
    return lambda metric: mode if mode and metric == monitor else _mode(metric)


def read_config(text: str) -> tuple[dict[str, Any], Flat]:
    """config.yaml as a dictionary and flat. Each top-level key is parsed by itself and remembered: runs share most."""
    config: dict[str, Any] = {}
    flat: Flat = ()
    for section in _SECTION.split(text):
        values, items = _section(section)
        config.update(values)
        flat += items
    return config, flat


@lru_cache(maxsize=4096)
def _section(text: str) -> tuple[dict[str, Any], Flat]:
    value = read_yaml(text, {})
    return value, tuple((key, *_leaf(item)) for key, item in flatten(value))


def _leaf(value: Any) -> tuple[str, float | None]:
    if isinstance(value, bool):
        return "true" if value else "false", float(value)
    if isinstance(value, int | float):
        return json.dumps(value), float(value) if abs(value) < 1e308 else None
    if isinstance(value, str):
        return value, None
    return json.dumps(value, default=str, ensure_ascii=False), None


@lru_cache(maxsize=4096)
def _overrides(text: str) -> tuple[str, ...]:
    return tuple(str(item) for item in read_yaml(text, []))


def _recipe(flat: Flat) -> str:
    """The same for runs that differ in nothing but their seed and what they are called."""
    kept = sorted(
        (key, text) for key, text, _ in flat if key.partition(".")[0] not in NOT_IN_RECIPE and key not in NOT_IN_RECIPE
    )
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:16]


def _write_summary(
    connection: sqlite3.Connection, names: Names, key: int, run: Run, mode: Callable[[str], str]
) -> None:
    connection.execute("DELETE FROM metrics WHERE run = ?", [key])
    fields = ("last", "last_step", "min", "min_step", "max", "max_step")
    rows = [
        (key, names[name], *map(entry.get, fields), entry.get(mode(name)), mode(name))
        for name, entry in (read_summary(run.path / layout.SUMMARY) or {}).items()
    ]
    connection.executemany(f"INSERT OR REPLACE INTO metrics VALUES ({', '.join('?' * 10)})", rows)
    last = max((int(row[3]) for row in rows if row[3] is not None), default=None)
    connection.execute("UPDATE runs SET step = ? WHERE key = ?", [last, key])


def _storable(value: Any) -> Any:
    """Text without lone surrogates, which SQLite refuses."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _group(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and abs(value) < 1 << 63 else None


def _unix(text: str) -> float | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
