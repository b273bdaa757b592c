"""What a user says of a run after it was made: name, tags, notes, archived. Kept in RUN/marks.json, over run.json."""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from headway.errors import RunError
from headway.store import atomic, layout
from headway.store.values import check_text, storable

if TYPE_CHECKING:
    from headway.store.run import Run

log = logging.getLogger(__name__)

MAX_TAGS = 1000  # of one run
DELETED_PREFIX = ".deleted-"  # of a run folder that is being removed

_SHAPE: dict[str, type | tuple[type, ...]] = {
    "name": (str, type(None)),
    "notes": (str, type(None)),
    "tags": list,
    "archived": bool,
}


class Marks(TypedDict, total=False):
    """A missing key leaves what run.json says; None takes a name or notes away."""

    name: str | None
    notes: str | None
    tags: list[str]
    archived: bool


class Changes(Marks, total=False):
    add_tags: list[str]
    remove_tags: list[str]


def read_marks(run: Path) -> Marks:
    """What marks.json says; {} where there is none. What cannot be used is left out with a warning naming the file."""
    file = Path(run) / layout.MARKS
    try:
        stored = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s: ignored, it cannot be read: %s", file, error)
        return {}
    if not isinstance(stored, dict):
        log.warning("%s: ignored, it is not a JSON object", file)
        return {}
    marks: Marks = {}
    for key, kind in _SHAPE.items():
        if key not in stored:
            continue
        if not isinstance(stored[key], kind) or (kind is list and not all(isinstance(tag, str) for tag in stored[key])):
            log.warning("%s: %s is ignored, it has the wrong type", file, key)
            continue
        marks[key] = stored[key]  # type: ignore[literal-required]
    return marks


def write_marks(run: Path, **changes: Unpack[Changes]) -> Marks:
    """Change marks.json in one atomic write, redacted, and return what it then holds.

    `add_tags` and `remove_tags` start from the tags that count now. Two writers at once lose nothing. The folder's
    mtime changes. Raises RunError for a text that cannot be stored, a folder that is no run or cannot be written.
    """
    from headway.store.run import read_meta  # it reads marks in its turn

    for what in ("name", "notes"):
        check_text(what, changes.get(what))  # type: ignore[arg-type]
    tags = [*changes.get("tags", []), *changes.get("add_tags", [])]
    for tag in tags:
        check_text("tag", tag)
        if not tag.strip():
            raise RunError(f"tag {tag!r}: must not be empty")
    file = Path(run) / layout.MARKS
    with _alone(Path(run)):
        recorded, marks = read_meta(run), read_marks(run)
        now = changes.get("tags", marks.get("tags", recorded["tags"]))
        dropped = set(changes.get("remove_tags", []))
        wanted = [tag for tag in dict.fromkeys([*now, *changes.get("add_tags", [])]) if tag not in dropped]
        if len(wanted) > MAX_TAGS:
            raise RunError(f"{run}: {len(wanted)} tags; at most {MAX_TAGS}")
        given: dict[str, Any] = {key: value for key, value in changes.items() if key in _SHAPE}
        if changes.keys() & {"tags", "add_tags", "remove_tags"}:
            given["tags"] = wanted
        merged: Marks = storable({**marks, **given})
        try:
            atomic.write_json(file, merged)
        except OSError as error:
            raise RunError(f"{file}: cannot be written: {error.strerror}") from error
    return merged


def delete_run(run: "Run") -> None:
    """Remove the run folder with all that is in it; links in it are removed, never followed.

    It is renamed first, so that it is gone at once and a kill leaves no half run; what such a kill left in the same
    project goes too. Raises RunError for a run that is running or locked by its writer, and where the folder is a
    link or cannot be removed.
    """
    from headway.store.run import Run  # it reads marks in its turn
    from headway.store.writer import RunLock

    path = run.path
    if path.is_symlink():
        raise RunError(f"{path}: is a link; delete the folder that it points to")
    if Run.open(path).status == "running":
        raise RunError(f"{path}: is running; stop it first")
    hidden = path.with_name(f"{DELETED_PREFIX}{path.name}")
    with RunLock(path):
        try:
            path.rename(hidden)
            (hidden / layout.RUN).unlink()  # from here on it is no run under any name
        except OSError as error:
            raise RunError(f"{path}: cannot be deleted: {error.strerror}") from error
    for folder in path.parent.glob(f"{DELETED_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)
    if hidden.exists():
        raise RunError(f"{hidden}: holds what could not be removed; remove it by hand")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder itself; without one where the file system has none."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise RunError(f"{folder}: cannot be opened: {error.strerror}") from error
    try:
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
