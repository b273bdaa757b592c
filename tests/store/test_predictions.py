from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from headway.errors import RunError
from headway.store.layout import predictions_file
from headway.store.predictions import read_predictions, write_predictions
from headway.store.run import Run


def test_columns_come_back_with_their_types(make_run) -> None:
    run = Run.open(make_run())
    scores = np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32)
    columns = {
        "id": ["a", "b"],
        "text": pa.chunked_array([["x"], ["y 🙂"]]),
        "gold": np.array([1, 0]),
        "scores": scores,
        "pair": [None, "z"],
    }
    write_predictions(run.path / predictions_file("val", 120), columns)
    table = read_predictions(run, "val")
    assert table.column("text").to_pylist() == ["x", "y 🙂"]
    assert table.column("scores").to_pylist() == scores.tolist()
    assert table.schema.field("scores").type == pa.list_(pa.float32(), 2)
    assert table.column("gold").to_pylist() == [1, 0]
    assert table.column("pair").to_pylist() == [None, "z"]


def test_the_latest_step_is_taken_as_a_number(make_run) -> None:
    run = Run.open(make_run())
    for step in (5, 2_000_000, 30):
        write_predictions(run.path / predictions_file("val", step), {"step": [step]})
    assert read_predictions(run, "val").column("step").to_pylist() == [2_000_000]
    assert read_predictions(run, "val", 30).column("step").to_pylist() == [30]


def test_what_is_missing_is_named_with_what_there_is(make_run) -> None:
    run = Run.open(make_run())
    with pytest.raises(RunError, match="no predictions of test; recorded are: none"):
        read_predictions(run, "test")
    write_predictions(run.path / predictions_file("val", 5), {"a": [1]})
    with pytest.raises(RunError, match="no predictions of val at step 6; recorded are: val at step 5"):
        read_predictions(run, "val", 6)


def test_unequal_columns_leave_no_file(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "val-000001.parquet"
    with pytest.raises(ValueError, match="length"):
        write_predictions(path, {"a": [1, 2], "b": [1]})
    assert not path.exists()


def test_a_damaged_file_is_named(make_run) -> None:
    run = Run.open(make_run())
    path = run.path / predictions_file("val", 5)
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(RunError, match=r"val-000005\.parquet: cannot be read as Parquet"):
        read_predictions(run, "val")
