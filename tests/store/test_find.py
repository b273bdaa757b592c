import logging
import re
from pathlib import Path

import pytest

from headway.errors import RunError
from headway.store import writer
from headway.store.find import find_run, list_runs, runs_root
from headway.store.history import Summary


@pytest.fixture
def root(make_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    ids = iter(["20260101-000000-aaaaaa", "20260102-000000-abbbbb", "20260103-000000-cccccc"])
    monkeypatch.setattr(writer, "new_run_id", lambda: next(ids))
    for name, loss, project in [("one", 0.5, "p"), ("twin", 0.25, "p"), ("twin", 0.75, "q/r")]:
        run = make_run(name=name, project=project)
        summary = Summary(run)
        summary.update({"val/loss": loss, "val/f1": loss}, 1)
        summary.write()
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("ref", "day"),
    [
        ("20260101-000000-aaaaaa", 1),
        ("20260101", 1),
        ("cccc", 3),
        ("one", 1),
        ("last", 3),
        ("best:val/loss", 2),
        ("best:val/f1", 3),
    ],
)
def test_found(root: Path, ref: str, day: int) -> None:
    assert find_run(ref, root).id.startswith(f"2026010{day}")


def test_a_path_is_found_from_anywhere(root: Path, tmp_path: Path) -> None:
    path = next(root.glob("p/*aaaaaa"))
    assert find_run(str(path), tmp_path / "elsewhere").id == path.name


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        ("2026", "could be any of 3: 20260103-000000-cccccc (twin), 20260102-000000-abbbbb (twin), 20260101"),
        ("twin", "could be any of 2: 20260103-000000-cccccc (twin), 20260102-000000-abbbbb (twin)"),
        ("a", "could be any of 2"),
        ("onee", "did you mean 'one'?"),
        ("zzzzzzzz", "the newest are 20260103-000000-cccccc (twin)"),
        ("", "not found"),
        ("../p", "not found"),
        ("a\0/b", "not found"),
        ("x/" * 5000, "not found"),
        ("best:val/los", "did you mean 'val/loss'?"),
        ("best:zzz", "there are: val/f1, val/loss"),
    ],
)
def test_not_found_says_what_there_is(root: Path, ref: str, says: str) -> None:
    with pytest.raises(RunError, match=re.escape(says)):
        find_run(ref, root)


def test_no_runs_at_all(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no runs; start one with `headway train`"):
        find_run("last", tmp_path)


def test_listing_is_newest_first_and_by_the_users_own_project_name(root: Path) -> None:
    assert [run.id[:8] for run in list_runs(root)] == ["20260103", "20260102", "20260101"]
    assert [run.id[:8] for run in list_runs(root, "q/r")] == ["20260103"]


def test_a_broken_run_is_named_and_the_others_are_listed(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = next(root.glob("p/*aaaaaa")) / "run.json"
    broken.write_text("{")
    with caplog.at_level(logging.WARNING):
        assert len(list_runs(root)) == 2
    assert str(broken) in caplog.text


def test_a_copied_folder_shows_up_and_a_deleted_one_is_gone(root: Path, tmp_path: Path) -> None:
    run = next(root.glob("p/*aaaaaa"))
    other = tmp_path / "other" / "p"
    other.mkdir(parents=True)
    run.rename(other / run.name)
    assert [found.id for found in list_runs(tmp_path / "other")] == [run.name]
    assert run.name not in [found.id for found in list_runs(root)]


def test_runs_root_is_the_argument_then_the_environment_then_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_RUNS", "/a")
    assert runs_root("/b") == Path("/b")
    assert runs_root() == Path("/a")
    monkeypatch.delenv("HEADWAY_RUNS")
    assert runs_root() == Path("runs")
