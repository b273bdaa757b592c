"""The Python API over real run folders."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import headway
from headway.errors import RunError
from headway.store.filters import FilterError
from headway.store.history import HistoryWriter
from headway.store.index.store import Store
from headway.store.layout import HISTORY
from headway.store.marks import delete_run, write_marks
from headway.store.predictions import write_predictions
from headway.store.writer import RunRecord, create_run


def train(root: Path, lr: float, steps: int = 6, **fields: object) -> Path:
    """A finished run with val/loss at every other step and train/tokens at each."""
    given = {"project": "p", "name": None, "tags": [], "notes": None, "overrides": [f"optimizer.lr={lr}"], "seed": 1}
    config = f"optimizer:\n  lr: {lr}\ndata:\n  path: x.csv\n"
    run = create_run(root, config_yaml=config, config_hash="ab" * 8, command=["headway"], **(given | fields))
    with HistoryWriter(run / HISTORY) as history:
        for step in range(1, steps + 1):
            even = {"val/loss": lr * step} if step % 2 == 0 else {}
            history.log(step, {"train/tokens": 100.0 * step, **even}, epoch=step / 2)
    RunRecord(run).set_status("finished")
    return run


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [train(tmp_path / "runs", 0.1, name="one"), train(tmp_path / "runs", 0.2, tags=["final"])]


@pytest.fixture
def store(runs: list[Path]) -> Store:
    store = Store(runs[0].parent.parent)
    store.refresh()
    return store


def test_runs_as_a_frame(store: Store, runs: list[Path]) -> None:
    frame = store.runs(sort="config.optimizer.lr")
    assert list(frame["id"]) == [run.name for run in runs]
    assert list(frame["config.optimizer.lr"]) == [0.1, 0.2]
    assert list(frame["val/loss"]) == [0.2, 0.4]
    assert "config.data.path" not in frame  # the same in both
    assert list(store.runs('tag = "final"', columns=["seed"])["seed"]) == [1]


def test_history_of_a_run(store: Store, runs: list[Path]) -> None:
    frame = store.history(runs[0].name, ["val/loss", "train/tokens"])
    assert list(frame.columns) == ["step", "val/loss", "train/tokens"]
    assert list(frame["step"]) == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(frame["val/loss"], [np.nan, 0.1 * 2, np.nan, 0.1 * 4, np.nan, 0.1 * 6])
    assert list(store.history(runs[0].name, ["train/tokens"], start=2, stop=3)["train/tokens"]) == [200, 300]


@pytest.mark.parametrize(
    ("x", "places"), [("step", [2, 4, 6]), ("tokens", [200, 400, 600]), ("epoch", [1, 2, 3]), ("time", None)]
)
def test_history_along_other_axes(store: Store, runs: list[Path], x, places) -> None:
    frame = store.history(runs[0].name, ["val/loss"], x=x)
    assert list(frame.columns) == [x, "val/loss"]
    np.testing.assert_array_equal(frame["val/loss"], [0.1 * 2, 0.1 * 4, 0.1 * 6])
    if places:
        assert list(frame[x]) == places
        assert list(store.history(runs[0].name, ["val/loss"], x=x, start=places[1])[x]) == places[1:]
    else:
        assert frame["time"].is_monotonic_increasing
        assert 0 <= frame["time"].iloc[0] < 60


def test_history_in_so_many_points_keeps_the_extremes(tmp_path: Path) -> None:
    run = train(tmp_path / "runs", 0.001, steps=20_000)
    store = Store(tmp_path / "runs")
    store.refresh()
    frame = store.history(run.name, ["val/loss", "train/tokens"], points=100)
    assert 50 <= len(frame) <= 1000
    assert frame["max(val/loss)"].max() == pytest.approx(20.0)
    assert frame["min(train/tokens)"].min() == 100


def test_a_metric_that_the_run_has_not(store: Store, runs: list[Path]) -> None:
    with pytest.raises(RunError, match=r"no metric 'val/los'; did you mean val/loss\?"):
        store.history(runs[0].name, ["val/los"])
    with pytest.raises(RunError, match="not found in"):
        store.history("nothing", ["val/loss"])


def test_curves_groups_keys_metrics_ids_and_sql(store: Store, runs: list[Path]) -> None:
    ids = [run.name for run in runs]
    assert [curve.run for curve in store.curves(ids, "val/loss")] == ids
    assert [group.n for group in store.groups(by=["project"])] == [2]
    keys = store.keys()
    assert [key.key for key in keys if key.distinct > 1] == ["config.optimizer.lr"]
    assert {"val/loss", "train/tokens"} <= {metric.key for metric in store.metrics()}
    assert store.ids(sort="-val/loss") == ids[::-1]
    assert store.sql("SELECT count(*) FROM history WHERE metric = 'val/loss'").rows == [(6,)]


def test_predictions(store: Store, runs: list[Path]) -> None:
    write_predictions(runs[0] / "predictions" / "val-000006.parquet", {"id": ["1", "2"], "loss": [0.5, 0.25]})
    assert list(store.predictions(runs[0].name, "val")["loss"]) == [0.5, 0.25]
    with pytest.raises(RunError, match="no predictions of test; recorded are: val at step 6"):
        store.predictions(runs[0].name, "test")


def test_marks_and_deletions_are_seen_after_a_refresh(store: Store, runs: list[Path]) -> None:
    write_marks(runs[0], name="new", add_tags=["final"])
    write_marks(runs[1], archived=True)
    assert store.refresh().changed == {run.name for run in runs}
    assert store.ids("tag = final") == [runs[0].name]
    assert store.ids("tag = final", archived=True) == [runs[1].name, runs[0].name]
    assert store.table("name = new").rows[0].tags == ["final"]
    delete_run(store.run(runs[0].name))
    assert store.refresh().removed == {runs[0].name}
    assert store.ids(archived=True) == [runs[1].name]


def test_errors(store: Store) -> None:
    with pytest.raises(FilterError, match="did you mean val/loss"):
        store.runs("val/los < 1")
    with pytest.raises(RunError, match="run 'x': not found in"):
        store.path("x")


def test_several_threads(store: Store, runs: list[Path]) -> None:
    found: list[list[str]] = []

    def ask() -> None:
        found.append(store.ids(sort="config.optimizer.lr"))
        store.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[run.name for run in runs]] * 8
    store.close()
    store.close()
    assert store.ids() != []  # it opens again


def test_the_index_is_in_the_cache_one_for_each_choice_of_folders(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HEADWAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HEADWAY_RUNS", str(tmp_path / "a"))
    assert Store().index == Store(tmp_path / "a").index == Store(tmp_path / "b" / ".." / "a").index
    assert Store().index.parent == tmp_path / "cache" / "index"
    assert Store(tmp_path / "a", tmp_path / "b").index != Store(tmp_path / "a").index
    assert Store(tmp_path / "a", index=tmp_path / "x.db").index == tmp_path / "x.db"
    assert not (tmp_path / "cache").exists()


def test_a_run_seen_in_two_folders_counts_once(runs: list[Path], tmp_path: Path) -> None:
    store = Store(tmp_path / "runs", runs[0].parent.parent)
    store.refresh()
    assert len(store.ids()) == 2


def test_headway_store_is_imported_when_it_is_asked_for() -> None:
    assert headway.Store is Store
    with pytest.raises(AttributeError, match="no attribute 'Stor'"):
        headway.Stor  # noqa: B018
    heavy = ["torch", "transformers", "datasets", "pandas", "sqlite3", "numpy"]
    code = f"import sys, json, headway; print(json.dumps(sorted(set(sys.modules) & set({heavy!r}))))"
    code += (
        "; headway.Store; print(json.dumps(sorted(set(sys.modules) & set(['torch', 'pandas', 'numpy', 'pyarrow']))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [[], []]
