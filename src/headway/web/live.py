"""What changes while the server runs: one thread that looks, and a stream of events to every open page."""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from headway.errors import HeadwayError
from headway.web.answers import to_json

if TYPE_CHECKING:
    from headway.store.index.ingest import Changes
    from headway.store.index.store import Store

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two looks
SHARE = 20  # a look at every run is made again after this many times what it took,
MOST_STALE = 30.0  # seconds, or this at most
COMMENT_EVERY = 15.0  # seconds; a page that is gone is noticed when writing fails
MOST_STREAMS = 64  # of events, one for each open page; each holds one of the requests answered at one time
MOST_IDS = 1000  # named in one event; a page that misses more reads its table again


@dataclass(eq=False)  # kept in a set
class Mailbox:
    """What one page has not been told yet. Events are merged, so a slow page costs no memory and misses nothing."""

    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ids: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)


class Live:
    """Watches `store` from a thread of its own; `version` counts the looks that found something."""

    def __init__(self, store: "Store") -> None:
        self.store = store
        self.version = 0
        self.pending = 1  # until the first look has said how many runs are not indexed yet
        self.runs = 0
        self.problem: str | None = None
        self._mailboxes: WeakSet[Mailbox] = WeakSet()  # each lives as long as its stream
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._looking = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="watch-runs", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread.start()

    def stop(self) -> None:
        """End the thread and every stream; called in the event loop's thread."""
        self._stop.set()
        for mailbox in self._mailboxes:
            mailbox.ready.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def look(self, *, quick: bool = False) -> None:
        """Take in what changed and tell every page; blocks. Called at any time, by any thread."""
        with self._looking:
            try:
                self._heard(self.store.refresh(quick=quick, report=self._heard))
            except (HeadwayError, sqlite3.Error, OSError) as error:
                if str(error) != self.problem:
                    log.error("%s", error)
                self.problem, self.pending = str(error), 0

    @property
    def streams(self) -> int:
        """How many pages listen."""
        return len(self._mailboxes)

    def events(self) -> AsyncIterator[bytes]:
        """Server-sent events until the server stops; the first says where things stand."""
        mailbox = Mailbox()
        mailbox.ready.set()
        self._mailboxes.add(mailbox)
        return self._stream(mailbox)

    async def _stream(self, mailbox: Mailbox) -> AsyncIterator[bytes]:
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(COMMENT_EVERY):
                    await mailbox.ready.wait()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            mailbox.ready.clear()
            ids, removed, mailbox.ids, mailbox.removed = mailbox.ids, mailbox.removed, set(), set()
            yield b"event: changed\ndata: " + to_json(self._event(ids, removed)) + b"\n\n"

    def _event(self, ids: set[str], removed: set[str]) -> dict[str, Any]:
        return {
            "ids": sorted(ids)[:MOST_IDS],
            "removed": sorted(removed)[:MOST_IDS],
            "runs": self.runs,
            "pending": self.pending,
            "version": self.version,
        }

    def _watch(self) -> None:
        whole_at = 0.0
        try:
            while not self._stop.is_set():
                begun = time.monotonic()
                quick = begun < whole_at
                self.look(quick=quick)
                if not quick:
                    whole_at = time.monotonic() + min(SHARE * (time.monotonic() - begun), MOST_STALE)
                self._stop.wait(EVERY)
        finally:
            if not self._stop.is_set():  # a fault of ours; the thread's own traceback is in the output
                self.problem = "runs are no longer watched: the server's output says why; start it again"

    def _heard(self, changes: "Changes") -> bool:
        """Tell every page; whether to go on."""
        told = (self.runs, self.pending, self.problem)
        if changes.changed or changes.removed or not self.version:
            self.runs = self.store.table(limit=1, archived=True).all
        self.pending, self.problem = changes.pending, None
        if changes.changed or changes.removed or told != (self.runs, self.pending, self.problem):
            self.version += 1
            assert self._loop is not None
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._tell, changes.changed, changes.removed)
        return not self._stop.is_set()

    def _tell(self, changed: set[str], removed: set[str]) -> None:
        for mailbox in self._mailboxes:
            mailbox.ids |= changed
            mailbox.removed |= removed
            mailbox.ready.set()
