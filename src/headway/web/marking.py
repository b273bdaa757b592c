"""What a page may write: marks of runs, and the deletion of runs. Checked as a whole before anything is done."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from headway.errors import RunError
from headway.store.marks import Changes, delete_run, write_marks
from headway.store.run import Run
from headway.web.errors import ApiError

MOST_RUNS = 10_000  # in one request
_FIELDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "name": ((str, type(None)), "text or null"),
    "notes": ((str, type(None)), "text or null"),
    "add_tags": (list, "a list of texts"),
    "remove_tags": (list, "a list of texts"),
    "archived": (bool, "true or false"),
}


def parse(body: bytes) -> tuple[list[str], dict[str, Any]]:
    """The `ids` of a request and its other fields. Raises ApiError 400."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ApiError(400, "the body must be a JSON object")
    ids = value.pop("ids", None)
    if not _texts(ids) or not 1 <= len(ids) <= MOST_RUNS:
        raise ApiError(400, f"ids: must be a list of 1 to {MOST_RUNS:,} run ids")
    return list(dict.fromkeys(ids)), value


def changes_of(fields: Mapping[str, Any], runs: int) -> Changes:
    """Raises ApiError 400 for a field that cannot be changed, a value of the wrong type, one name for many runs."""
    for key, value in fields.items():
        if key not in _FIELDS:
            raise ApiError(400, f"{key[:80]!r} cannot be changed; there is: {', '.join(_FIELDS)}")
        kind, said = _FIELDS[key]
        if not isinstance(value, kind) or (kind is list and not _texts(value)):
            raise ApiError(400, f"{key}: must be {said}")
    if not fields:
        raise ApiError(400, f"nothing to change; give one of: {', '.join(_FIELDS)}")
    if "name" in fields and runs != 1:
        raise ApiError(400, "name: one run at a time")
    return Changes(**fields)  # type: ignore[typeddict-item]


def mark(runs: Iterable[Run], changes: Changes) -> None:
    """Raises ApiError 400 for a text that cannot be stored, and where a folder cannot be written."""
    for run in runs:
        try:
            write_marks(run.path, **changes)
        except RunError as error:
            raise ApiError(400, str(error)) from error


def delete(runs: list[Run], confirmed: Any) -> None:
    """Delete all of `runs`. Raises ApiError 409, with none deleted, without the right number or if one is running."""
    if type(confirmed) is not int or confirmed != len(runs):
        raise ApiError(409, f"confirm must be {len(runs)}, the number of runs to delete")
    running = [run.id for run in runs if run.status == "running"]
    if running:
        raise ApiError(409, f"{running[0]} is running; stop it first", "nothing was deleted")
    for run in runs:
        try:
            delete_run(run)
        except RunError as error:
            raise ApiError(409, str(error)) from error


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
