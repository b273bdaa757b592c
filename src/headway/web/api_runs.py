"""Endpoints of the table of runs: rows, groups, what there is to choose from, and what may be changed."""

import json
import time
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headway import __version__
from headway.web.answers import Json, csv_response
from headway.web.errors import ApiError
from headway.web.marking import changes_of, delete, mark, parse
from headway.web.security import read_body
from headway.web.state import dashboard, flag, open_run, text, whole, words

if TYPE_CHECKING:
    from headway.store.index.store import Store

FIXED = [
    "id",
    "name",
    "project",
    "status",
    "tags",
    "notes",
    "archived",
    "created_at",
    "seconds",
    "step",
    "steps",
    "seed",
]  # of a CSV
COMMANDS = {"train": "headway train", "sweep": "headway train -m seed=0,1,2", "help": "headway --help"}


def meta(request: Request) -> Response:
    state = dashboard(request)
    return Json(
        {
            "version": __version__,
            "roots": [str(root) for root in state.roots],
            "read_only": state.read_only,
            "runs": state.live.runs,
            "pending": state.live.pending,
            "changed": state.live.version,
            "problem": state.live.problem,
            "now": round(time.time(), 3),
            "commands": COMMANDS,
        }
    )


def runs(request: Request) -> Response:
    state, asked, columns = dashboard(request), _asked(request), words(request, "cols")
    if by := words(request, "group"):
        groups = state.store.groups(columns=columns, by="recipe" if by == ["recipe"] else by, **asked)
        found: dict[str, Any] = {
            "total": sum(group.n for group in groups),
            "columns": columns,
            "groups": [
                vars(group) | {"cells": [None if cell is None else vars(cell) for cell in group.cells]}
                for group in groups
            ],
        }
    else:
        offset, limit = whole(request, "offset", 0, 0, 2**31), whole(request, "limit", 200, 0, 1000)
        table = state.store.table(columns=columns, offset=offset, limit=limit, **asked)
        rows = [vars(row) for row in table.rows]
        found = {"total": table.total, "all": table.all, "offset": offset, "columns": table.columns, "rows": rows}
    return Json(found | {"pending": state.live.pending})


def runs_csv(request: Request) -> Response:
    columns = words(request, "cols")
    table = dashboard(request).store.table(columns=columns, limit=None, **_asked(request))
    rows = ([getattr(row, name) for name in FIXED] + row.cells for row in table.rows)
    return csv_response("runs.csv", [*FIXED, *columns], rows)


def keys(request: Request) -> Response:
    store = dashboard(request).store
    asked, archived = text(request, "f"), flag(request, "archived")
    from headway.store.filters import FIELDS

    return Json(
        {
            "keys": [vars(key) for key in store.keys(asked, archived)],
            "metrics": [vars(metric) for metric in store.metrics(asked, archived)],
            "fields": list(FIELDS),
            "tags": sorted({tag for value in _column(store, "tags") for tag in json.loads(value)}),
            "projects": sorted(_column(store, "project")),
        }
    )


async def change(request: Request) -> Response:
    body = await read_body(request.receive)
    return await run_in_threadpool(_change, request, body)


async def remove(request: Request) -> Response:
    body = await read_body(request.receive)
    return await run_in_threadpool(_remove, request, body)


def _change(request: Request, body: bytes) -> Response:
    ids, fields = parse(body)
    changes = changes_of(fields, len(ids))
    mark([open_run(request, run) for run in ids], changes)
    dashboard(request).live.look()
    return Json({"changed": ids})


def _remove(request: Request, body: bytes) -> Response:
    ids, fields = parse(body)
    confirmed = fields.pop("confirm", None)
    if fields:
        raise ApiError(400, f"{min(fields)[:80]!r}: is no part of a deletion")
    delete([open_run(request, run) for run in ids], confirmed)
    dashboard(request).live.look()
    return Json({"deleted": ids})


def _asked(request: Request) -> dict[str, Any]:
    sort = text(request, "sort", "-created")
    return {"filter": text(request, "f"), "sort": sort, "archived": flag(request, "archived")}


def _column(store: "Store", name: str) -> list[str]:
    """Its distinct values over all runs."""
    return [str(value) for (value,) in store.sql(f"SELECT DISTINCT {name} FROM runs WHERE {name} IS NOT NULL").rows]


ROUTES = [
    Route("/api/meta", meta, methods=["GET"]),
    Route("/api/runs", runs, methods=["GET"]),
    Route("/api/runs", change, methods=["PATCH"]),
    Route("/api/runs", remove, methods=["DELETE"]),
    Route("/api/runs.csv", runs_csv, methods=["GET"]),
    Route("/api/keys", keys, methods=["GET"]),
]
