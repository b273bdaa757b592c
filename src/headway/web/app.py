"""The application: routes, errors in one shape, and the guard around it all."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from headway.web import api_compare, api_curves, api_params, api_predictions, api_run, api_runs, pages
from headway.web.errors import HANDLERS, ApiError
from headway.web.live import MOST_STREAMS, Live
from headway.web.security import Guard, accepted_hosts, is_loopback
from headway.web.state import Dashboard, dashboard

if TYPE_CHECKING:
    from headway.store.index.store import Store

ANY_ADDRESS = ("0.0.0.0", "::", "")
UNZIPPED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/octet-stream")


async def events(request: Request) -> Response:
    live = dashboard(request).live
    if live.streams >= MOST_STREAMS:
        raise ApiError(503, f"{MOST_STREAMS} pages are open", "close some")
    return StreamingResponse(live.events(), media_type="text/event-stream")


ROUTES = [
    *pages.ROUTES,
    *api_runs.ROUTES,
    *api_curves.ROUTES,
    *api_run.ROUTES,
    *api_predictions.ROUTES,
    *api_compare.ROUTES,
    *api_params.ROUTES,
    Route("/api/events", events, methods=["GET"]),
]


def create_app(
    store: "Store",
    roots: Sequence[Path],
    *,
    port: int,
    bind: str = "127.0.0.1",
    names: Iterable[str] = (),
    token: str | None = None,
    read_only: bool = False,
) -> Guard:
    """The guarded application on `store`; `names` are further host names of this machine.

    `Guard.app` is the Starlette application inside, for those who want its routes; it must not be served alone.
    """
    live = Live(store)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        live.start(asyncio.get_running_loop())
        yield
        live.stop()
        store.close()

    # over a network JSON is worth compressing; on this machine that takes longer than it saves
    zipped = [] if is_loopback(bind) else [Middleware(GZipMiddleware, 1000, 5, exclude_content_types=UNZIPPED)]
    app = Starlette(routes=ROUTES, middleware=zipped, exception_handlers=HANDLERS, lifespan=lifespan)
    app.router.redirect_slashes = False
    app.state.dashboard = Dashboard(store, roots, read_only, live)
    hosts = accepted_hosts(bind, port, names)
    return Guard(app, hosts=hosts, port=port, token=token, read_only=read_only, any_address=bind in ANY_ADDRESS)
