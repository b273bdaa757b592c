"""Work done ahead of the one who wants it, in threads: for libraries that leave Python's lock, such as `tokenizers`."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def ahead(work: Callable[[Given], Made], given: Iterable[Given], threads: int = 2) -> Iterator[tuple[Given, Made]]:
    """Each of `given` with what `work` makes of it, in order, while the next ones are under way.

    Two threads: one call's last, longest text then does not leave the other cores idle.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[Given, Future[Made]]] = deque()
        for one in given:
            waiting.append((one, pool.submit(work, one)))
            if len(waiting) > threads:
                first, made = waiting.popleft()
                yield first, made.result()
        for first, made in waiting:
            yield first, made.result()
