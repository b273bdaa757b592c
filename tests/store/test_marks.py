import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headway.errors import RunError
from headway.store.find import find_run, list_runs
from headway.store.marks import MAX_TAGS, delete_run, read_marks, write_marks
from headway.store.run import Run, read_meta
from headway.store.writer import RunLock, RunRecord


def test_marks_are_read_over_the_record_which_stays_as_it_is(make_run) -> None:
    run = make_run(name="old", tags=["a"], notes="n")
    record = (run / "run.json").read_bytes()
    assert read_marks(run) == {}
    assert (Run.open(run).name, Run.open(run).archived) == ("old", False)
    write_marks(run, name="new", notes=None)
    write_marks(run, tags=["b", "c", "b"], archived=True)
    assert read_marks(run) == {"name": "new", "notes": None, "tags": ["b", "c"], "archived": True}
    seen = Run.open(run)
    assert (seen.name, seen.notes, seen.tags, seen.archived) == ("new", None, ["b", "c"], True)
    assert (run / "run.json").read_bytes() == record


def test_a_writer_of_the_record_does_not_take_marks_for_its_own(make_run) -> None:
    run = make_run(name="old")
    write_marks(run, name="new")
    RunRecord(run).update(cause="x")
    assert (read_meta(run)["name"], Run.open(run).name) == ("old", "new")


def test_a_run_is_found_by_its_new_name(make_run, tmp_path: Path) -> None:
    run = make_run(name="old")
    make_run(name="other")
    write_marks(run, name="new")
    assert find_run("new", tmp_path / "runs").path == run


def test_tags_are_added_and_removed_from_those_that_count(make_run) -> None:
    run = make_run(tags=["a", "b"])
    assert write_marks(run, add_tags=["c", "a"], remove_tags=["b"]) == {"tags": ["a", "c"]}
    assert write_marks(run, remove_tags=["a", "zzz"])["tags"] == ["c"]


def test_two_writers_at_once_lose_nothing(make_run) -> None:
    run = make_run()
    tags = [f"tag {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda tag: write_marks(run, add_tags=[tag]), tags))
    assert sorted(read_marks(run)["tags"]) == sorted(tags)


def test_a_write_changes_the_folder(make_run) -> None:
    run = make_run()
    os.utime(run, (1, 1))
    write_marks(run, archived=True)
    assert run.stat().st_mtime > 1
    assert [file.name for file in run.iterdir() if file.name.startswith(".")] == []


def test_a_secret_is_not_stored(make_run) -> None:
    run = make_run()
    write_marks(run, notes="api_key=abcdef0123456789abcdef")
    assert "abcdef0123456789abcdef" not in (run / "marks.json").read_text()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "\ud800"}, "not valid text"),
        ({"notes": "n" * 100_001}, "100001 characters"),
        ({"tags": ["a", 5]}, "tag 5: must be text"),
        ({"add_tags": [" "]}, "must not be empty"),
        ({"add_tags": [str(number) for number in range(MAX_TAGS + 1)]}, "at most 1000"),
    ],
)
def test_what_cannot_be_stored_is_refused(make_run, changes, says: str) -> None:
    run = make_run()
    with pytest.raises(RunError, match=says):
        write_marks(run, **changes)
    assert not (run / "marks.json").exists()


def test_only_a_run_can_be_marked(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        write_marks(tmp_path, archived=True)
    with pytest.raises(RunError, match="cannot be opened"):
        write_marks(tmp_path / "nothing", archived=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "kept", "says"),
    [
        ("{", {}, "cannot be read"),
        ("[1]", {}, "not a JSON object"),
        ("[" * 100_000, {}, "cannot be read"),
        ('{"name": 5, "archived": true, "other": 1}', {"archived": True}, "name is ignored"),
        ('{"tags": [1], "notes": "n"}', {"notes": "n"}, "tags is ignored"),
    ],
)
def test_what_cannot_be_used_is_ignored_and_named(make_run, caplog, text: str, kept, says: str) -> None:
    run = make_run(name="old")
    (run / "marks.json").write_text(text)
    with caplog.at_level(logging.WARNING):
        assert read_marks(run) == kept
    assert str(run / "marks.json") in caplog.text
    assert says in caplog.text
    assert Run.open(run).name == "old"


# --- deleting --------------------------------------------------------------------------------------------------------


def test_a_deleted_run_is_gone_and_nothing_else(make_run, tmp_path: Path) -> None:
    run, other = make_run(), make_run()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    (run / "artifacts" / "link").symlink_to(outside)
    (run / "link").symlink_to(outside / "kept")
    delete_run(Run.open(run))
    assert [found.path for found in list_runs(tmp_path / "runs")] == [other]
    assert list(run.parent.iterdir()) == [other]
    assert (outside / "kept").read_text() == "x"


def test_a_running_run_is_not_deleted(make_run) -> None:
    run = make_run()
    RunRecord(run).set_status("running")
    with pytest.raises(RunError, match="is running; stop it first"):
        delete_run(Run(run, {**read_meta(run), "status": "finished"}))  # as seen before it was resumed
    assert (run / "run.json").exists()


def test_a_run_that_is_being_written_is_not_deleted(make_run) -> None:
    run = make_run()
    with RunLock(run), pytest.raises(RunError, match="is being written by pid"):
        delete_run(Run.open(run))
    assert (run / "run.json").exists()


def test_a_link_to_a_run_is_not_deleted(make_run, tmp_path: Path) -> None:
    run = make_run()
    (tmp_path / "link").symlink_to(run)
    with pytest.raises(RunError, match="is a link"):
        delete_run(Run.open(tmp_path / "link"))
    assert (run / "run.json").exists()


def test_what_a_killed_deletion_left_goes_with_the_next(make_run) -> None:
    run = make_run()
    left = run.with_name(".deleted-20260101-000000-aaaaaa")
    (left / "checkpoints").mkdir(parents=True)
    (left / "checkpoints" / "step-1.ckpt").write_text("x")
    delete_run(Run.open(run))
    assert list(run.parent.iterdir()) == []


def test_marks_are_strict_json(make_run) -> None:
    run = make_run()
    write_marks(run, name='<script>"é\u202e')
    assert json.loads((run / "marks.json").read_text()) == {"name": '<script>"é\u202e'}
