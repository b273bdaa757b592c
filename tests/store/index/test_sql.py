import math
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from headway.errors import HeadwayError
from headway.store.index.chunks import encode
from headway.store.index.sql import SqlError, select

pytestmark = pytest.mark.usefixtures("four")


@pytest.fixture
def path(index: sqlite3.Connection, tmp_path: Path) -> Path:
    """Of the index, in which run a has three points of val/loss in two chunks, and b two of val/acc."""
    chunks = {("a", "val/loss"): [([1, 5], [0.5, math.nan]), ([9], [-math.inf])], ("b", "val/acc"): [([1, 2], [0, 1])]}
    for (run, metric), parts in chunks.items():
        (key,) = index.execute("SELECT key FROM runs WHERE id = ?", [run]).fetchone()
        (name,) = index.execute("SELECT id FROM names WHERE name = ?", [metric]).fetchone()
        index.execute("INSERT INTO series(run, key) VALUES (?, ?)", [key, name])
        for part, (steps, values) in enumerate(parts):
            data = encode(np.array(steps, np.int64), np.array(values, np.float64))
            index.execute("INSERT INTO chunks(run, key, part, data) VALUES (?, ?, ?, ?)", [key, name, part, data])
    return tmp_path / "index.db"


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT id, archived FROM runs WHERE project = 'other'", [("d", 1)]),
        ("SELECT run, value, number FROM config WHERE key = 'size' ORDER BY run DESC LIMIT 1", [("c", "16", None)]),
        (
            "SELECT run, best, mode FROM metrics WHERE key = 'val/acc' ORDER BY 1",
            [("a", 0.75, "max"), ("b", 0.25, "max")],
        ),
        ("SELECT * FROM history WHERE run = 'b'", [("b", "val/acc", 1, 0.0), ("b", "val/acc", 2, 1.0)]),
        ("SELECT step, value FROM history WHERE metric = 'val/loss'", [(1, 0.5), (5, None), (9, -math.inf)]),
        ("SELECT avg(number) FROM config JOIN runs ON id = run WHERE key = 'seed' AND recipe = 'r1'", [(0.5,)]),
        ("SELECT DISTINCT value FROM runs, json_each(tags) WHERE runs.id = 'b'", [("FINAL",), ("é",)]),
        ("SELECT value FROM json_tree('[[5]]') WHERE type = 'integer'", [(5,)]),
        ("WITH best AS (SELECT max(best) AS b FROM metrics) SELECT b FROM best", [(0.75,)]),
        ("SELECT count(*) FROM main.names WHERE name = 'val/acc'", [(1,)]),
        ("SELECT NULL, 1, 1.5, 'x', x'00ff'", [(None, 1, 1.5, "x", "<2 bytes>")]),
        ("SELECT 1 WHERE 0", []),
    ],
)
def test_rows(path: Path, query: str, rows: list[tuple[object, ...]]) -> None:
    assert select(path, query).rows == rows


def test_columns_and_a_limit_that_is_told(path: Path) -> None:
    found = select(path, "SELECT id AS run, seed FROM runs ORDER BY id", limit=2)
    assert (found.columns, found.rows, found.more) == (["run", "seed"], [("a", 0), ("b", 1)], True)
    assert select(path, "SELECT id FROM runs", limit=4).more is False


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM runs",
        "DELETE FROM main.runs",
        "UPDATE main.runs SET name = 'x'",
        "INSERT INTO main.names(name) VALUES ('x')",
        "DROP TABLE main.runs",
        "DROP VIEW runs",
        "CREATE TABLE x(y)",
        "CREATE TEMP TABLE x(y)",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'other.db'",
        "PRAGMA query_only = 0",
        "PRAGMA journal_mode = DELETE",
        "BEGIN IMMEDIATE",
        "SELECT load_extension('x')",
        "REINDEX",
        "ANALYZE",
    ],
)
def test_only_select(path: Path, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    before = select(path, "SELECT count(*), max(name) FROM runs").rows
    with pytest.raises(SqlError, match="only SELECT is allowed here"):
        select(path, query)
    assert not Path("other.db").exists()
    assert select(path, "SELECT count(*), max(name) FROM runs").rows == before


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT 1; SELECT 2", "one SELECT at a time"),
        ("SELEC 1", 'near "SELEC": syntax error'),
        ("SELECT nme FROM runs", "no such column: nme"),
        ("SELECT * FROM run", "no such table: run; there are runs, config, metrics, history"),
        ("SELECT zeroblob(1000000000)", "too big"),
        ("SELECT points_of(1)", "user-defined function raised exception"),
        ("SELECT 1" + " + 1" * 50_000, "too"),
        ("SELECT '\0'", "sql:"),
        ("SELECT '\ud800'", "sql:"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
            "took longer than 0.1 s",
        ),
    ],
)
def test_errors_are_one_line(path: Path, query: str, says: str) -> None:
    with pytest.raises(HeadwayError) as raised:
        select(path, query, seconds=0.1 if "RECURSIVE" in query else 30)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_text_in_all_rows_is_bounded(path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT hex(zeroblob(500000)) FROM n"
    found = select(path, endless)
    assert found.more
    assert len(found.rows) == 67  # of a million characters each


def test_an_index_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SqlError, match=r"nothing\.db: cannot be read"):
        select(tmp_path / "nothing.db", "SELECT 1")
    assert not (tmp_path / "nothing.db").exists()


def test_a_point_is_decoded_only_when_it_is_asked_for(path: Path, index: sqlite3.Connection) -> None:
    index.execute("UPDATE chunks SET data = x'00' WHERE run = (SELECT key FROM runs WHERE id = 'a')")
    assert select(path, "SELECT count(*) FROM history WHERE run = 'b' AND metric = 'val/acc'").rows == [(2,)]
    with pytest.raises(SqlError):
        select(path, "SELECT count(*) FROM history")
