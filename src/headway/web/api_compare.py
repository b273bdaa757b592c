"""Endpoints that set runs side by side; those of verdicts on groups of them are in api_verdicts."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headway.web import api_verdicts
from headway.web.alignment import ONLY, align
from headway.web.answers import Json
from headway.web.api_predictions import table_of
from headway.web.errors import ApiError
from headway.web.sides import compare
from headway.web.state import one_of, open_run, optional_whole, text, whole, words

MOST_RUNS = 16


def compare_runs(request: Request) -> Response:
    asked = list(dict.fromkeys(words(request, "runs")))
    if not 2 <= len(asked) <= MOST_RUNS:
        raise ApiError(400, f"{len(asked)} runs given; compare 2 to {MOST_RUNS}", "runs=ID,ID")
    return Json(compare([open_run(request, run_id) for run_id in asked]))


def compare_predictions(request: Request) -> Response:
    a, b = open_run(request, text(request, "a")), open_run(request, text(request, "b"))
    split = text(request, "split", "test")
    ours, step_a = table_of(a, split, optional_whole(request, "step_a"))
    theirs, step_b = table_of(b, split, optional_whole(request, "step_b"))
    prints = [(run.meta.get("data") or {}).get("fingerprint") for run in (a, b)]
    found = align(
        ours,
        theirs,
        same_data=prints[0] == prints[1],
        only=one_of(request, "only", ("", "differ", *ONLY), ""),
        query=text(request, "q")[:1000],
        sort=text(request, "sort"),
        offset=whole(request, "offset", 0, 0, ours.count),
        limit=whole(request, "limit", 100, 0, 1000),
    )
    return Json({"split": split, "a": {"run": a.id, "step": step_a}, "b": {"run": b.id, "step": step_b}} | found)


ROUTES = [
    Route("/api/compare", compare_runs, methods=["GET"]),
    Route("/api/compare/predictions", compare_predictions, methods=["GET"]),
    *api_verdicts.ROUTES,
]
