import os
from pathlib import Path

import pytest

from headway.web.errors import ApiError
from headway.web.run_files import list_files, open_inside, read_part


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    (run / "artifacts").mkdir(parents=True)
    (run / "artifacts" / "a b#%41.txt").write_bytes(b"hello")
    (tmp_path / "secret.txt").write_text("secret")
    (run / "link.txt").symlink_to(tmp_path / "secret.txt")
    (run / "linked").symlink_to(tmp_path)
    os.mkfifo(run / "pipe")
    return run


def test_reads_a_file_with_an_odd_name(folder: Path) -> None:
    assert b"".join(open_inside(folder, "artifacts/a b#%41.txt").blocks()) == b"hello"


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../secret.txt", "artifacts/../../secret.txt", "a\0b", "..\\secret.txt"]
)
def test_a_path_that_could_lead_elsewhere_is_refused(folder: Path, path: str) -> None:
    with pytest.raises(ApiError) as caught:
        open_inside(folder, path)
    assert caught.value.status == 400


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    "path", ["link.txt", "linked/secret.txt", "pipe", "artifacts", "none", "link.txt/x", "n" * 300, "%2e%2e/secret.txt"]
)
def test_only_regular_files_that_are_no_links_are_opened(folder: Path, path: str) -> None:
    before = open_descriptors()
    with pytest.raises(ApiError) as caught:
        open_inside(folder, path)
    assert caught.value.status == 404
    assert open_descriptors() <= before


def test_lists_regular_files_only(folder: Path) -> None:
    assert [(file["path"], file["bytes"]) for file in list_files(folder)] == [("artifacts/a b#%41.txt", 5)]


PARTS = [(0, 2, b"he", 0), (-2, 9, b"lo", 3), (-9, 9, b"hello", 0), (7, 9, b"", 5)]


@pytest.mark.parametrize(("start", "limit", "part", "at"), PARTS)
def test_reads_parts(folder: Path, start: int, limit: int, part: bytes, at: int) -> None:
    assert read_part(open_inside(folder, "artifacts/a b#%41.txt"), start, limit) == (part, at)


def test_a_file_that_grows_is_as_long_as_when_it_was_opened(folder: Path) -> None:
    file = open_inside(folder, "artifacts/a b#%41.txt")
    with (folder / "artifacts" / "a b#%41.txt").open("ab") as more:
        more.write(b" and more")
    assert b"".join(file.blocks()) == b"hello"
