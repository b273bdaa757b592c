"""Guarantee 8 and faults 17 to 22: a real server on a real socket, and what other pages and clients may try with it."""

import itertools
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW")
HALF_OPEN = 300
JSON_TYPE = {"Content-Type": "application/json"}
DEADLINE = 40.0  # seconds; nothing here takes a fraction of it on an idle machine


@pytest.fixture(scope="module")
def guarded(root: Path, start_dashboard: Any) -> Any:
    """On every address, read-only, with a token it made itself."""
    return start_dashboard(root, "--host", "0.0.0.0", "--port", "0", "--read-only")


@pytest.fixture(scope="module", autouse=True)
def half_open(server: Any) -> Iterator[list[socket.socket]]:
    """Sockets that never finish a request's head, there from before the first test to the last."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(server.connect(b"GET / HTTP/1.1\r\nHost: x" if number % 2 else b""))
            for number in range(HALF_OPEN)
        ]


# --- who may ask -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Host": "localhost.:{port}"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_another_page_gets_nothing_from_any_route_by_any_method(server: Any, headers: dict[str, str]) -> None:
    given = {key: value.format(port=server.port) for key, value in headers.items()} | JSON_TYPE
    before = server.digest()
    for path, method in itertools.product(server.routes(), METHODS):
        status, found, body = server.ask(method, path, given, b'{"ids": ["x"], "archived": true}')
        assert status in (403, 421), (method, path, status)
        server.refused(status, found, body)
    assert server.digest() == before


def test_a_tunnel_may_begin_at_another_port_but_its_origin_must_be_there_too(server: Any) -> None:
    there = {"Host": "localhost:1"}
    assert server.ask("GET", "/api/meta", there)[0] == 200
    assert server.ask("GET", "/api/meta", there | {"Origin": "http://localhost:1"})[0] == 200
    assert server.ask("GET", "/api/meta", there | {"Origin": f"http://localhost:{server.port}"})[0] == 403


def test_no_host_and_two_hosts_are_refused(server: Any) -> None:
    for hosts in (b"", b"Host: 127.0.0.1:%d\r\nHost: evil.example\r\n" % server.port):
        with server.connect(b"GET /api/meta HTTP/1.1\r\n" + hosts + b"\r\n") as connection:
            assert b" 400 " in connection.makefile("rb").readline()
    with server.connect(b"GET /api/meta HTTP/1.0\r\n\r\n") as connection:
        assert b" 421 " in connection.makefile("rb").readline()


def test_the_names_of_this_machine_s_loopback_are_answered(server: Any) -> None:
    for host in ("localhost", "127.0.0.1", "[::1]", "LOCALHOST"):
        assert server.ask("GET", "/api/meta", {"Host": f"{host}:{server.port}"})[0] == 200


def test_a_websocket_from_another_page_is_refused(server: Any) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "http://evil.example"}
    for path in ("/api/events", "/"):
        assert server.ask("GET", path, upgrade)[0] == 403


def test_a_link_from_elsewhere_opens_a_page_but_reads_nothing(server: Any) -> None:
    clicked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert server.ask("GET", "/", clicked)[0] == 200
    assert server.ask("GET", "/", clicked | {"Sec-Fetch-Dest": "iframe"})[0] == 403
    assert server.ask("DELETE", "/api/runs", clicked | JSON_TYPE, b"{}")[0] == 403


def test_only_this_machine_can_connect_by_default(server: Any) -> None:
    listening = {
        found.laddr.ip for found in psutil.Process(server.process.pid).net_connections() if found.status == "LISTEN"
    }
    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_cannot_write(server: Any, run_id: str, kind: str) -> None:
    before = server.digest()
    body = json.dumps({"ids": [run_id], "name": "taken over", "confirm": 1}).encode()
    for method in ("POST", "PATCH", "DELETE"):
        status, headers, answer = server.ask(method, "/api/runs", {"Content-Type": kind}, body)
        assert status in (405, 415)
        server.refused(status, headers, answer)
    assert server.digest() == before


def test_every_answer_forbids_what_a_page_could_be_abused_for(server: Any) -> None:
    for path in server.routes():
        _, headers, _ = server.ask("GET", path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        if "sandbox" not in policy:
            assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


# --- token -----------------------------------------------------------------------------------------------------------


def token_of(server: Any) -> str:
    return server.url.partition("?token=")[2]


def test_any_other_address_needs_the_token_on_every_route_by_every_method(guarded: Any) -> None:
    assert len(token_of(guarded)) >= 24
    wrong = [{}, {"Authorization": "Bearer wrong"}, {"Cookie": f"headway-{guarded.port}=wrong"}]
    wrong += [{"Authorization": f"Basic {token_of(guarded)}"}, {"Authorization": "Bearer \xff"}]
    for headers in wrong:
        for path, method in itertools.product(guarded.routes(), METHODS):
            status, found, body = guarded.ask(method, path, headers | JSON_TYPE, b"{}")
            assert status == 401 or (status == 405 and method not in ("GET", "HEAD", "PATCH", "DELETE"))
            guarded.refused(status, found, body)
    assert guarded.ask("GET", "/?token=wrong")[0] == 401


def test_the_link_leaves_a_cookie_that_scripts_and_other_sites_cannot_use(guarded: Any) -> None:
    status, headers, body = guarded.ask("GET", f"/run/x?tab=config&token={token_of(guarded)}")
    cookie = headers["set-cookie"]
    assert status == 200
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert b"url=/run/x?tab=config" in body
    assert token_of(guarded).encode() not in body
    assert guarded.ask("GET", "/api/meta", {"Cookie": cookie.partition(";")[0]})[0] == 200
    assert guarded.ask("GET", "/api/meta", {"Authorization": f"Bearer {token_of(guarded)}"})[0] == 200


def test_a_link_with_markup_in_it_stays_text_on_this_server(guarded: Any) -> None:
    link = f"//evil.example/%22%3E%3Cscript%3E?x=%22%3E%3Cscript%3E&token={token_of(guarded)}"
    _, _, body = guarded.ask("GET", link)
    assert b"<script" not in body
    assert b"url=//" not in body


def test_a_read_only_server_refuses_every_write(guarded: Any, root: Path) -> None:
    before = guarded.digest()
    run = next(root.glob("*/*/run.json")).parent.name
    body = json.dumps({"ids": [run], "archived": True, "confirm": 1}).encode()
    for method in ("PATCH", "DELETE"):
        headers = JSON_TYPE | {"Authorization": f"Bearer {token_of(guarded)}"}
        status, found, answer = guarded.ask(method, "/api/runs", headers, body)
        assert status == 403
        guarded.refused(status, found, answer)
    assert guarded.digest() == before


def test_a_server_on_every_address_still_refuses_foreign_names(guarded: Any) -> None:
    bearer = {"Authorization": f"Bearer {token_of(guarded)}"}
    assert guarded.ask("GET", "/api/meta", bearer | {"Host": f"evil.example:{guarded.port}"})[0] == 421
    assert guarded.ask("GET", "/api/meta", bearer | {"Host": f"{socket.gethostname()}:{guarded.port}"})[0] == 200


# --- paths and bodies ------------------------------------------------------------------------------------------------

PATHS = ["../../../secret.txt", "..%2f..%2f..%2fsecret.txt", "%2e%2e/%2e%2e/%2e%2e/secret.txt", "%252e%252e/secret.txt"]
PATHS += [
    "..%5c..%5csecret.txt",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "artifacts/link",
    "artifacts/out/secret.txt",
    "a%00b",
]
PATHS += ["config.yaml%00", "config.yaml/", "artifacts%23", "%ff%fe", "artifacts", "", "x" * 5000]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
def test_no_path_leads_out_of_a_run_or_the_pages(server: Any, run_id: str, path: str) -> None:
    places = [f"/api/runs/{run_id}/file?path={path}", f"/api/runs/{run_id}/text/{path}", f"/assets/{path}", f"/{path}"]
    places += [f"/api/runs/{path}/output", f"/api/runs/{path}", f"/api/runs/{run_id}/predictions?split={path}"]
    places += [f"/api/runs/{run_id}/evaluation?split={path}"]
    for place in places:
        status, headers, body = server.ask("GET", place)
        assert b"canary-of-a-file-outside" not in body, place
        assert b"root:" not in body, place
        if place != "/":
            server.refused(status, headers, body)


def test_a_hundred_megabytes_are_refused_unread(server: Any) -> None:
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    said = f"PATCH /api/runs HTTP/1.1\r\nHost: localhost:{server.port}\r\nContent-Type: application/json\r\n".encode()
    with server.connect(said + b"Content-Length: 104857600\r\n\r\n") as connection:
        assert b" 413 " in connection.makefile("rb").readline()
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with server.connect(said + b"Transfer-Encoding: chunked\r\n\r\n") as connection:
        sent = 0
        try:
            for _ in range(100):
                connection.sendall(chunk)
                sent += 1
        except OSError:
            pass  # closed on us, as it should be
        assert sent < 100
    assert process.memory_info().rss - before < 50e6
    assert server.get("/api/meta")


BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"ids": []}',
    b'{"ids": "all", "archived": true}',
    b'{"ids": [1], "archived": true}',
]
BODIES += [
    b'{"ids": ["x"], "archived": "yes"}',
    b'{"ids": ["x"], "status": "finished"}',
    b'{"ids": ["x"]}',
    b"\xff\xfe",
]
BODIES += [
    b"[" * 400_000,
    b'{"a":' * 150_000,
    b'{"ids": ["x"], "confirm": true}',
    b'{"ids": ["../x"], "archived": true}',
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: str(body[:30]))
def test_bodies_that_are_no_order_change_nothing(server: Any, body: bytes) -> None:
    before = server.digest()
    for method in ("PATCH", "DELETE"):
        status, headers, answer = server.ask(method, "/api/runs", JSON_TYPE, body)
        server.refused(status, headers, answer)
    assert server.digest() == before


FILTERS = ['name ~ "' + "*a" * 2000 + '"', "(" * 9000, "not " * 2400 + "x", "x " * 4900, 'name ~ "(a+)+$"', "'" * 9999]
FILTERS += ["a" * 60_000, "status = 'x' or " * 600 + "x", "'; DROP TABLE runs; --", 'config."a\0b" = 1', "\x00"]


@pytest.mark.parametrize("asked", FILTERS, ids=lambda asked: asked[:20])
def test_filters_that_would_never_end_are_answered_at_once(server: Any, asked: str) -> None:
    for place in (
        "/api/runs?f=",
        "/api/runs?sort=",
        "/api/runs?cols=",
        "/api/runs?group=",
        "/api/keys?f=",
        "/api/params?metric=x&f=",
    ):
        status, headers, body = server.ask("GET", place + quote(asked))
        assert status in (200, 400), (place, body[:200])
        if status == 400 and headers["content-type"] == "application/json":
            server.refused(status, headers, body)
    assert server.get("/api/runs")["all"] == 2


def test_unknown_methods_and_broken_requests_have_the_same_shape(server: Any) -> None:
    for method in ("BREW", "POST", "PUT", "TRACE"):
        server.refused(*server.ask(method, "/api/runs", JSON_TYPE, b"{}"))
    with server.connect(b"nonsense\r\n\r\n") as connection:
        answer = connection.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert b"x-content-type-options: nosniff" in head.lower()
    assert json.loads(body)["error"]["status"] == 400


# --- load, and the end -----------------------------------------------------------------------------------------------


def test_others_are_answered_while_sockets_are_held_open_and_these_are_closed(
    server: Any, half_open: list[socket.socket]
) -> None:
    more = [server.connect(b"GET /api/meta HTTP/1.1\r\n") for _ in range(HALF_OPEN)]
    begun = time.monotonic()
    assert server.get("/api/meta")["runs"] == 2
    print(f"answered in {1000 * (time.monotonic() - begun):.0f} ms beside {HALF_OPEN} half-open sockets")
    until = time.monotonic() + DEADLINE
    for connection in [*half_open, *more]:
        connection.settimeout(max(0.01, until - time.monotonic()))
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
        connection.close()
    assert psutil.Process(server.process.pid).num_fds() < 100


def test_a_crowd_of_streams_leaves_room_for_requests(server: Any) -> None:
    ask = f"GET /api/events HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode()
    with ExitStack() as stack:
        streams = [stack.enter_context(server.connect(ask)) for _ in range(200)]
        answers = [stream.makefile("rb").readline() for stream in streams]
        assert sum(b" 200 " in answer for answer in answers) >= 6
        assert all(b" 200 " in answer or b" 503 " in answer for answer in answers)
        assert server.get("/api/meta")["runs"] == 2


def test_an_interrupt_ends_it_quietly_with_streams_open(root: Path, start_dashboard: Any) -> None:
    server = start_dashboard(root, "--port", "0")
    ask = f"GET /api/events HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode()
    with server.connect(ask) as stream:
        assert b" 200 " in stream.makefile("rb").readline()
        assert server.stop() == ""
    assert server.process.returncode == 0


def test_a_port_that_was_asked_for_and_is_taken_is_one_clear_line(server: Any, root: Path) -> None:
    command = [sys.executable, "-m", "headway.cli", "ui", str(root), "--no-browser", "--port", str(server.port)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert finished.returncode == 2
    assert finished.stderr.startswith(f"headway: error: --port {server.port}: is taken")
    assert len(finished.stderr.splitlines()) == 1
