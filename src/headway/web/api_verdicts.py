"""Endpoints of verdicts: which difference between groups of runs is real, and on which examples."""

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headway.web import contrasts
from headway.web.answers import Json
from headway.web.errors import ApiError
from headway.web.state import dashboard, one_of, optional_number, text, whole, words
from headway.web.verdicts import KEPT, Asked, Chosen, answer, choices, state_of

MOST_EXAMPLES = 200  # in one answer
MOST_SLICES = 8

_one = CapacityLimiter(1)  # study at one time: the others wait without a thread, and other requests need not wait


def verdict_choices(request: Request) -> Response:
    return Json(choices(dashboard(request).store, _chosen(request)))


async def verdicts(request: Request) -> Response:
    store, asked = dashboard(request).store, _asked(request)
    state = await run_in_threadpool(state_of, store, asked.chosen, asked.metric)
    body = KEPT.get((store.index, asked, state))
    if body is None:
        body = await to_thread.run_sync(answer, store, asked, state, limiter=_one)
    return Response(body, media_type="application/json")


async def examples(request: Request) -> Response:
    store = dashboard(request).store
    a, b = (tuple(dict.fromkeys(words(request, side))) for side in "ab")
    if not a or not b:
        raise ApiError(400, "examples takes two groups of runs", "a=ID,ID and b=ID,ID")
    asked = contrasts.Asked(
        *(a, b, _metric(request), tuple(words(request, "by")), tuple(words(request, "over"))),
        slices=tuple(one[:1000] for one in request.query_params.getlist("slice")[:MOST_SLICES] if one.strip()),
        level=_level(request),
    )
    part = contrasts.Part(
        *(text(request, "only") or None, text(request, "sort", "sure")),
        limit=whole(request, "limit", 20, 0, MOST_EXAMPLES),
        offset=whole(request, "offset", 0, 0, 10**9),
    )
    state = await run_in_threadpool(state_of, store, asked.chosen, asked.metric)
    return Json(await to_thread.run_sync(contrasts.contrast, store, asked, state, part, limiter=_one))


def _chosen(request: Request) -> Chosen:
    return Chosen(tuple(dict.fromkeys(words(request, "runs"))), text(request, "f").strip())


def _metric(request: Request) -> str:
    metric = text(request, "metric")
    if not metric:
        raise ApiError(400, "metric: must be given", "metric=test/accuracy")
    return metric


def _level(request: Request) -> float:
    level = optional_number(request, "level")
    return 0.05 if level is None else level


def _asked(request: Request) -> Asked:
    return Asked(
        *(_chosen(request), _metric(request), tuple(words(request, "by")), tuple(words(request, "over"))),
        margin=optional_number(request, "margin"),
        level=_level(request),
        correction=one_of(request, "correction", ("holm", "bh"), "holm"),
    )


ROUTES = [
    Route("/api/verdicts", verdicts, methods=["GET"]),
    Route("/api/verdicts/choices", verdict_choices, methods=["GET"]),
    Route("/api/examples", examples, methods=["GET"]),
]
