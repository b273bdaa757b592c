"""The endpoint of the hyperparameter page: which keys vary, and how much of a metric each explains."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headway.compare.importance import METHOD, importance
from headway.web.answers import Json
from headway.web.errors import ApiError
from headway.web.state import dashboard, flag, text, words

MOST_RUNS = 10_000
MOST_KEYS = 60  # the most-differing ones, unless keys are asked for
SHOWN_VALUES = 50  # of a key that is no number
_NO_EXPERIMENT = ("config.name", "config.tags", "config.notes", "config.runs_dir")


def params(request: Request) -> Response:
    store, metric = dashboard(request).store, text(request, "metric")
    asked, archived = text(request, "f"), flag(request, "archived")
    if not metric:
        raise ApiError(400, "metric: must be given", "metric=val/accuracy")
    known = {key.key: key for key in store.keys(asked, archived)}
    varying = [key for key, entry in known.items() if entry.distinct > 1 and key not in _NO_EXPERIMENT]
    chosen = words(request, "keys") or varying[:MOST_KEYS]
    table = store.table(asked, columns=[metric, *chosen], limit=MOST_RUNS, archived=archived)
    scores = [row.cells[0] if type(row.cells[0]) in (int, float) else None for row in table.rows]
    numbers = [float("nan") if score is None else float(score) for score in scores]

    def entry(at: int, key: str) -> dict[str, Any]:
        values = [row.cells[at] for row in table.rows]
        kind = known[key].kind if key in known else "text"
        shown = [] if kind == "number" else sorted({str(value) for value in values if value is not None})
        share = importance(values, numbers)
        return {
            "key": key,
            "kind": kind,
            "importance": None if share is None else round(share, 4),
            "runs": sum(value is not None for value in values),
            "values": shown[:SHOWN_VALUES],
        }

    modes = {item.key: item.mode for item in store.metrics(asked, archived)}
    return Json(
        {
            "metric": metric,
            "mode": modes.get(metric, "max"),
            "total": table.total,
            "keys": [entry(at, key) for at, key in enumerate(chosen, 1)],
            "runs": [
                {"id": row.id, "name": row.name, "values": row.cells[1:], "metric": score}
                for row, score in zip(table.rows, scores, strict=True)
            ],
            "method": METHOD,
        }
    )


ROUTES = [Route("/api/params", params, methods=["GET"])]
