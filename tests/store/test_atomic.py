import json
from pathlib import Path

import pytest

from headway.store import atomic


def test_a_failed_write_leaves_the_old_file_and_no_temp(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    atomic.write_json(path, {"x": "é"})
    with pytest.raises(TypeError), atomic.replacing(path) as file:  # noqa: PT012 - fails inside, after a write
        file.write(b"half")
        file.write("not bytes")  # type: ignore[call-overload]
    assert json.loads(path.read_bytes()) == {"x": "é"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_the_temp_file_is_in_the_same_folder(tmp_path: Path) -> None:
    with atomic.replacing(tmp_path / "a") as file:
        assert Path(file.name).parent == tmp_path


def test_nan_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(tmp_path / "a.json", float("nan"))
    assert not list(tmp_path.iterdir())


def test_sweep_removes_only_temps(tmp_path: Path) -> None:
    (tmp_path / f"{atomic.TEMP_PREFIX}a-1").touch()
    (tmp_path / "keep").touch()
    atomic.sweep_temps(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["keep"]
