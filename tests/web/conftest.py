"""Runs that a dashboard can show, and a dashboard on them without a socket."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway.store.history import HistoryWriter, Summary
from headway.store.index.store import Store
from headway.store.layout import evaluation_file, predictions_file
from headway.store.predictions import write_predictions
from headway.store.writer import RunRecord, create_run
from headway.web.app import create_app

MakeRun = Callable[..., Path]
Open = Callable[..., TestClient]

LABELLED = {
    "id": ["e1", "e2", "e3", "e4"],
    "text": ["Good film", "A bad plot", "fine", "awful <script>"],
    "gold": ["pos", "neg", "pos", "neg"],
    "prediction": ["pos", "pos", "pos", "neg"],
    "confidence": [0.9, 0.6, 0.8, 0.7],
    "loss": [0.1, 0.9, 0.2, 0.3],
    "scores": [[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]],
}


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def make_run(roots: Path) -> MakeRun:
    """Makes a finished run of `losses` (steps 1, 2, ...) with predictions and an evaluation of "test" at its end."""

    def make(
        losses: tuple[float, ...] = (0.5, 0.4, 0.3),
        predictions: dict[str, Any] | None = LABELLED,
        status: str | None = "finished",
        data: str = "same",
        **changes: Any,
    ) -> Path:
        fields: dict[str, Any] = {
            "project": "reviews",
            "name": None,
            "tags": [],
            "notes": None,
            "config_yaml": "seed: 1\noptimizer:\n  lr: 0.1\n",
            "config_hash": "0" * 16,
            "overrides": ["optimizer.lr=0.1", "seed=1"],
            "command": ["headway", "train"],
            "seed": 1,
        }
        path = create_run(roots, **(fields | changes))
        with HistoryWriter(path / "history.jsonl") as history:
            for step, loss in enumerate(losses, 1):
                history.log(step, {"train/loss": loss, "val/accuracy": 1 - loss})
        Summary.rebuild(path).write()
        if predictions is not None:
            write_predictions(path / predictions_file("test", len(losses)), predictions)
            (path / evaluation_file("test", len(losses))).write_text(
                f'{{"split": "test", "step": {len(losses)}, "metrics": {{"accuracy": 0.75}}, "details": {{"n": 4}}}}'
            )
        record = RunRecord(path)
        record.update(data={"fingerprint": data, "labels": ["neg", "pos"]})
        if status is not None:
            record.set_status("running")
            if status != "running":
                record.set_status(status)
        return path

    return make


@pytest.fixture
def open_dashboard(roots: Path) -> Iterator[Open]:
    """Opens a client of a dashboard on the runs there are by then; arguments are those of `create_app`."""
    opened = []

    def open_client(*, raise_server_exceptions: bool = True, **arguments: Any) -> TestClient:
        store = Store(roots)
        store.refresh()
        guard = create_app(store, [roots], port=6160, **arguments)
        client = TestClient(guard, base_url="http://127.0.0.1:6160", raise_server_exceptions=raise_server_exceptions)
        client.__enter__()
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.__exit__(None, None, None)
