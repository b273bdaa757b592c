"""A run folder with a tracker in its config, the mirror process on it, and a server for wandb's client."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from headway.store.writer import create_run

FILE_MIRROR = '''
"""A mirror that writes each call as a line of JSON; it can be told to fail or to hang."""
import json, os, threading

class FileMirror:
    def __init__(self, path: str, fail: str = "", hang: str = "") -> None:
        self.path, self.fail, self.hang = path, fail, hang

    def _say(self, *call):
        with open(self.path, "a") as file:
            file.write(json.dumps(call) + "\\n")
        if call[0] == self.fail or call[:2] == ("log", self.fail):
            raise RuntimeError("the mirror\\nbroke")
        if call[0] == self.hang:
            threading.Event().wait()

    def start(self, run):
        self._say("start", run.id, run.name, run.project, run.tags, run.notes, run.config, run.resumed)
        return str(run.path / "there")

    def log(self, step, row):
        row = dict(row)
        assert row.pop("time") > 1e9
        self._say("log", step, row)

    def summary(self, metrics):
        self._say("summary", metrics)

    def artifact(self, path, name, kind):
        self._say("artifact", path.name, name, kind)

    def finish(self, exit_code):
        self._say("finish", exit_code)
'''


@dataclass
class Mirrored:
    """One run and what is needed to mirror it in a process of its own."""

    run: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "headway.trackers.mirror", str(self.run), *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=self.environment, text=True)

    def mirror(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the mirror with its standard input at its end."""
        process = self.start(*arguments)
        out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def mirrored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Mirrored]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file_mirror.py").write_text(FILE_MIRROR)
    home = {key: str(tmp_path / "home") for key in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")}
    (tmp_path / "home").mkdir()

    def make(tracker: str, config: str = "", environment: dict[str, str] | None = None, **fields: Any) -> Mirrored:
        defaults: dict[str, Any] = {"name": "first", "tags": ["a"], "notes": "why", "overrides": [], "seed": 1}
        run = create_run(
            tmp_path / "runs",
            **{"project": "demo", "config_hash": "0" * 16, "command": ["headway"]} | defaults | fields,
            config_yaml=f"project: demo\nseed: 1\n{config}tracker: {tracker}\n",
        )
        kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
        ours = {"PYTHONPATH": str(tmp_path), "HEADWAY_ALLOW": "file_mirror"}
        return Mirrored(run, kept | home | ours | (environment or {}))

    return make


class Server(ThreadingHTTPServer):
    """As much of a wandb server as its client needs to upload a run; what arrives is kept to be looked at."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.rows: list[str] | None = None  # of the one run; None before there is one
        self.config: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def history(self) -> list[dict[str, Any]]:
        """Rows without the client's own keys."""
        rows = [json.loads(row) for row in self.rows or []]
        return [{key: value for key, value in row.items() if key not in ("_runtime", "_timestamp")} for row in rows]

    def handle_error(self, *_: Any) -> None:
        """A client that closes its connection is no error."""

    def answer(self, path: str, body: bytes) -> dict[str, Any]:
        if path.startswith("/put/"):
            self.files[path.removeprefix("/put/")] = body
            return {}
        request = json.loads(body or b"{}") if path == "/graphql" or path.endswith("file_stream") else {}
        if path == "/graphql":
            return {"data": self.query(request["query"], request.get("variables") or {})}
        if history := request.get("files", {}).get("wandb-history.jsonl"):
            assert self.rows is not None
            self.rows[history["offset"] :] = history["content"]
        return {}

    def query(self, text: str, given: dict[str, Any]) -> dict[str, Any]:
        entity = {"id": "e", "name": "someone"}
        project = {"id": "p", "name": "demo", "entity": entity}
        bucket = {"id": "b", "name": given.get("name"), "displayName": "n", "config": "{}", "project": project}
        if "upsertBucket" in text:
            inserted, self.rows = self.rows is None, self.rows or []
            self.config |= json.loads(given.get("config") or "{}")
            return {"upsertBucket": {"bucket": bucket | {"historyLineCount": len(self.rows)}, "inserted": inserted}}
        if "RunResumeStatus" in text:
            counts = {"historyLineCount": len(self.rows or []), "eventsLineCount": 0, "logLineCount": 0}
            tails = {"historyTail": json.dumps((self.rows or [])[-1:]), "eventsTail": "[]", "summaryMetrics": "{}"}
            known = None if self.rows is None else bucket | counts | tails | {"wandbConfig": "{}", "tags": []}
            return {"model": project | {"bucket": known}}
        if "createRunFiles" in text:
            files = [self.upload(name) for name in given["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        if "createArtifactFiles" in text:
            names = [file["name"] for file in given["input"]["artifactFiles"]]
            edges = [{"node": self.upload(name) | {"storagePath": name, "artifact": {"id": "a"}}} for name in names]
            return {"createArtifactFiles": {"files": {"edges": edges}}}
        if "createArtifactManifest" in text:
            return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": self.upload("manifest")}}}
        if "createArtifact(" in text:
            sequence = {"id": "s", "latestArtifact": None}
            return {"createArtifact": {"artifact": {"id": "a", "state": "PENDING", "artifactSequence": sequence}}}
        if "commitArtifact" in text:
            return {"commitArtifact": {"artifact": {"id": "a", "digest": "d"}}}
        if "query ArtifactType" in text:
            return {"project": {"artifact": None}}
        if "viewer" in text:
            return {"viewer": {"id": "u", "entity": "someone", "username": "u", "flags": "{}", "teams": {"edges": []}}}
        return {}

    def upload(self, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "name": name,
            "displayName": name,
            "uploadUrl": f"{self.url}/put/{name}",
            "uploadHeaders": [],
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        answer = json.dumps(self.server.answer(self.path, body)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST  # noqa: N815 - the standard library's names

    def log_message(self, *_: Any) -> None:
        """Nothing on the test's own output."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
