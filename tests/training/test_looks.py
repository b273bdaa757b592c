"""Several processes look in the same steps, though their clocks and their signals differ, and not in each step."""

import signal
import threading
from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist

from headway.training import looks
from headway.training.looks import MOST, Looks

CPU = torch.device("cpu")
PLACES = 3


def together(monkeypatch: pytest.MonkeyPatch, each: Callable[[int], list[int]]) -> list[list[int]]:
    """What `each` gives as the process of each number, all at once; a sum over processes is one over threads."""
    barrier, given = threading.Barrier(PLACES, timeout=20), [torch.zeros(2)] * PLACES
    mine = threading.local()

    def all_reduce(one: torch.Tensor, op: object) -> None:
        assert op == dist.ReduceOp.MAX
        given[mine.rank] = one.clone()
        barrier.wait()
        one.copy_(torch.stack(given).amax(0))
        barrier.wait()

    found: list[list[int]] = [[] for _ in range(PLACES)]

    def run(rank: int) -> None:
        mine.rank = rank
        found[rank] = each(rank)

    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(PLACES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


def looked(steps: int, took: Callable[[int, int], float], monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The steps after which each process looked; a step takes took(rank, step) seconds."""
    clocks = threading.local()
    monkeypatch.setattr(looks.time, "perf_counter", lambda: getattr(clocks, "now", 0.0))

    def each(rank: int) -> list[int]:
        own, seen = Looks(PLACES), []
        clocks.now = 1000.0 * rank
        for step in range(1, steps + 1):
            clocks.now += took(rank, step)
            if own.due(step):
                assert own.agreed(0, step, CPU) == 0
                seen.append(step)
        return seen

    return together(monkeypatch, each)


def test_short_steps_are_looked_at_a_few_times_in_a_tenth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    one, *others = looked(200, lambda *_: 0.01, monkeypatch)
    assert all(other == one for other in others)
    assert one[:3] == [1, 2, 12]
    assert len(one) == 21


def test_long_steps_are_each_looked_at_and_no_look_is_far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    one, *others = looked(100, lambda rank, step: 1e-4 * (1 + rank) if step < 40 else 2.0, monkeypatch)
    assert all(other == one for other in others)
    assert one[:4] == [1, 2, 2 + MOST, 2 + 2 * MOST]
    assert one[4:] == list(range(3 + 2 * MOST, 101))


def test_a_signal_to_any_reaches_all_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def each(rank: int) -> list[int]:
        own = Looks(PLACES)
        for step in range(1, 500):
            received = signal.SIGTERM if rank == 1 and step >= 50 else 0
            if own.due(step) and (asked := own.agreed(received, step, CPU)):
                return [step, asked]
        return []

    one, *others = together(monkeypatch, each)
    assert all(other == one for other in others)
    assert 50 <= one[0] < 50 + MOST
    assert one[1] == signal.SIGTERM


def test_one_process_knows_at_once_and_looks_by_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(looks.time, "perf_counter", lambda: now[0])
    own, seen = Looks(1), []
    for step in range(1, 101):
        now[0] += 0.011
        assert own.agreed(signal.SIGINT, step, CPU) == signal.SIGINT
        if own.due(step):
            seen.append(step)
    assert seen == list(range(10, 101, 10))
