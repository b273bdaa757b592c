import logging
import math
from pathlib import Path

import pytest

from headway.store.history import HistoryWriter
from headway.store.rows import History, read_summary


def write(folder: Path, steps: list[int | str]) -> None:
    """Log a row for each step; "r3" is a resume from step 3."""
    with HistoryWriter(folder / "history.jsonl") as history:
        for at, step in enumerate(steps):
            if isinstance(step, str):
                history.resumed_at(int(step[1:]))
            else:
                history.log(step, {"at": float(at)})


@pytest.mark.parametrize(
    ("written", "survive"),
    [
        ([1, 2, 3], [0, 1, 2]),
        ([1, 2, 3, "r2", 3, 4], [0, 1, 4, 5]),
        ([1, 2, 3, "r2", 3, "r1", 2], [0, 6]),
        ([1, 2, "r2", 3, "r2", 3], [0, 1, 5]),
        ([1, 2, "r0"], []),
        (["r0", 1], [1]),
        ([], []),
    ],
)
def test_a_resume_supersedes_every_earlier_row_of_a_later_step(
    tmp_path: Path, written: list[int | str], survive: list[int]
) -> None:
    write(tmp_path, written)
    assert [row["at"] for row in History(tmp_path)] == survive


def test_no_file_is_no_rows(tmp_path: Path) -> None:
    assert list(History(tmp_path)) == []
    assert History(tmp_path).last_step is None


def test_last_step_is_the_highest_that_counts(tmp_path: Path) -> None:
    write(tmp_path, [1, 9, "r4", 5])
    assert History(tmp_path).last_step == 5


@pytest.mark.parametrize(
    "bad", [b"\0\0\0\n", b"[1]\n", b'{"step":"x"}\n', b"{" * 100_000 + b"\n", b'{"step":1,"a":"text"}\n', b"\xff\n"]
)
def test_a_bad_line_in_the_middle_is_skipped_and_named(
    tmp_path: Path, bad: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, [1])
    path = tmp_path / "history.jsonl"
    path.write_bytes(path.read_bytes() + bad)
    write(tmp_path, [2])
    with caplog.at_level(logging.WARNING):
        assert [row["step"] for row in History(tmp_path)] == [1, 2]
    assert f"{path}:2: not a history row; skipped" in caplog.text


def test_columns_are_ordered_by_step_and_merge_rows_of_one_step(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / "history.jsonl") as history:
        history.log(2, {"train/loss": 0.2})
        history.log(1, {"train/loss": 0.1})
        history.log(2, {"val/loss": 0.9})
        history.log(3, {"other": 1.0})
        history.log(2, {"val/loss": 0.8})
    columns = History(tmp_path).columns(["train/loss", "val/loss"])
    assert columns["step"] == [1, 2]
    assert columns["train/loss"] == [0.1, 0.2]
    assert math.isnan(columns["val/loss"][0])
    assert columns["val/loss"][1] == 0.8


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": {"last": "x"}}', '{"a": {"last": [1]}}'])
def test_a_summary_that_is_not_whole_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.json").write_text(text)
    assert read_summary(tmp_path / "summary.json") is None
