"""Every error of the server in one shape: {"error": {"status", "message", "hint", "position"}}."""

import os
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from headway.errors import HeadwayError
from headway.web.answers import Json


class ApiError(Exception):
    """An answer that is no success; `hint` says what to do, `position` the place in a filter (characters from 0)."""

    def __init__(self, status: int, message: str, hint: str | None = None, position: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.hint, self.position = status, message, hint, position


def error_response(error: ApiError, headers: dict[str, str] | None = None) -> Response:
    fields = {"status": error.status, "message": error.message, "hint": error.hint, "position": error.position}
    return Json({"error": fields}, error.status, headers)


async def _known(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    # after a body that was too long or too slow, what is still coming is not read
    return error_response(error, {"Connection": "close"} if error.status in (408, 413) else None)


async def _http(request: Request, error: Exception) -> Response:
    """Starlette's own: no such route, no such method."""
    assert isinstance(error, HTTPException)
    message = {404: "no such page or endpoint", 405: f"{request.method} is not allowed here"}.get(error.status_code)
    headers = dict(error.headers) if error.headers else None
    return error_response(ApiError(error.status_code, message or HTTPStatus(error.status_code).phrase), headers)


async def _headway(_: Request, error: Exception) -> Response:
    """What the user can mend, in the words of the command line."""
    position = getattr(error, "position", None)
    return error_response(ApiError(400, str(error), position=position if isinstance(position, int) else None))


async def _unknown(_: Request, error: Exception) -> Response:
    """A fault of the server: its traceback is in the server's own output, the page gets none of it."""
    if os.environ.get("HEADWAY_DEBUG") == "1":
        return error_response(ApiError(500, f"{type(error).__name__}: {error}"))
    return error_response(ApiError(500, "the server failed at this", "its output says why"))


HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    ApiError: _known,
    HTTPException: _http,
    HeadwayError: _headway,
    Exception: _unknown,
}
