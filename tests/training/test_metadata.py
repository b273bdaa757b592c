"""data.metadata: columns of the source beside each prediction, in a run that is otherwise the same."""

import csv
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from headway.cache import cache_folder
from headway.store.predictions import prediction_files, read_predictions, write_predictions
from headway.store.run import Run
from headway.training.events import SilentChannel
from headway.training.session import shortened
from headway.worker import guarded

SPLITS = {"train": 24, "val": 6, "test": 5}


def with_columns(folder: Path, source: Path) -> Path:
    """The data of another folder with a domain and a year for each row."""
    folder.mkdir()
    for split in SPLITS:
        with (source / f"{split}.csv").open() as file:
            rows = [
                row | {"domain": row["text"].split()[-1], "year": str(2000 + i)}
                for i, row in enumerate(csv.DictReader(file))
            ]
        with (folder / f"{split}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    return folder


def test_metadata_comes_along_and_changes_nothing(training_run: Callable[..., Path], tmp_path: Path) -> None:
    settings = {"trainer.max_epochs": 1}
    plain = training_run(SPLITS, settings)
    data = with_columns(tmp_path / "more", tmp_path / "data-24-6-5")
    run = training_run(SPLITS, settings | {"data.path": str(data), "data.metadata": ["domain", "year"]})
    assert guarded(plain, SilentChannel()) == 0
    encoded = sorted((cache_folder("encoded")).iterdir())
    assert guarded(run, SilentChannel()) == 0
    assert sorted((cache_folder("encoded")).iterdir()) == encoded, (
        "the same fingerprint: encoded splits are found again"
    )
    one, other = Run.open(plain), Run.open(run)
    losses = [[row["train/loss"] for row in each.rows() if "train/loss" in row] for each in (one, other)]
    assert losses[0] == losses[1] != []
    files = prediction_files(run)
    assert files.keys() == prediction_files(plain).keys() != set()
    for key in files:
        table = read_predictions(other, *key)
        assert table["meta.domain"].to_pylist() == [text.split()[-1] for text in table["text"].to_pylist()]
        assert {*table["meta.year"].to_pylist()} == {str(2000 + i) for i in range(SPLITS[key[0]])}
        assert table.drop_columns(["meta.domain", "meta.year"]).equals(read_predictions(one, *key))


def test_metadata_of_any_kind_is_stored(tmp_path: Path) -> None:
    kinds = {"text": pa.large_string(), "number": pa.int32(), "share": pa.float64(), "flag": pa.bool_()}
    values = {"text": ["x" * 3000, None], "number": [3, None], "share": [0.5, None], "flag": [True, None]}
    columns = {name: shortened(pa.chunked_array([pa.array(values[name], kind)])) for name, kind in kinds.items()}
    write_predictions(tmp_path / "p" / "test-000001.parquet", columns)
    found = parquet.read_table(tmp_path / "p" / "test-000001.parquet").to_pydict()
    assert found == values | {"text": ["x" * 2000 + "…", None]}
