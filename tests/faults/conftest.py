"""A real `headway ui` on a real socket."""

import hashlib
import http.client
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from headway.store.history import HistoryWriter
from headway.store.index.store import Store
from headway.store.predictions import write_predictions
from headway.store.writer import create_run
from headway.web.app import create_app

DEADLINE = 40.0  # seconds; nothing takes a fraction of it on an idle machine


SCRIPT = "<script>alert(1)</script>"
CANARY = "canary-of-a-file-outside"


class Marker:
    """Unpickling this leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@dataclass
class Server:
    """A running `headway ui`: `url` as it printed it, and the runs folder."""

    process: "subprocess.Popen[str]"
    url: str
    root: Path

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers in lower case, body); `path` goes out as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            given = {"Host": f"127.0.0.1:{self.port}"} | (headers or {})
            if body is not None:
                given.setdefault("Content-Length", str(len(body)))
            for key, value in given.items():
                connection.putheader(key, value)
            connection.endheaders(body)
            response = connection.getresponse()
            if response.getheader("content-type", "").startswith("text/event-stream"):
                return response.status, {key.lower(): value for key, value in response.getheaders()}, b""
            return response.status, {key.lower(): value for key, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        status, _, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def digest(self) -> str:
        """Of every name and byte of the runs."""
        found = hashlib.sha256()
        for file in sorted(self.root.rglob("*")):
            found.update(str(file).encode() + (file.read_bytes() if file.is_file() else b""))
        return found.hexdigest()

    def routes(self) -> list[str]:
        """The path of each route that the application has, with its parameters filled in, and one that it has not."""
        routes = create_app(Store(self.root), [self.root], port=1).app.routes
        filled = {"id": "20260101-000000-abcdef", "name": "config"}
        paths = [route.path.format(**filled) for route in routes]  # type: ignore[attr-defined]
        assert len(paths) > 20
        return [*dict.fromkeys(paths), "/nowhere"]

    @staticmethod
    def refused(status: int, headers: dict[str, str], body: bytes) -> None:
        """Check that an answer is an error in the one shape."""
        assert 400 <= status < 500
        assert headers["content-type"] == "application/json"
        assert headers["x-content-type-options"] == "nosniff"
        if body:
            error = json.loads(body)
            assert set(error) == {"error"}
            assert set(error["error"]) == {"status", "message", "hint", "position"}
            assert error["error"]["status"] == status

    def stop(self) -> str:
        """Interrupt it; what it wrote to standard error."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=DEADLINE)[1]

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        connection.sendall(sent)
        return connection


def start(root: Path, cache: Path, *arguments: str) -> Server:
    """`headway ui` on `root`, as soon as it has said where it is."""
    environment = os.environ | {"HEADWAY_CACHE": str(cache)}
    environment.pop("HEADWAY_DEBUG", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "headway.cli", "ui", str(root), "--no-browser", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "http://" in line, process.communicate()[1]
    return Server(process, line.split()[3], root)


def make_run(root: Path, **changes: Any) -> Path:
    fields: dict[str, Any] = {"project": "p", "name": None, "tags": [], "notes": None, "seed": 1, "overrides": []}
    fields |= {"config_yaml": "seed: 1\n", "config_hash": "0" * 16, "command": ["headway"]}
    return create_run(root, **(fields | changes))


@pytest.fixture(scope="module")
def start_dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """start_dashboard(root, "--port", "0") starts one with an index of its own; all are stopped at the end."""
    started: list[Server] = []

    def starting(root: Path, *arguments: str) -> Server:
        started.append(start(root, tmp_path_factory.mktemp("cache"), *arguments))
        return started[-1]

    yield starting
    for server in started:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("marker") / "was-unpickled"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, marker: Path) -> Path:
    """Two runs with hostile names, files and predictions."""
    root = tmp_path_factory.mktemp("dashboard") / "runs"
    (root.parent / "secret.txt").write_text(CANARY)
    config = f"seed: 1\nmodel:\n  path: '{SCRIPT}'\n"
    path = make_run(
        root, name=SCRIPT, tags=[SCRIPT, "=1+1"], notes='=HYPERLINK("http://evil.example")', config_yaml=config
    )
    with HistoryWriter(path / "history.jsonl") as history:
        history.log(1, {f"val/{SCRIPT}": 0.5, "train/loss": 1.0})
    answers = {
        "id": ["=1", "b"],
        "text": [SCRIPT, "-1+1"],
        "gold": ["@x", "n"],
        "prediction": ["n", "n"],
        "loss": [1.0, -2.0],
    }
    write_predictions(path / "predictions" / "test-000001.parquet", answers | {"confidence": [0.5, 0.5]})
    (path / "artifacts" / "evil.html").write_text(SCRIPT)
    (path / "artifacts" / "evil.svg").write_text(f"<svg xmlns='http://www.w3.org/2000/svg'>{SCRIPT}</svg>")
    (path / "artifacts" / "link").symlink_to(root.parent / "secret.txt")
    (path / "artifacts" / "out").symlink_to(root.parent)
    evil = make_run(root, name="../x")
    pickled = pickle.dumps(Marker(marker))
    for name in ("predictions/val-000001.parquet", "artifacts/evaluation-val-000001.json", "checkpoints/step-1.ckpt"):
        (evil / name).write_bytes(pickled)
    (evil / "system.jsonl").write_bytes(pickled)
    (evil / "summary.json").write_bytes(pickled)
    return root


@pytest.fixture(scope="module")
def server(root: Path, start_dashboard: Any) -> Any:
    started = start_dashboard(root, "--port", "0")
    until = time.monotonic() + DEADLINE
    while started.get("/api/meta")["runs"] < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    return started


@pytest.fixture
def run_id(server: Any) -> str:
    [row] = [row for row in server.get("/api/runs")["rows"] if row["name"] == SCRIPT]
    return str(row["id"])
