"""Endpoints of a run's predictions."""

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headway.errors import RunError
from headway.store import layout
from headway.store.run import Run
from headway.web.answers import Json, csv_response
from headway.web.choice import Choice, chosen, ordered, page
from headway.web.errors import ApiError
from headway.web.run_facts import prediction_steps
from headway.web.state import one_of, open_run, optional_number, optional_whole, text, whole
from headway.web.tables import Predictions, open_predictions

CSV_ROWS = 1000  # read at one time


def table_of(run: Run, split: str, step: int | None) -> tuple[Predictions, int]:
    """The predictions of `split` at `step` (None: the latest), and that step. Raises ApiError 404: what there is."""
    recorded = prediction_steps(run.path)
    steps = [at for at in recorded.get(split, []) if step in (None, at)]
    if not steps:
        known = ", ".join(f"{name} at step {at}" for name, found in recorded.items() for at in found) or "none"
        asked = split[:80] if step is None else f"{split[:80]} at step {step}"
        raise ApiError(404, f"{run.id}: no predictions of {asked}; recorded are: {known}")
    labels = (run.meta.get("data") or {}).get("labels") or []
    try:
        return open_predictions(run.path / layout.predictions_file(split, steps[-1]), labels), steps[-1]
    except RunError as error:
        raise ApiError(422, str(error)) from error


def predictions(request: Request) -> Response:
    run, split = open_run(request), text(request, "split", "test")
    table, step = table_of(run, split, optional_whole(request, "step"))
    offset, limit = whole(request, "offset", 0, 0, table.count), whole(request, "limit", 100, 0, 1000)
    found = page(
        table, _choice(request), text(request, "sort", "-loss" if "loss" in table.numbers else ""), offset, limit
    )
    return Json({"split": split, "step": step} | found)


def predictions_csv(request: Request) -> Response:
    run, split = open_run(request), text(request, "split", "test")
    table, step = table_of(run, split, optional_whole(request, "step"))
    order = ordered(table, chosen(table, _choice(request)), text(request, "sort")).tolist()
    header = [*table.columns, *(["wrong"] if table.wrong is not None else [])]

    def rows() -> Iterator[list[Any]]:
        for start in range(0, len(order), CSV_ROWS):
            yield from ([row[name] for name in header] for row in table.rows(order[start : start + CSV_ROWS]))

    return csv_response(f"{run.id}-{split}-{step}.csv", header, rows())


def _choice(request: Request) -> Choice:
    return Choice(
        query=text(request, "q")[:1000],
        only=one_of(request, "only", ("", "wrong", "right"), ""),
        gold=request.query_params.get("gold") or None,
        prediction=request.query_params.get("prediction") or None,
        min_confidence=optional_number(request, "min_confidence"),
        max_confidence=optional_number(request, "max_confidence"),
    )


ROUTES = [
    Route("/api/runs/{id}/predictions", predictions, methods=["GET"]),
    Route("/api/runs/{id}/predictions.csv", predictions_csv, methods=["GET"]),
]
