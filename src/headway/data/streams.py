"""Bytes and lines of plain, gzip, xz and zip files, with a stated cap on everything a file could make us hold.

A file is read front to back and never whole, so that a text of any size costs no more memory than its largest record.
"""

import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa

from headway.data.portions import cache_file, mapped
from headway.data.progress import tell
from headway.errors import DataError

MAX_BYTES = 4 * 2**30
MAX_RECORD_BYTES = 10_000_000
# Deflate packs at most 1,032 to 1 and prose about 3 to 1; real logs and tables stay below 100 to 1.
MAX_RATIO = 200
RATIO_FREE_BYTES = 64 * 2**20  # below this no ratio is a danger
BUFFER = 2**16  # bytes
BLOCK = 2**20
COMPRESSIONS = (".gz", ".xz", ".zip")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Caps:
    """In bytes: what one compressed file or archive may unpack to, and one record (line, row or document)."""

    file: int = MAX_BYTES
    record: int = MAX_RECORD_BYTES


@dataclass(frozen=True)
class Source:
    """One file to read, perhaps compressed, perhaps a member of a zip archive."""

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def inner(self) -> PurePosixPath:
        """The name without its compression suffix: train.tsv of train.tsv.gz."""
        name = PurePosixPath(self.member) if self.member else PurePosixPath(self.path.name)
        return name.with_suffix("") if name.suffix.lower() in (".gz", ".xz") else name

    @property
    def compressed(self) -> bool:
        return self.member is not None or self.path.suffix.lower() in COMPRESSIONS


@contextmanager
def guarded(source: object) -> Iterator[None]:
    """Turn what a broken, unreadable or encrypted file raises into one line that names it."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise DataError(f"{source}: the compressed file is broken or cut short ({error}); fetch it again") from error
    except UnicodeEncodeError as error:
        raise DataError(f"{str(source)!a}: a file name here is not UTF-8; rename it") from error
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror or error})") from error


def sources_in(path: Path, caps: Caps) -> list[Source]:
    """The file itself, or the files inside a zip archive (nothing is ever extracted to disk)."""
    if path.suffix.lower() != ".zip":
        return [Source(path)]
    with guarded(path), zipfile.ZipFile(path) as archive:
        names = sorted(entry.filename for entry in archive.infolist() if not entry.is_dir())
        declared = sum(entry.file_size for entry in archive.infolist())  # zipfile never gives more of a member
    if declared > caps.file:
        raise DataError(
            f"{path}: unpacks to {declared:,} bytes, more than {caps.file:,}; raise data.max_bytes if it is meant to"
        )
    shown = [
        name for name in names if not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")
    ]
    if not shown:
        raise DataError(f"{path}: the archive holds no file")
    return [Source(path, name) for name in shown]


@contextmanager
def opened(source: Source, caps: Caps) -> Iterator[BinaryIO]:
    """The file's decompressed bytes.

    Raises: DataError when the file cannot be read, or unpacks to more than `caps.file` bytes or, past
    64 MiB, to more than 200 times its own size.
    """
    with guarded(source), source.path.open("rb") as raw:
        if source.member is not None:
            with zipfile.ZipFile(raw) as archive:
                packed = archive.getinfo(source.member).compress_size
                try:
                    inner = archive.open(source.member)
                except (NotImplementedError, RuntimeError) as error:  # an unknown method; a password
                    raise DataError(f"{source}: this zip archive cannot be read ({error}); unpack it first") from error
                with inner:
                    yield io.BufferedReader(_Capped(inner, source, caps, lambda: packed), BUFFER)
        elif source.path.suffix.lower() == ".gz":
            with gzip.GzipFile(fileobj=raw) as gzipped:
                yield io.BufferedReader(_Capped(gzipped, source, caps, raw.tell), BUFFER)
        elif source.path.suffix.lower() == ".xz":
            with lzma.LZMAFile(raw) as xzipped:
                yield io.BufferedReader(_Capped(xzipped, source, caps, raw.tell), BUFFER)
        else:
            yield raw


def whole(source: Source, caps: Caps, encoding: str) -> str:
    """All of a file as text, its line ends as they are. Raises: DataError, also when it is over `caps.file` bytes."""
    with opened(source, caps) as stream:
        raw = stream.read(caps.file + 1)
    if len(raw) > caps.file:
        raise DataError(f"{source}: a file of more than {caps.file:,} bytes; raise data.max_bytes if it is meant to")
    raw, skipped = unmarked(raw, str(source))
    return decoded(raw, encoding, str(source), 1, skipped)


def spooled(source: Source, caps: Caps, encoding: str) -> pa.Buffer:
    """All of a file as UTF-8, as `whole` reads it, in a mapped file of the cache's disk: none of it stays in memory."""
    name, decoder = str(source), codecs.getincrementaldecoder(encoding)()
    total = 0 if source.compressed else source.path.stat().st_size
    with opened(source, caps) as stream, cache_file() as file:
        raw, offset = unmarked(stream.read(BLOCK), name)
        line = 1
        while True:
            pending = decoder.getstate()[0]
            if b"\0" in raw:
                decoded(raw, encoding, name, line, offset)
            try:
                file.write(decoder.decode(raw, final=not raw).encode())
            except UnicodeDecodeError:
                decoded(pending + raw, encoding, name, line, offset - len(pending))
                raise
            offset += len(raw)
            line += raw.count(b"\n")
            tell(f"reading {name}", offset, total)
            if offset > caps.file:
                raise DataError(
                    f"{name}: a file of more than {caps.file:,} bytes; raise data.max_bytes if it is meant to"
                )
            if not raw:
                break
            raw = stream.read(BLOCK)
        return mapped(file) if file.tell() else pa.py_buffer(b"")


class _Capped(io.RawIOBase):
    """A decompressing stream that stops a bomb instead of unpacking it."""

    def __init__(self, inner: Any, name: object, caps: Caps, packed: Callable[[], int]):
        self._inner, self._name, self._caps, self._packed = inner, name, caps, packed
        self._unpacked = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count: int = self._inner.readinto(buffer)
        self._unpacked += count
        if self._unpacked > self._caps.file:
            raise DataError(
                f"{self._name}: unpacks to more than {self._caps.file:,} bytes; raise data.max_bytes if it is meant to"
            )
        if self._unpacked > RATIO_FREE_BYTES and self._unpacked > MAX_RATIO * self._packed():
            raise DataError(
                f"{self._name}: stopped after {self._unpacked:,} bytes, more than {MAX_RATIO} times its packed size; "
                "unpack it first if it is meant to"
            )
        return count


class Lines:
    """Decoded lines with their numbers, each record of bounded size.

    A record may span lines (a quoted newline in CSV): its reader calls `begin` before each. Lines end at "\\n" alone,
    and keep their ends; a byte order mark is dropped. `number` counts from 1, `offset` is in bytes from the start.

    Raises: DataError naming file:line for a NUL byte, bytes that are not `encoding`, and a record over the cap.
    """

    def __init__(self, stream: BinaryIO, source: Source, caps: Caps, encoding: str) -> None:
        self._stream, self._cap, self._encoding = stream, caps.record, encoding
        self.name = str(source)
        self.total = 0 if source.compressed else source.path.stat().st_size  # bytes; 0: not known
        self.number = self.start = self.offset = 0
        self._length = self._record = 0

    def begin(self) -> int:
        """Say that the next line starts a record; returns its number."""
        self._record = 0
        self.start = self.number + 1
        return self.start

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        raw = self._stream.readline(self._cap + 1)
        if not raw:
            raise StopIteration
        self.number += 1
        self.offset += self._length
        self._length = len(raw)
        self._record += len(raw)
        if self._record > self._cap:
            opener = " (is a quote left open there?)" if self.start < self.number else ""
            raise DataError(
                f"{self.name}:{self.start}: a record of more than {self._cap:,} bytes{opener}; "
                "split it, or raise data.max_record_bytes"
            )
        skipped = 0
        if self.number == 1:
            raw, skipped = unmarked(raw, self.name)
            if not raw:
                raise StopIteration  # a file of nothing but a mark
        return decoded(raw, self._encoding, self.name, self.number, self.offset + skipped)


def unmarked(raw: bytes, name: str) -> tuple[bytes, int]:
    """The start of a file without its byte order mark, and the mark's length in bytes."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{name}:1: this file is UTF-16; save it as UTF-8")
    return (raw[len(_BOM) :], len(_BOM)) if raw.startswith(_BOM) else (raw, 0)


def decoded(raw: bytes, encoding: str, name: str, number: int, offset: int) -> str:
    """`raw` as text. In file `name` it starts at line `number` and byte `offset`, for the DataError to say."""
    nul = raw.find(b"\0")
    if nul >= 0:
        line = number + raw.count(b"\n", 0, nul)
        raise DataError(f"{name}:{line}: NUL byte at byte {offset + nul}; this is not a text file, or is damaged")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = number + raw.count(b"\n", 0, error.start)
        raise DataError(
            f"{name}:{line}: byte 0x{raw[error.start]:02x} at byte {offset + error.start} is not {encoding}; "
            "mend the file, or name its encoding with data.encoding (latin-1 reads any byte)"
        ) from error


def check_encoding(encoding: str) -> None:
    """Refuse an unknown encoding, and one whose lines do not end at the byte of "\\n" (UTF-16)."""
    try:
        by_line = "\n\r\t,".encode(encoding).endswith(b"\n\r\t,")  # after a mark, in utf-8-sig
    except (LookupError, UnicodeError) as error:
        raise DataError(
            f"data.encoding={encoding}: no such text encoding; use utf-8, latin-1, cp1252, gb18030 ..."
        ) from error
    if not by_line:
        raise DataError(f"data.encoding={encoding}: cannot be read line by line; save the file as UTF-8")
