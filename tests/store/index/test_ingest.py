import json
import logging
import math
import multiprocessing
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headway.store import atomic, layout
from headway.store.history import HistoryWriter
from headway.store.index import chunks, ingest, parse, schema, series
from headway.store.index.curves import series as exact
from headway.store.index.ingest import Changes, refresh
from headway.store.rows import History
from headway.store.writer import RunRecord, create_run

CONFIG = """\
seed: 1
name: null
optimizer:
  lr: 1.0e-05
  betas:
  - 0.9
  - 0.999
model:
  tie: true
  pooling: null
  path: bert
"""
KEYS = ("train/loss", "val/loss", 'odd é"name', "time", "epoch")
TABLES = ("runs", "config", "metrics", "series", "chunks")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = schema.open_index(tmp_path / "index.db")
    yield connection
    connection.close()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks, blocks and pyramids so small that a few hundred rows fill several."""
    monkeypatch.setattr(series, "CHUNK", 64)
    monkeypatch.setattr(series, "bucket_limit", lambda _: 32)
    monkeypatch.setattr(series, "COARSE", 8)
    monkeypatch.setattr(parse, "BLOCK", 4000)
    monkeypatch.setattr(parse, "FEW", 8)
    monkeypatch.setattr(ingest, "TAKE", 10_000)


def make_run(root: Path, **changes: Any) -> Path:
    fields: dict[str, Any] = {
        "project": "reviews",
        "name": None,
        "tags": [],
        "notes": None,
        "config_yaml": CONFIG,
        "config_hash": "0123456789abcdef",
        "overrides": ["optimizer.lr=1e-5"],
        "command": ["headway", "train"],
        "seed": 1,
    }
    return create_run(root, **(fields | changes))


def log_rows(run: Path, rows: dict[int, float], key: str = "train/loss") -> None:
    with HistoryWriter(run / layout.HISTORY) as history:
        for step, value in rows.items():
            history.log(step, {key: value})


def end(run: Path, status: str = "finished") -> None:
    """Ended, and long enough ago for its folder's time to be trusted."""
    RunRecord(run).update(status=status)
    os.utime(run, (time.time() - 60, time.time() - 60))


def check(connection: sqlite3.Connection, run: Path, keys: tuple[str, ...] = KEYS) -> None:
    """What the index holds of a run's rows is what its history says."""
    found = exact(connection, run.name, keys)
    expected = History(run).columns(keys)
    assert found["step"].tolist() == expected["step"]
    for key in keys:
        np.testing.assert_array_equal(found[key], expected[key], err_msg=key)
    check_summary(connection, run, keys)
    check_pyramids(connection)


def check_summary(connection: sqlite3.Connection, run: Path, keys: tuple[str, ...]) -> None:
    for key in keys:
        if key in ("time", "epoch"):
            continue
        columns = History(run).columns([key])
        steps, values = np.array(columns["step"]), np.array(columns[key])
        finite = values[np.isfinite(values)]
        row = connection.execute(
            "SELECT last, last_step, min, min_step, max, max_step, best, metrics.mode "
            "FROM metrics JOIN runs ON run = runs.key JOIN names ON metrics.key = names.id "
            "WHERE runs.id = ? AND names.name = ?",
            [run.name, key],
        ).fetchone()
        if not len(steps):
            assert row is None
            continue
        assert row[1] == steps[-1]
        assert row[0] == (None if math.isnan(values[-1]) else values[-1])
        assert row[2] == (finite.min() if len(finite) else None)
        assert row[4] == (finite.max() if len(finite) else None)
        if len(finite):
            assert values[steps == row[3]] == row[2]
            assert values[steps == row[5]] == row[4]
        assert row[6] == row[2 if row[7] == "min" else 4]


def check_pyramids(connection: sqlite3.Connection) -> None:
    for run, key, points, first, last, coarse, pyramid in connection.execute("SELECT * FROM series").fetchall():
        stored = connection.execute(
            "SELECT data, first_step, last_step, points FROM chunks WHERE run = ? AND key = ? ORDER BY part", [run, key]
        ).fetchall()
        assert [row[3] for row in stored[:-1]] == [series.CHUNK] * (len(stored) - 1)
        steps, values = (np.concatenate(part) for part in zip(*(chunks.decode(row[0]) for row in stored), strict=True))
        assert (points, first, last) == (len(steps), steps[0], steps[-1])
        assert (pyramid is None) == (points <= series.CHUNK)
        for data, limit in ((pyramid, 32), (coarse, 8)) if pyramid else ():
            buckets = chunks.Buckets.from_bytes(data)
            again = chunks.Buckets.of(steps, values, buckets.width)
            assert len(buckets) <= limit
            assert buckets.first == again.first
            for one, other in zip(buckets.columns, again.columns, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-9)


def random_history(rng: random.Random, lines: int) -> list[bytes]:
    """Rows as they come from training, and as they never should."""
    made, step, now = [], 0, 1.79e9
    for _ in range(lines):
        now += round(rng.random(), 3)
        chance = rng.random()
        if chance < 0.01:
            step = rng.randrange(step + 1)
            made.append({"resumed_at": step, "time": now})
            continue
        if chance < 0.02:
            made.append(
                rng.choice(
                    [
                        b"\0\0\0",
                        b"[1]",
                        b'{"step":1,"train/loss":null}',
                        b'{"step":2}{"step":3}',
                        b"",
                        b'{"step":1,"train/loss":true}',
                        b'{"step":"x"}',
                        b"\xff",
                        b'{"step":4.5,"train/loss":1}',
                        b'{"step":5,"train/loss":7e999}',
                        b'{"step":99999999999999999999}',
                    ]
                )
            )
            continue
        row: dict[str, Any] = {"step": step, "time": now}
        if chance < 0.9:
            step += rng.choice([1, 1, 1, 0, 10])
            row |= {"epoch": step / 100, "train/loss": rng.choice([rng.gauss(0, 1), rng.randrange(9), 2**60])}
        if chance > 0.85:
            row |= {"val/loss": rng.gauss(0, 1), 'odd é"name': rng.random()}
        if chance > 0.98:
            row |= {"train/loss": rng.choice(["NaN", "Infinity", "-Infinity"])}
        made.append(row)
    return [line if isinstance(line, bytes) else json.dumps(line, separators=(",", ":")).encode() for line in made]


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.usefixtures("small")
def test_any_history_in_any_pieces_is_taken_in_as_a_reader_sees_it(
    tmp_path: Path, root: Path, connection: sqlite3.Connection, seed: int
) -> None:
    rng = random.Random(seed)
    run = make_run(root)
    content = b"".join(line + b"\n" for line in random_history(rng, rng.choice([20, 300, 1500])))
    cuts = sorted(rng.randrange(len(content) + 1) for _ in range(rng.randrange(12)))
    for start, stop in zip([0, *cuts], [*cuts, len(content)], strict=True):
        with (run / layout.HISTORY).open("ab") as file:
            file.write(content[start:stop])
        refresh(connection, [root])
        if rng.random() < 0.3:
            check(connection, run)
    check(connection, run)
    once = schema.open_index(tmp_path / "once.db")
    refresh(once, [root])
    check(once, run)
    for table in ("metrics", "runs"):
        ours, other = (contents(db, table) for db in (connection, once))
        assert ours == other, table
    once.close()


def contents(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    if table == "runs":
        columns = {row[1] for row in connection.execute("PRAGMA table_info(runs)")} - {"key", "seconds"}
        return sorted(connection.execute(f"SELECT {', '.join(map(json.dumps, sorted(columns)))} FROM runs").fetchall())
    return sorted(
        (
            (id, name, *rest)
            for id, name, _, _, *rest in connection.execute(
                f"SELECT runs.id, names.name, {table}.* FROM {table} JOIN runs ON runs.key = run "
                f"JOIN names ON names.id = {table}.key"
            )
        ),
        key=repr,
    )


def test_a_million_steps_grow_by_a_few_rows_without_being_read_again(
    root: Path, connection: sqlite3.Connection
) -> None:
    run = make_run(root)
    with (run / layout.HISTORY).open("w") as file:
        file.writelines(f'{{"step":{step},"time":{step / 10},"train/loss":{step / 7}}}\n' for step in range(60_000))
    refresh(connection, [root])
    before = connection.execute("SELECT rowid FROM chunks ORDER BY rowid").fetchall()
    log_rows(run, {60_000: 1.0, 60_001: 2.0})
    assert refresh(connection, [root]) == Changes({run.name}, set(), 0)
    check_kept = connection.execute("SELECT rowid FROM chunks ORDER BY rowid").fetchall()
    assert len(set(before) - set(check_kept)) == 2  # the last chunk of each of two series
    assert exact(connection, run.name, ["train/loss"], 59_999)["train/loss"].tolist() == [59_999 / 7, 1.0, 2.0]


def test_a_run_is_described(root: Path, connection: sqlite3.Connection) -> None:
    run = make_run(root, name="first", tags=["a", "b"], notes="Why")
    RunRecord(run).update(
        data={"fingerprint": "f00"},
        plan={"steps": 40},
        git={"commit": "c0ffee"},
        monitor={"metric": "val/f1", "mode": "max"},
    )
    assert refresh(connection, [root]) == Changes({run.name}, set(), 0)
    columns = """id, path, root, project, name, tags, notes, status, seed, steps, data, "commit", archived,
        monitor, mode, overrides"""
    [row] = connection.execute(f"SELECT {columns} FROM runs")
    assert row == (
        *(run.name, str(run), str(root), "reviews", "first", '["a", "b"]', "Why", "created", 1, 40, "f00"),
        *(row[11], 0, "val/f1", "max", '["optimizer.lr=1e-5"]'),
    )
    assert row[11] == "c0ffee"
    flat = {
        key: (text, number)
        for key, text, number in connection.execute("SELECT name, text, number FROM config JOIN names ON id = key")
    }
    assert flat == {
        "seed": ("1", 1.0),
        "name": ("null", None),
        "optimizer.lr": ("1e-05", 1e-5),
        "optimizer.betas": ("[0.9, 0.999]", None),
        "model.tie": ("true", 1.0),
        "model.pooling": ("null", None),
        "model.path": ("bert", None),
    }
    [(search, created)] = connection.execute("SELECT search, created FROM runs")
    assert all(text in search for text in (run.name, "first", "a", "why", "reviews", "optimizer.lr=1e-5"))
    assert abs(created - time.time()) < 600


def test_runs_that_differ_in_the_seed_and_their_name_only_share_a_recipe(
    root: Path, connection: sqlite3.Connection
) -> None:
    for text in ("seed: 1\nname: a\nx: {y: 1}\n", "seed: 2\nname: b\nx: {y: 1}\n", "seed: 1\nname: a\nx: {y: 2}\n"):
        make_run(root, config_yaml=text)
    refresh(connection, [root])
    counts = connection.execute("SELECT count(*) FROM runs GROUP BY recipe ORDER BY 1").fetchall()
    assert counts == [(1,), (2,)]


def test_what_a_user_says_later_counts(root: Path, connection: sqlite3.Connection) -> None:
    run = make_run(root, name="first", tags=["old"])
    end(run)
    refresh(connection, [root])
    atomic.write_json(run / layout.MARKS, {"name": "second", "tags": ["new"], "archived": True})
    assert refresh(connection, [root]).changed == {run.name}
    [row] = connection.execute("SELECT name, tags, archived, search LIKE '%second%' FROM runs")
    assert row == ("second", '["new"]', 1, 1)


def test_an_ended_run_is_not_opened_again_until_its_folder_changes(
    root: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(root)
    log_rows(run, {1: 1.0})
    end(run)
    assert refresh(connection, [root]).changed == {run.name}
    assert connection.execute("SELECT sealed FROM runs").fetchone() == (1,)
    with monkeypatch.context() as context:
        context.setattr(Path, "open", lambda *_: pytest.fail("opened"))
        context.setattr(Path, "read_bytes", lambda *_: pytest.fail("read"))
        assert refresh(connection, [root]) == Changes(set(), set(), 0)
    RunRecord(run).update(status="running")  # resumed
    log_rows(run, {2: 2.0})
    assert refresh(connection, [root]).changed == {run.name}
    check(connection, run, ("train/loss",))


def test_a_running_run_whose_process_dies_is_crashed_at_the_next_look(
    root: Path, connection: sqlite3.Connection
) -> None:
    run = make_run(root)
    RunRecord(run).set_status("running")
    refresh(connection, [root])
    assert connection.execute("SELECT status, recorded FROM runs").fetchone() == ("running", "running")
    assert refresh(connection, [root]) == Changes(set(), set(), 0)
    meta = json.loads((run / layout.RUN).read_text())
    before = (run / layout.RUN).stat()
    connection.execute("UPDATE runs SET status = 'running'")
    text = json.dumps(meta | {"pid_started": meta["pid_started"] + 1}, indent=2)
    (run / layout.RUN).write_text(text)
    os.utime(run / layout.RUN, ns=(before.st_atime_ns, before.st_mtime_ns))
    refresh(connection, [root])
    assert connection.execute("SELECT status, recorded FROM runs").fetchone() == ("crashed", "running")


def test_a_removed_folder_leaves_nothing_in_the_index(root: Path, connection: sqlite3.Connection) -> None:
    kept, gone = make_run(root), make_run(root)
    for run in (kept, gone):
        log_rows(run, {1: 1.0})
    refresh(connection, [root])
    shutil.rmtree(gone)
    assert refresh(connection, [root]) == Changes(set(), {gone.name}, 0)
    for table in TABLES:
        column = "key" if table == "runs" else "run"
        assert connection.execute(f"SELECT count(DISTINCT {column}) FROM {table}").fetchone() == (1,), table
    shutil.rmtree(root)
    assert refresh(connection, [root]).removed == {kept.name}


@pytest.mark.parametrize("how", ["shrank", "replaced", "deleted"])
def test_another_history_in_the_place_of_the_old_is_taken_in_anew(
    root: Path, connection: sqlite3.Connection, how: str
) -> None:
    run = make_run(root)
    log_rows(run, dict.fromkeys(range(50), 1.0))
    refresh(connection, [root])
    if how == "shrank":
        (run / layout.HISTORY).write_bytes(b'{"step":3,"train/loss":2.5}\n')
    elif how == "replaced":
        log_rows(run, {50: 1.0})
        rows = b"".join(b'{"step":%d,"other":2.5}\n' % step for step in range(500))
        atomic.write_bytes(run / layout.HISTORY, rows)
    else:
        (run / layout.HISTORY).unlink()
    assert refresh(connection, [root]).changed == {run.name}
    check(connection, run, ("train/loss", "other"))


@pytest.mark.parametrize(
    "change",
    [
        {"pid": "x", "status": "running", "machine": None},
        {"attempts": [1]},
        {"seed": {"a": 1}, "git": [], "data": None, "plan": 3, "monitor": 7, "host": 5, "cause": ["x"]},
        {"seed": 2**70, "created_at": "yesterday"},
        {"id": 5},
        {"id": "\ud800", "name": "\ud800"},
        {"format": 99},
    ],
    ids=str,
)
def test_a_foreign_run_does_not_stop_the_others(
    root: Path, connection: sqlite3.Connection, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    good, odd = make_run(root), make_run(root)
    meta = json.loads((odd / layout.RUN).read_text())
    (odd / layout.RUN).write_text(json.dumps(meta | change))
    log_rows(good, {1: 1.0})
    log_rows(odd, {1: 1.0})
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert refresh(connection, [root]).pending == 0
    assert (good.name,) in connection.execute("SELECT id FROM runs").fetchall()
    assert sum(odd.name in record.message for record in caplog.records) <= 1
    check(connection, good, ("train/loss",))


def test_a_run_in_two_roots_counts_once(root: Path, tmp_path: Path, connection: sqlite3.Connection) -> None:
    run = make_run(root)
    shutil.copytree(root, tmp_path / "copy")
    shutil.copytree(run, run.with_name("renamed-copy"))
    refresh(connection, [root, tmp_path / "copy"])
    refresh(connection, [root, tmp_path / "copy"])
    assert connection.execute("SELECT count(*), root FROM runs").fetchone() == (1, str(root))


def test_a_moved_run_keeps_its_rows(root: Path, connection: sqlite3.Connection) -> None:
    run = make_run(root)
    log_rows(run, {1: 1.0})
    refresh(connection, [root])
    (root / "elsewhere").mkdir()
    moved = run.rename(root / "elsewhere" / run.name)
    assert refresh(connection, [root]).removed == set()
    assert connection.execute("SELECT path FROM runs").fetchall() == [(str(moved),)]
    check(connection, moved, ("train/loss",))


def test_metrics_come_from_the_summary_until_there_are_rows(root: Path, connection: sqlite3.Connection) -> None:
    run = make_run(root)
    (run / layout.SUMMARY).write_text(
        '{"val/accuracy": {"last": 0.5, "last_step": 9, "min": 0.4, "min_step": 1, "max": 0.6, "max_step": 5}}'
    )
    refresh(connection, [root])
    best = "SELECT best, best = max, step, monitor FROM metrics JOIN runs ON runs.key = run"
    (run / layout.HISTORY).unlink(missing_ok=True)
    refresh(connection, [root])
    assert connection.execute(best).fetchall() == [(0.6, 1, 9, "val/accuracy")]
    log_rows(run, {10: 0.7}, "val/accuracy")
    refresh(connection, [root])
    assert connection.execute(best).fetchall() == [(0.7, 1, 10, "val/accuracy")]


def test_a_report_is_told_what_was_taken_in_and_can_end_it(
    root: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [make_run(root) for _ in range(4)]
    for run in runs:
        log_rows(run, {1: 1.0})
    told: list[Changes] = []

    def report(changes: Changes) -> bool:
        seen = sqlite3.connect(connection.execute("PRAGMA database_list").fetchone()[2])
        known = {id for (id,) in seen.execute("SELECT id FROM runs")}
        seen.close()
        assert changes.changed <= known  # committed before it is told
        told.append(changes)
        return len(told) < 2

    monkeypatch.setattr(ingest, "TELL_EVERY", 0.0)
    first = refresh(connection, [root], report=report)
    assert [changes.pending for changes in told] == [4, 4]
    assert first.pending == 4
    assert first.changed == told[1].changed == {max(run.name for run in runs)}
    refresh(connection, [root])
    assert refresh(connection, [root]) == Changes(set(), set(), 0)
    for run in runs:
        check(connection, run, ("train/loss",))


def test_a_quick_look_sees_what_came_went_and_grew(root: Path, connection: sqlite3.Connection) -> None:
    ended, running, gone = (make_run(root) for _ in range(3))
    for run in (ended, gone):
        end(run)
    log_rows(running, {1: 1.0})
    long_ago = time.time() - 100
    for folder in (ended, gone, ended.parent):
        os.utime(folder, (long_ago, long_ago))
    refresh(connection, [root])
    assert refresh(connection, [root], quick=True) == Changes(set(), set(), 0)
    log_rows(running, {2: 0.5})
    assert refresh(connection, [root], quick=True).changed == {running.name}
    check(connection, running, ("train/loss",))
    shutil.rmtree(gone)
    new = make_run(root)
    found = refresh(connection, [root], quick=True)
    assert (found.changed, found.removed) == ({new.name}, {gone.name})


def test_a_quick_look_does_not_forget_a_run_that_is_being_made(root: Path, connection: sqlite3.Connection) -> None:
    first = make_run(root)
    late = first.with_name("20991231-000000-aaaaaa")
    late.mkdir()
    long_ago = time.time() - 100
    os.utime(first.parent, (long_ago, long_ago))
    refresh(connection, [root])
    made = make_run(root)
    for file in made.iterdir():
        file.rename(late / file.name)
    made.rmdir()
    meta = json.loads((late / layout.RUN).read_text())
    (late / layout.RUN).write_text(json.dumps({**meta, "id": late.name}))
    os.utime(first.parent, (long_ago, long_ago))
    assert late.name in refresh(connection, [root], quick=True).changed


def test_a_hundred_thousand_metrics_each_in_a_row_of_its_own(root: Path, connection: sqlite3.Connection) -> None:
    run = make_run(root)
    with (run / layout.HISTORY).open("w") as file:
        file.writelines(f'{{"step":{step},"m/{step % 20_000}":{step}}}\n' for step in range(25_000))
    refresh(connection, [root])
    assert connection.execute("SELECT count(*), sum(points) FROM series").fetchone() == (20_000, 25_000)
    assert exact(connection, run.name, ["m/7"])["m/7"].tolist() == [7, 20_007]


def refresh_until_done(index: Path, root: Path, start: Any) -> None:
    connection = schema.open_index(index)
    start.wait()
    deadline = time.monotonic() + 60
    while not (root / "done").exists() and time.monotonic() < deadline:
        refresh(connection, [root])
    refresh(connection, [root])
    connection.close()


def test_processes_that_refresh_at_once_take_nothing_in_twice(
    root: Path, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    runs = [make_run(root) for _ in range(6)]
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3, timeout=60)
    workers = [context.Process(target=refresh_until_done, args=(tmp_path / "index.db", root, start)) for _ in range(2)]
    for worker in workers:
        worker.start()
    start.wait()
    for part in range(20):
        for run in runs:
            log_rows(run, {step: step / 7 for step in range(part * 500, part * 500 + 500)})
    (root / "done").write_text("")
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert refresh(connection, [root]).changed == set()
    for run in runs:
        assert connection.execute("SELECT history_bytes FROM runs WHERE id = ?", [run.name]).fetchone() == (
            (run / layout.HISTORY).stat().st_size,
        )
        assert exact(connection, run.name, ["train/loss"])["train/loss"].tolist() == [
            step / 7 for step in range(10_000)
        ]


def test_an_index_made_again_is_the_same(root: Path, tmp_path: Path, connection: sqlite3.Connection) -> None:
    for at in range(3):
        run = make_run(root)
        log_rows(run, {step: step / 7 + at for step in range(9000 * at)})
        end(run)
        refresh(connection, [root])
    again = schema.open_index(tmp_path / "again.db")
    refresh(again, [root])
    for table in TABLES:
        assert contents(connection, table) == contents(again, table), table
    again.close()
