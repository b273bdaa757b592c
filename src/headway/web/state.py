"""What every handler needs, and how it reads the query of a request."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request

from headway.errors import RunError
from headway.web.errors import ApiError

if TYPE_CHECKING:
    from headway.store.index.store import Store
    from headway.store.run import Run
    from headway.web.live import Live

T = TypeVar("T")
_ITEM = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,])+')


@dataclass
class Dashboard:
    """One server: its store, the folders it shows, whether it may write, and what changes while it runs."""

    store: "Store"
    roots: Sequence[Path]
    read_only: bool
    live: "Live"


def dashboard(request: Request) -> Dashboard:
    found: Dashboard = request.app.state.dashboard
    return found


def open_run(request: Request, run_id: str | None = None) -> "Run":
    """The run of the path's `{id}`, or of `run_id`. Raises ApiError 404."""
    asked = request.path_params["id"] if run_id is None else run_id
    try:
        return dashboard(request).store.run(asked)
    except RunError as error:
        raise ApiError(404, str(error)) from error


def text(request: Request, key: str, default: str = "") -> str:
    return request.query_params.get(key, default)


def words(request: Request, key: str) -> list[str]:
    """A comma-separated list, in which a quoted name may hold commas; empty where the key is absent."""
    return [word.strip() for word in _ITEM.findall(text(request, key)) if word.strip()]


def flag(request: Request, key: str) -> bool:
    return text(request, key) in ("1", "true")


def whole(request: Request, key: str, default: int, low: int, high: int) -> int:
    """An integer of the query, moved into [low, high]. Raises ApiError 400 for what is none."""
    found = optional_whole(request, key)
    return min(max(default if found is None else found, low), high)


def optional_whole(request: Request, key: str) -> int | None:
    return _parsed(request, key, int, "a whole number")


def optional_number(request: Request, key: str) -> float | None:
    return _parsed(request, key, float, "a number")


def _parsed(request: Request, key: str, kind: Callable[[str], T], what: str) -> T | None:
    given = request.query_params.get(key)
    if not given:
        return None
    try:
        return kind(given[:40])
    except ValueError:
        raise ApiError(400, f"{key}={given[:40]}: must be {what}") from None


def one_of(request: Request, key: str, allowed: Sequence[str], default: str) -> str:
    given = text(request, key) or default
    if given not in allowed:
        raise ApiError(400, f"{key}={given[:40]}: must be one of {', '.join(allowed)}")
    return given
