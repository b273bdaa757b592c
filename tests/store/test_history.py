import json
import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from headway.errors import RunError
from headway.store import history as module
from headway.store.history import HistoryWriter, Summary
from headway.store.rows import History, read_summary


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_row_is_in_the_file_when_the_call_returns(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with HistoryWriter(path) as history:
        history.log(3, {"train/loss": 0.5}, epoch=0.25)
        (row,) = lines(path)
    assert row.pop("time") == pytest.approx(1.8e9, rel=0.5)
    assert row == {"step": 3, "epoch": 0.25, "train/loss": 0.5}


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), torch.tensor(0.5), np.array(0.5), np.array([0.5])])
def test_scalars_of_libraries_are_numbers(tmp_path: Path, value: float) -> None:
    with HistoryWriter(tmp_path / "h") as history:
        history.log(np.int64(1), {"a": value, "count": np.int64(7), "flag": True})  # type: ignore[arg-type]
    assert {key: lines(tmp_path / "h")[0][key] for key in ("step", "a", "count", "flag")} == {
        "step": 1,
        "a": 0.5,
        "count": 7,
        "flag": 1,
    }


@pytest.mark.parametrize("value", ["0.5", None, [0.5, 1.0], torch.zeros(2), {}, 1j, b"1"])
def test_what_is_no_number_is_refused_by_name_and_nothing_is_written(tmp_path: Path, value: object) -> None:
    with HistoryWriter(tmp_path / "h") as history, pytest.raises(RunError, match=r"val/f1.*is not one number"):
        history.log(1, {"train/loss": 0.5, "val/f1": value})  # type: ignore[dict-item]
    assert (tmp_path / "h").read_bytes() == b""


@pytest.mark.parametrize("step", [-1, 1.5, True, "3", None])
def test_a_step_is_a_whole_number(tmp_path: Path, step: int) -> None:
    with HistoryWriter(tmp_path / "h") as history, pytest.raises(RunError, match="step"):
        history.log(step, {"a": 0.5})


@pytest.mark.parametrize("key", ["", "step", "time", "epoch", "resumed_at", "a\nb", "a\0", "\ud800", "x" * 257, 3])
def test_a_bad_metric_name_is_refused(tmp_path: Path, key: str) -> None:
    with HistoryWriter(tmp_path / "h") as history, pytest.raises(RunError, match="metric name"):
        history.log(1, {key: 0.5})
    assert (tmp_path / "h").read_bytes() == b""


def test_non_finite_numbers_are_text_in_the_file_and_floats_to_the_reader(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / "history.jsonl") as history:
        history.log(1, {"a": math.nan, "b": math.inf, "c": torch.tensor(-math.inf), "d": 1.0})  # type: ignore[dict-item]
    assert b'"a":"NaN","b":"Infinity","c":"-Infinity","d":1.0' in (tmp_path / "history.jsonl").read_bytes()
    (row,) = History(tmp_path)
    assert math.isnan(row["a"])
    assert (row["b"], row["c"], row["d"]) == (math.inf, -math.inf, 1.0)


def test_a_name_in_any_script_comes_back(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / "history.jsonl") as history:
        history.log(1, {"val/точность 🙂": 0.5})
    assert next(iter(History(tmp_path)))["val/точность 🙂"] == 0.5


@pytest.mark.parametrize("tail", [b'{"step":2,"ti', b"\0" * 70_000, b"x" * 200_000])
def test_opening_cuts_off_a_torn_tail(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "history.jsonl"
    with HistoryWriter(path) as history:
        history.log(1, {"a": 0.5})
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert History(tmp_path).last_step == 1
    with HistoryWriter(path) as history:
        assert path.read_bytes() == whole
        history.log(2, {"a": 0.25})
    assert [row["step"] for row in History(tmp_path)] == [1, 2]


def test_log_syncs_by_itself_every_30_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, synced = [1000.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(module.os, "fsync", synced.append)
    history = HistoryWriter(tmp_path / "h")
    for now[0] in (1000.0, 1029.0, 1031.0, 1060.0, 1062.0):
        history.log(1, {"a": 0.5})
    assert len(synced) == 2


def test_a_key_cap_warns_once_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 3)
    with HistoryWriter(tmp_path / "history.jsonl") as history, caplog.at_level(logging.WARNING):
        for step in range(4):
            history.log(step, {"a": 0.5, f"b{step}": 1.0})
    assert [sorted(row.keys() - {"step", "time"}) for row in History(tmp_path)] == [
        ["a", "b0"],
        ["a", "b1"],
        ["a"],
        ["a"],
    ]
    assert history.dropped == 2
    assert len([record for record in caplog.records if "metric names" in record.message]) == 1


def test_a_closed_history_takes_no_rows(tmp_path: Path) -> None:
    history = HistoryWriter(tmp_path / "h")
    history.close()
    history.close()
    with pytest.raises(RunError, match="not stored"):
        history.log(1, {"a": 0.5})


def test_summary_keeps_last_and_extremes_and_nan_is_never_best(tmp_path: Path) -> None:
    summary = Summary(tmp_path)
    for step, value in enumerate([0.5, 0.25, math.nan, 0.75, -math.inf]):
        summary.update({"val/loss": value}, step)
    summary.write()
    stored = read_summary(tmp_path / "summary.json")
    assert stored == {
        "val/loss": {"last": -math.inf, "last_step": 4, "min": 0.25, "min_step": 1, "max": 0.75, "max_step": 3}
    }


def test_summary_of_only_nan_has_no_best(tmp_path: Path) -> None:
    summary = Summary(tmp_path)
    summary.update({"a": math.nan}, 1)
    assert summary.metrics["a"].keys() == {"last", "last_step"}


def test_summary_is_written_at_most_once_in_a_while(tmp_path: Path) -> None:
    summary = Summary(tmp_path, every=3600)
    summary.update({"a": 1.0}, 1)
    summary.update({"a": 2.0}, 2)
    assert read_summary(summary.path) == {
        "a": {"last": 1.0, "last_step": 1, "min": 1.0, "min_step": 1, "max": 1.0, "max_step": 1}
    }


def test_rebuilding_equals_what_was_kept_and_forgets_what_a_resume_superseded(tmp_path: Path) -> None:
    kept = Summary(tmp_path)
    with HistoryWriter(tmp_path / "history.jsonl") as history:
        for step in range(5):
            history.log(step, {"a": float(step)}, epoch=0.5)
            if step <= 2:
                kept.update({"a": float(step)}, step)
        history.resumed_at(2)
    assert Summary.rebuild(tmp_path).metrics == kept.metrics
