"""The endpoint of curves: one metric of many runs, in a binary form that a page reads without parsing.

u32 little-endian length H of the header, the header as JSON padded with blanks so that 4 + H is a multiple of 8, then
for each series x float64 [n], mean float32 [n] and, unless the series is raw, min and max float32 [n]; every array is
padded to 8 bytes. A gap is NaN.
"""

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headway.web.errors import ApiError
from headway.web.state import dashboard, flag, one_of, optional_number, text, whole, words

if TYPE_CHECKING:
    from headway.store.index.curves import Curve, X

MOST_RUNS = 500  # more lines cannot be told apart, and a filter has no more terms
AXES = ("step", "epoch", "tokens", "time")


def curves(request: Request) -> Response:
    store, metric = dashboard(request).store, text(request, "metric")
    if not metric:
        raise ApiError(400, "metric: must be given", "metric=train/loss")
    if asked := words(request, "runs")[:MOST_RUNS]:
        listed = ", ".join(json.dumps(run, ensure_ascii=False) for run in asked)
        table = store.table(f"id in ({listed})", limit=MOST_RUNS, archived=True)
    else:
        sort, archived = text(request, "sort", "-created"), flag(request, "archived")
        limit = whole(request, "limit", 200, 1, MOST_RUNS)
        table = store.table(text(request, "f"), sort, limit=limit, archived=archived)
    names = {row.id: row.name for row in table.rows}
    runs = [run for run in asked if run in names] or list(names)
    axis = cast("X", one_of(request, "x", AXES, "step"))
    start, stop = optional_number(request, "from"), optional_number(request, "to")
    found = store.curves(runs, metric, axis, whole(request, "points", 500, 2, 20_000), start, stop)
    head = {"metric": metric, "x": axis, "from": start, "to": stop, "total": table.total}
    return Response(pack(head, found, names), media_type="application/octet-stream")


def pack(head: Mapping[str, Any], found: "Sequence[Curve]", names: Mapping[str, str | None]) -> bytes:
    """The answer of this endpoint; `names` are those of the runs, by id."""
    series = [{"run": curve.run, "name": names.get(curve.run), "n": curve.n, "raw": curve.raw} for curve in found]
    text = json.dumps({**head, "series": series}, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(4 + len(text)) % 8)
    return b"".join([struct.pack("<I", len(text)), text, *_arrays(found)])


def _arrays(found: "Iterable[Curve]") -> Iterable[bytes]:
    for curve in found:
        yield np.ascontiguousarray(curve.x, "<f8").tobytes()
        for values in (curve.mean,) if curve.raw else (curve.mean, curve.minimum, curve.maximum):
            data = np.ascontiguousarray(values, "<f4").tobytes()
            yield data + b"\0" * (-len(data) % 8)


ROUTES = [Route("/api/curves", curves, methods=["GET"])]
