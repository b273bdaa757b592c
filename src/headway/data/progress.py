"""How far long work on data has come, told to whoever watches: a training worker, which passes it on to the display."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watcher = Callable[[str, int, int], None]  # what is being done, bytes done, bytes in all (0: not known)
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Within, `watcher` is called by everything that may take long. It is called often, so it must be cheap."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def tell(what: str, done: int, total: int) -> None:
    """So many bytes of `total` are done."""
    if (watcher := _watcher.get()) is not None:
        watcher(what, done, total)
