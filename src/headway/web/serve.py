"""`headway ui`: a socket, the server on it, one line with its address."""

import asyncio
import errno
import logging
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from headway.errors import RunError
from headway.store.find import runs_root
from headway.web.app import ANY_ADDRESS, create_app
from headway.web.live import Live
from headway.web.protocol import LimitedProtocol
from headway.web.security import is_loopback

PORT = 6160
TRIES = 50  # ports after the default one
LARGEST_HEAD = 65536  # bytes of a request's line and headers: a filter of 10,000 characters, escaped, fits


class Server(uvicorn.Server):
    """Ends the streams of events before it waits for requests to end."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.stop()
        await super().shutdown(sockets)


def serve(
    roots: Sequence[Path],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    token: str | None = None,
    read_only: bool = False,
    browser: bool = True,
) -> int:
    """Serve until interrupted; the exit code. Raises RunError for a folder or an address that cannot be used."""
    from headway.store.index.store import Store

    for root in roots:
        if not root.is_dir() and root != runs_root():  # where runs go by default there may be none yet
            raise RunError(f"{root}: is no folder; give one that holds runs")
    listener = listen(host, port)
    port = listener.getsockname()[1]
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    names = (socket.gethostname(), socket.getfqdn()) if host in ANY_ADDRESS else ()
    guard = create_app(Store(*roots), roots, port=port, bind=host, names=names, token=token, read_only=read_only)
    url = address(host, port, token)
    sys.stdout.write(f"Headway is at {url} (stop with Ctrl-C)\n")
    sys.stdout.flush()
    if browser and _has_display():
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        guard,
        http=LimitedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=LARGEST_HEAD,
        timeout_graceful_shutdown=3,
        lifespan="on",
    )
    try:
        asyncio.run(Server(config, guard.app.state.dashboard.live).serve(sockets=[listener]))
    except KeyboardInterrupt:  # uvicorn ends in order and then raises the signal again
        return 0
    return 0


def listen(host: str, port: int | None) -> socket.socket:
    """A listening socket on `host`; without a port, the first free one from PORT on. Raises RunError."""
    if port is not None and not 0 <= port <= 65535:
        raise RunError(f"--port {port}: must be 0 to 65535; 0 is any free one")
    for candidate in range(PORT, PORT + TRIES) if port is None else [port]:
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
        except (OSError, UnicodeError) as error:
            raise RunError(f"--host {host}: is no address of this machine ({error})") from error
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(place)
            listener.listen(1024)
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise RunError(f"--host {host} --port {candidate}: cannot listen there: {error.strerror}") from error
        else:
            return listener
    if port is None:
        raise RunError(f"ports {PORT} to {PORT + TRIES - 1} of {host} are all taken; give a free one with --port")
    raise RunError(f"--port {port}: is taken on {host}; leave it out to get a free one")


def address(host: str, port: int, token: str | None) -> str:
    """The link to open; a server on every address is named by its machine."""
    name = socket.gethostname() if host in ANY_ADDRESS else host
    shown = f"[{name}]" if ":" in name else name
    return f"http://{shown}:{port}/" + (f"?token={token}" if token else "")


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
