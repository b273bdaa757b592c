"""Files of a run folder, for reading only: never out of the folder, never through a link."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import Any

from headway.web.errors import ApiError

BLOCK = 256 * 1024  # bytes
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not block the opening


@dataclass(frozen=True)
class OpenFile:
    """A regular file and its bytes when it was opened; reading closes it."""

    file: FileIO
    size: int

    def blocks(self) -> Iterator[bytes]:
        """The first `size` bytes: a file that grows meanwhile is as long as it was when opened."""
        with self.file:
            left = self.size
            while left and (block := self.file.read(min(BLOCK, left))):
                left -= len(block)
                yield block


def open_inside(folder: Path, path: str) -> OpenFile:
    """Open the regular file `path` (POSIX, relative) in `folder`, one directory after the other, following no link.

    Raises ApiError: 400 for a path that could lead elsewhere, 404 for what is not there or no regular file.
    """
    parts = PurePosixPath(path).parts
    if "/".join(parts) != path or not path or path.startswith("/") or "\0" in path or "\\" in path or ".." in parts:
        raise ApiError(400, "path must be a file inside the run folder")
    try:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for number, part in enumerate(parts):
            folder_flag = os.O_DIRECTORY if number < len(parts) - 1 else 0
            try:
                inner = os.open(part, _FLAGS | folder_flag, dir_fd=at)
            finally:
                os.close(at)
            at = inner
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)
        if not missing:
            raise ApiError(403, f"the file cannot be read: {error.strerror}") from error
        raise ApiError(404, "the run has no such file") from error
    status = os.fstat(at)
    if not stat.S_ISREG(status.st_mode):
        os.close(at)
        raise ApiError(404, "the run has no such file")
    return OpenFile(FileIO(at), status.st_size)


def read_part(file: OpenFile, start: int, limit: int) -> tuple[bytes, int]:
    """At most `limit` bytes from byte `start` (negative: from the end) and the byte they begin at; closes the file."""
    start = max(0, file.size + start) if start < 0 else min(start, file.size)
    with file.file:
        return os.pread(file.file.fileno(), limit, start), start


def list_files(folder: Path) -> list[dict[str, Any]]:
    """Every regular file as {path, bytes, modified (unix seconds)}, by path; links are neither listed nor followed."""
    found = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(place, name)
            try:
                status = file.lstat()
            except OSError:  # a temporary file that has taken its final name
                continue
            if stat.S_ISREG(status.st_mode):
                relative = file.relative_to(folder).as_posix().encode("utf-8", "backslashreplace").decode()
                found.append({"path": relative, "bytes": status.st_size, "modified": round(status.st_mtime, 3)})
    return found
