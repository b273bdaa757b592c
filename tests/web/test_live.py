"""New rows, new runs and dead ones reach an open page without its asking."""

import asyncio
import json
import sqlite3
import threading
import time
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from headway.store.history import HistoryWriter
from headway.store.index.store import Store
from headway.web import live as live_module
from headway.web.live import Live

DEADLINE = 30.0  # seconds


def parse(event: bytes) -> dict[str, Any]:
    kind, data = event.decode().strip().split("\n")
    assert kind == "event: changed"
    return dict(json.loads(data.removeprefix("data: ")))


async def until(events: Any, wanted: Any) -> dict[str, Any]:
    """The first event for which `wanted` holds."""
    async with asyncio.timeout(DEADLINE):
        async for event in events:
            if event.startswith(b"event") and wanted(found := parse(event)):
                return found
    raise AssertionError("the stream ended")


def run_with(store: Any, use: Any) -> None:
    async def main() -> None:
        live = Live(store)
        live.start(asyncio.get_running_loop())
        try:
            await use(live)
        finally:
            live.stop()

    asyncio.run(main())


def test_new_runs_rows_and_deletions_are_told_to_every_page(make_run: Any, roots: Any) -> None:
    first = make_run(predictions=None)

    async def use(live: Live) -> None:
        pages = [live.events(), live.events()]
        assert live.streams == 2
        await until(pages[0], lambda event: event["runs"] == 1)
        second = make_run(status="running", predictions=None)
        for page in pages:
            event = await until(page, lambda event: second.name in event["ids"])
            assert event["runs"] == 2
        with HistoryWriter(second / "history.jsonl") as history:
            history.log(99, {"train/loss": 0.125})
        before = event["version"]
        assert (await until(pages[0], lambda event: second.name in event["ids"]))["version"] > before
        [row] = live.store.table(f"id = {second.name}", columns=["last(train/loss)"]).rows
        assert row.cells == [0.125]
        for file in sorted(first.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        first.rmdir()
        await until(pages[1], lambda event: first.name in event["removed"] and event["runs"] == 1)

    run_with(Store(roots), use)


class Changing:
    """A store in which something changes at every look."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.looks = 0
        self.problem = problem

    def refresh(self, *, quick: bool, report: Any) -> Any:
        self.looks += 1
        if self.problem and self.looks == 2:
            raise self.problem
        return SimpleNamespace(changed={f"run-{self.looks}"}, removed=set(), pending=max(0, 5 - self.looks))

    def table(self, **_: Any) -> Any:
        return SimpleNamespace(all=self.looks)


def test_a_page_that_reads_slowly_misses_nothing_and_costs_no_queue() -> None:
    async def use(live: Live) -> None:
        slow = live.events()
        await until(live.events(), lambda event: "run-5" in event["ids"])
        event = parse(await anext(slow))
        assert set(event["ids"]) >= {f"run-{number}" for number in range(1, 6)}

    run_with(Changing(), use)


@pytest.mark.parametrize("problem", [sqlite3.OperationalError("disk I/O error"), OSError(5, "input/output")])
def test_a_look_that_fails_is_said_and_the_next_one_is_made(
    problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(live: Live) -> None:
        await until(live.events(), lambda event: "run-3" in event["ids"])
        assert live.problem is None

    run_with(Changing(problem), use)
    assert str(problem) in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it is what is tested
def test_a_fault_of_the_watcher_is_not_silent() -> None:
    async def use(live: Live) -> None:
        async with asyncio.timeout(DEADLINE):
            while live.problem is None:
                await asyncio.sleep(0.01)
        assert "no longer watched" in live.problem

    run_with(Changing(ZeroDivisionError("a fault of ours")), use)


def test_a_stream_that_is_gone_is_forgotten() -> None:
    async def use(live: Live) -> None:
        stream = live.events()
        await anext(stream)
        await stream.aclose()
        del stream
        unread = live.events()
        del unread
        assert live.streams == 0

    run_with(Changing(), use)


def test_idle_pages_get_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "COMMENT_EVERY", 0.01)

    async def use(live: Live) -> None:
        async with asyncio.timeout(DEADLINE):
            async for event in live.events():
                if event.startswith(b":"):
                    return

    store = Changing()
    store.refresh = lambda **_: SimpleNamespace(changed=set(), removed=set(), pending=0)  # type: ignore[method-assign]
    run_with(store, use)


def test_a_look_at_every_run_is_made_rarely_where_it_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "EVERY", 0.001)
    looks: list[tuple[bool, float]] = []

    def slow(*, quick: bool, **_: Any) -> Any:
        looks.append((quick, time.monotonic()))
        if not quick:
            threading.Event().wait(0.02)
        return SimpleNamespace(changed=set(), removed=set(), pending=0)

    store = Changing()
    store.refresh = slow  # type: ignore[method-assign, assignment]

    async def use(_: Live) -> None:
        async with asyncio.timeout(DEADLINE):
            while sum(not quick for quick, _ in looks) < 3:
                await asyncio.sleep(0.01)

    run_with(store, use)
    whole = [at for quick, at in looks if not quick]
    assert min(b - a for a, b in pairwise(whole)) >= 0.02 * live_module.SHARE
    assert sum(quick for quick, _ in looks) > 10
