"""An index in one call, filled by hand: for tests that need runs in it, and no run folders."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headway.store.index.schema import open_index

AddRun = Callable[..., int]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_index(tmp_path / "index.db")) as connection:
        yield connection


@pytest.fixture
def add_run(index: sqlite3.Connection) -> AddRun:
    """add_run(id, config, metrics, **columns of runs) -> row key; metrics is name -> columns of the table metrics."""

    def name_id(name: str) -> int:
        index.execute("INSERT OR IGNORE INTO names(name) VALUES (?)", [name])
        (found,) = index.execute("SELECT id FROM names WHERE name = ?", [name]).fetchone()
        return int(found)

    def insert(table: str, row: Mapping[str, Any]) -> int:
        columns, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
        statement = f"INSERT INTO {table}({columns}) VALUES ({marks})"
        return int(index.execute(statement, list(row.values())).lastrowid or 0)

    def add(
        id: str, config: Mapping[str, Any] | None = None, metrics: Mapping[str, Any] | None = None, **fields: Any
    ) -> int:
        row: dict[str, Any] = {"id": id, "project": "p", "status": "finished", "tags": [], "overrides": []} | fields
        texts = [id, row.get("name"), row.get("notes"), row["project"], *row["tags"], *row["overrides"]]
        row |= {"tags": json.dumps(row["tags"]), "overrides": json.dumps(row["overrides"])}
        key = insert("runs", row | {"search": "\n".join(filter(None, texts)).lower()})
        for name, value in (config or {}).items():
            text = value if isinstance(value, str) else json.dumps(value)
            number = float(value) if isinstance(value, int | float) else None
            insert("config", {"run": key, "key": name_id(name), "text": text, "number": number})
        for name, given in (metrics or {}).items():
            entry = given if isinstance(given, dict) else dict.fromkeys(("last", "min", "max", "best"), given)
            insert("metrics", {"run": key, "key": name_id(name), "mode": "max"} | entry)
        return key

    return add


@pytest.fixture
def four(add_run: AddRun) -> None:
    """Runs a, b, c, d: two recipes of a sweep, one that failed, and an archived one without config and metrics."""
    config = {"optimizer.lr": 1e-5, "model.path": "bert_base", "data.fold": None, "trainer.test": True, "size": 16}
    loss = {"last": 0.5, "min": 0.25, "max": 2.0, "best": 0.25, "mode": "min"}
    more = {"project": "p", "recipe": "r1", "host": "h1", "commit": "c0ffee", "data": "f1", "steps": 10}
    add_run(
        *("a", config | {"seed": 0}, {"val/loss": loss, "val/acc": 0.75}),
        **more | {"seed": 0, "name": "first 100%", "tags": ["final", 'x"final'], "created": 1000.0, "step": 10},
        **{"seconds": 60.0, "overrides": ["optimizer.lr=1e-5", "seed=0"]},
    )
    add_run(
        *("b", config | {"seed": 1}, {"val/loss": loss | {"best": 0.125}, "val/acc": 0.25}),
        **more | {"seed": 1, "name": "Second", "tags": ["FINAL", "é"], "created": 2000.0, "step": 10},
        **{"seconds": 3600.0, "overrides": ["optimizer.lr=1e-5", "seed=1"]},
    )
    add_run(
        *("c", {"optimizer.lr": 3e-5, "model.path": "lstm", "size": "16", "seed": 0}, {"val/loss": {"last": None}}),
        **{"status": "failed", "recipe": "r2", "seed": 0, "created": 3000.0, "notes": "It_broke", "step": 3},
        **{"overrides": ["model=lstm", "seed=0"]},
    )
    add_run("d", archived=1, recipe="r3", created=4000.0, project="other")
