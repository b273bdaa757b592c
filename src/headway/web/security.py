"""Who may ask what: every request passes here before any handler sees it.

A web page that the user has open elsewhere can send requests to this server. It cannot choose the Host, Origin and
Sec-Fetch-Site headers that the browser adds, so these tell a request of our own page from one of another; the Host
also tells when a foreign name was made to point here (DNS rebinding).
"""

import asyncio
import hmac
import html
import ipaddress
import re
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send

from headway.web.errors import ApiError, error_response

MAX_BODY = 1_000_000  # bytes
BODY_SECONDS = 10.0
MOST_REQUESTS = 128  # answered at one time, streams of events included
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_PORT = re.compile(r":\d{1,5}$")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
READ = ("GET", "HEAD")
WRITE = ("PATCH", "DELETE")


class Guard:
    """ASGI application around `app` that answers 4xx itself or lets the request through.

    hosts: the accepted Host headers, lower case, with port. any_address: the server listens on every address of the
    machine, so the address that a connection came in on is accepted too. token: what every request must show.
    """

    def __init__(
        self, app: Starlette, *, hosts: Iterable[str], port: int, token: str | None, read_only: bool, any_address: bool
    ) -> None:
        self.app = app
        self.hosts = frozenset(hosts)
        self.port = port
        self.token = token
        self.read_only = read_only
        self.any_address = any_address
        self.cookie = f"headway-{port}"  # cookies do not tell ports apart
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        send = _with_headers(send)
        try:
            self._check(scope)
        except ApiError as error:
            await _refuse(error)(scope, receive, send)
            return
        if link := self._token_link(scope):
            await link(scope, receive, send)
            return
        if self._requests >= MOST_REQUESTS:
            await _refuse(ApiError(503, "too many requests at one time", "close some tabs"))(scope, receive, send)
            return
        self._requests += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._requests -= 1

    def _check(self, scope: Scope) -> None:
        headers, method = Headers(scope=scope), scope["method"]
        host = self._check_host(headers, scope)
        for origin in headers.getlist("origin"):
            if origin.lower() != f"http://{host}":
                raise ApiError(403, f"requests from {origin[:200]} are refused", "open the dashboard's own address")
        site = headers.get("sec-fetch-site", "none")
        opens_page = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if site not in ("same-origin", "none") and not (opens_page and headers.get("sec-fetch-dest") == "document"):
            raise ApiError(403, "requests from other web pages are refused", "open the dashboard's own address")
        if method not in READ + WRITE:
            raise ApiError(405, f"{method[:20]} is not allowed here")
        if self.token is not None and not self._has_token(headers, scope):
            raise ApiError(401, "a token is needed", "open the link that `headway ui` printed")
        if int(headers.get("content-length", "0")) > MAX_BODY:  # the parser has refused what is no number
            raise ApiError(413, f"the body is larger than {MAX_BODY:,} bytes")
        if "\0" in scope["path"]:
            raise ApiError(400, "the path holds a NUL character")
        if method in WRITE:
            if self.read_only:
                raise ApiError(403, "this dashboard is read-only", "start it without --read-only")
            if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                raise ApiError(415, "the body must be JSON", "send Content-Type: application/json")

    def _check_host(self, headers: Headers, scope: Scope) -> str:
        given = headers.getlist("host")
        host = given[0].lower() if len(given) == 1 else ""
        own = self.any_address and host == _address(scope)
        # at any port: the loopback's names cannot be made to point elsewhere, and a tunnel may begin at another port
        if host in self.hosts or own or _PORT.sub("", host) in LOOPBACK:
            return host
        hint = f"open http://localhost:{self.port}/"
        raise ApiError(421, f"this server does not answer to the name {host[:200]!r}", hint)

    def _has_token(self, headers: Headers, scope: Scope) -> bool:
        shown = [value for key, value in _query(scope) if key == "token"]
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            shown.append(bearer.strip())
        for line in headers.getlist("cookie"):
            try:
                cookie = SimpleCookie(line).get(self.cookie)
            except CookieError:
                continue
            if cookie is not None:
                shown.append(cookie.value)
        expected = (self.token or "").encode()
        return any(hmac.compare_digest(value.encode("utf-8", "surrogateescape"), expected) for value in shown)

    def _token_link(self, scope: Scope) -> Response | None:
        """For `GET /...?token=T` of a page: T goes into a cookie and out of the address.

        A page that goes on by itself and no redirect: a browser that came from another site would not send a strict
        cookie along a redirect.
        """
        query = _query(scope)
        if self.token is None or scope["path"].startswith("/api/") or not any(key == "token" for key, _ in query):
            return None
        rest = urlencode([(key, value) for key, value in query if key != "token"])
        target = html.escape(quote(scope["path"].lstrip("/")) + (f"?{rest}" if rest else ""))
        page = f'<!doctype html><meta http-equiv="refresh" content="0;url=/{target}"><a href="/{target}">Headway</a>'
        response = HTMLResponse(page)
        response.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
        return response


async def read_body(receive: Receive) -> bytes:
    """The body of a write. Raises ApiError: 413 above MAX_BODY, 408 when it takes too long, 400 when it breaks off."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message: Message = await receive()
                if message["type"] == "http.disconnect":
                    raise ApiError(400, "the connection was closed in the middle of the body")
                body += message.get("body", b"")
                if len(body) > MAX_BODY:
                    raise ApiError(413, f"the body is larger than {MAX_BODY:,} bytes")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise ApiError(408, f"the body took longer than {BODY_SECONDS:.0f} s") from None


def accepted_hosts(bind: str, port: int, names: Iterable[str] = ()) -> set[str]:
    """Host headers of a server that listens on `bind`: the loopback's and its own; port 80 may go unsaid."""
    own = f"[{bind}]" if ":" in bind else bind
    every = {name.lower() for name in (*LOOPBACK, own, *names) if name}
    return {f"{name}:{port}" for name in every} | (every if port == 80 else set())


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse(error: ApiError) -> Response:
    """A refusal closes the connection: what the client may still be sending is not read."""
    return error_response(error, {"Connection": "close"})


def _address(scope: Scope) -> str:
    """The address and port of this end of the connection, as a Host header spells them."""
    address, port = scope.get("server") or ("", 0)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _query(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: Any = MutableHeaders(raw=message.setdefault("headers", []))
            for key, value in HEADERS:
                headers.setdefault(key.decode(), value.decode())
        await send(message)

    return sending
