"""Freed memory stays with the process, and is handed back when asked: seen in its page faults."""

import subprocess
import sys

import pytest

from headway.training import heap

SIZE = 64 * 2**20  # bytes: glibc by itself keeps at most 32 MiB

SCRIPT = f"""
import ctypes, resource, sys
from headway.training.heap import keep_freed_memory, return_freed_memory

c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    memory = c.malloc({SIZE})
    ctypes.memset(memory, 1, {SIZE})
    c.free(memory)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if "keep" in sys.argv:
    keep_freed_memory()
first, again = faults(), faults()
return_freed_memory()
print(first, again, faults())
"""


def faults(*asked: str) -> list[int]:
    """Page faults of filling as much memory three times: at first, when it was freed, and when it was handed back."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, *asked], capture_output=True, text=True, check=True)
    return [int(count) for count in done.stdout.split()]


@pytest.mark.skipif(heap._glibc("mallopt") is None, reason="the C library is not glibc")
def test_freed_memory_is_kept_until_it_is_handed_back() -> None:
    first, again, returned = faults("keep")
    assert again < first / 10
    assert returned > first / 2
    first, again, returned = faults()
    assert min(again, returned) > first / 2  # what the system does by itself


def test_where_there_is_no_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("ctypes.CDLL", lambda _: pytest.fail("looked for it"))
    heap.keep_freed_memory()
    heap.return_freed_memory()
