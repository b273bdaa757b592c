"""Files that are either whole or absent: temp file in the same folder, fsync, rename, fsync of the folder.

Staging elsewhere is not enough: with TMPDIR on another file system the final move is a copy, and a kill
in the middle of it leaves a torn file under its final name.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

TEMP_PREFIX = ".tmp-"


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Yield a binary file that takes the name `path` only when the block ends without an exception."""
    temp = path.with_name(f"{TEMP_PREFIX}{path.name}-{os.getpid()}")
    try:
        with temp.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temp.replace(path)
    except BaseException:
        with suppress(OSError):  # the disk may be read-only by now; the sweep at the next start removes it
            temp.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_bytes(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON (a NaN is refused: callers store non-finite numbers as strings)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sweep_temps(folder: Path) -> None:
    """Remove temp files that a killed process left in `folder`."""
    for temp in folder.glob(f"{TEMP_PREFIX}*"):
        temp.unlink(missing_ok=True)
