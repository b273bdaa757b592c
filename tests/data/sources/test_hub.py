"""Hub data sets without a network: local folders through `datasets`, and a hub that is not there."""

import json
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headway.data.sources import hub
from headway.errors import DataError

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def test_local_folder_of_parquet(tmp_path: Path) -> None:
    for split, text in (("train", "a"), ("test", "b")):
        (tmp_path / "data" / split).mkdir(parents=True)
        pq.write_table(pa.table({"text": [text], "label": [1]}), tmp_path / "data" / split / "part.parquet")
    tables = hub.load(str(tmp_path / "data"), cache_dir=str(tmp_path / "cache"))
    assert {name: table.to_pylist() for name, table in tables.items()} == {
        "train": [{"text": "a", "label": 1, "origin": f"{tmp_path}/data/train#0"}],
        "test": [{"text": "b", "label": 1, "origin": f"{tmp_path}/data/test#0"}],
    }


def test_reader_with_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a", "label": "x"}) + "\n")
    tables = hub.load("json", data_files={"dev": str(tmp_path / "a.jsonl")}, cache_dir=str(tmp_path / "cache"))
    assert tables["dev"]["label"].to_pylist() == ["x"]


def test_class_labels_become_names_and_held_back_ones_null(tmp_path: Path) -> None:
    features = datasets.Features({"label": datasets.ClassLabel(names=["neg", "pos"]), "text": datasets.Value("string")})
    data = datasets.Dataset.from_dict({"label": [1, 0, -1], "text": ["a", "b", "c"]}, features=features)
    datasets.DatasetDict({"train": data}).save_to_disk(tmp_path / "saved")
    table = hub.load(str(tmp_path / "saved"))["train"]
    assert table.column_names == ["label", "text", "origin"]
    assert table["label"].to_pylist() == ["pos", "neg", None]


def test_rows_follow_the_order_of_a_shuffled_data_set(tmp_path: Path) -> None:
    data = datasets.Dataset.from_dict({"text": [str(i) for i in range(50)]}).shuffle(seed=3)
    data.save_to_disk(tmp_path / "saved")
    (table,) = hub.load(str(tmp_path / "saved")).values()
    assert table["text"].to_pylist() == data["text"][:]
    assert table["text"].to_pylist() != [str(i) for i in range(50)]


def test_offline_hub_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.path=nobody/nothing: the hub at .* cannot be reached") as caught:
        hub.load("nobody/nothing", cache_dir=str(tmp_path))
    assert "\n" not in str(caught.value)


def test_unreachable_hub_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:  # bound but not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setattr("urllib.request.getproxies", dict)
        with pytest.raises(DataError, match="cannot be reached"):
            hub.load("nobody/nothing", cache_dir=str(tmp_path))
    assert datasets.config.HF_HUB_OFFLINE is False  # put back: the next load asks again


def test_folder_that_datasets_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be loaded \(.+\)"):
        hub.load(str(tmp_path), cache_dir=str(tmp_path / "cache"))
