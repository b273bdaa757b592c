"""Tables larger than memory: kept in a mapped file, read in portions, and long texts in pieces. N rows."""

import mmap
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from headway.cache import cache_folder
from headway.data.progress import tell
from headway.errors import DataError

Array = npt.NDArray[Any]

IN_MEMORY = 16 * 2**20  # bytes of a table that are kept there
PORTION = 2 * 2**20  # bytes at once: a tokenizer makes 20 to 40 times as much of them
PIECE = 2**18  # bytes of a longer text at once
UNCUT = 16 * 2**20  # characters of a text in a row that cannot be cut
NEAR = 4096  # characters before a piece's end in which it is cut
TRIES = 8
_BETWEEN = re.compile(r"\S(?=\s\S)")  # a word's last character, where one blank is between it and the next word


def spilled(tables: Iterable[pa.Table]) -> list[pa.Table]:
    """The same tables; what is beyond the first IN_MEMORY bytes lies in a file of the cache's disk that has no name.

    Only the kernel's page cache holds it then, which gives way where memory is short. Raises: OSError.
    """
    kept: list[pa.Table] = []
    places: list[tuple[int, int]] = []
    held = 0
    with cache_file() as file:
        for table in tables:
            held += table.nbytes
            if held <= IN_MEMORY:
                kept.append(table)
                continue
            start = file.seek(-(-file.tell() // 64) * 64)  # as Arrow aligns its buffers
            with pa.ipc.new_stream(pa.PythonFile(file, "w"), table.schema) as stream:
                stream.write_table(table)
            places.append((start, file.tell() - start))
        if places:
            whole = mapped(file)
            kept += [pa.ipc.open_stream(whole.slice(start, size)).read_all() for start, size in places]
    return kept


def cache_file() -> Any:
    """A temporary file on the disk of the cache, where there is room; the system's own folder may be in memory."""
    folder = cache_folder("tables")
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


def mapped(file: Any) -> pa.Buffer:
    """What has been written to `file`, which may be closed afterwards."""
    file.flush()
    return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def filtered(table: pa.Table, keep: Array) -> pa.Table:
    """The rows where `keep` [N] is true."""
    if table.nbytes <= IN_MEMORY:
        return table.filter(pa.array(keep))
    starts = np.cumsum([0, *(len(batch) for batch in table.to_batches())])
    parts = (
        pa.Table.from_batches([batch.filter(pa.array(keep[start : start + len(batch)]))])
        for start, batch in zip(starts.tolist(), table.to_batches(), strict=False)
    )
    return pa.concat_tables([table.schema.empty_table(), *spilled(parts)])


def taken(column: pa.ChunkedArray, rows: Array) -> pa.ChunkedArray:
    """These rows, which ascend; of a column in chunks, Arrow's own `take` would copy all of it first."""
    ends = np.cumsum([0, *(len(chunk) for chunk in column.chunks)])
    cuts = np.searchsorted(rows, ends)
    parts = [
        chunk.take(pa.array(rows[first:last] - start))
        for chunk, start, first, last in zip(
            column.chunks, ends[:-1].tolist(), cuts[:-1].tolist(), cuts[1:].tolist(), strict=True
        )
        if first < last
    ]
    return pa.chunked_array(parts, column.type)


def portions(table: pa.Table, what: str, rows: int) -> Iterator[pa.RecordBatch]:
    """A table in batches of at most so many rows and, but for single rows, of PORTION bytes. Tells how far it is."""
    done, total = 0, table.nbytes
    for batch in table.to_batches(max_chunksize=rows):
        for part in _halved(batch):
            tell(what, done, total)
            yield part
            done += part.nbytes
    tell(what, total, total)


def _halved(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if len(batch) < 2 or batch.nbytes <= PORTION:
        yield batch
        return
    yield from _halved(batch.slice(0, len(batch) // 2))
    yield from _halved(batch.slice(len(batch) // 2))


class Pieces(NamedTuple):
    """texts [n]: of some rows, whole but for those of more than PIECE bytes. rows [n]: which ones.
    first, last [n]: whether a row begins, ends with it.
    """

    texts: Sequence[str]
    rows: Array
    first: Array
    last: Array


def pieces(table: pa.Table, column: str, what: str, rows: int, apart: Callable[[str, str], bool]) -> Iterator[Pieces]:
    """All texts of a column in turn, as many together as `portions` gives, long ones cut between two words.

    apart: whether two texts are the same to the caller apart as one behind the other.
    Raises: DataError for a long text that nowhere is.
    """
    at = 0
    for batch in portions(table.select([column]), what, rows):
        texts = batch.column(0)
        if len(batch) > 1 or texts.nbytes <= 2 * PIECE:
            whole = np.ones(len(batch), np.bool_)
            yield Pieces(texts.to_pylist(), at + np.arange(len(batch)), whole, whole)
        else:
            where = str(table["origin"][at]) if "origin" in table.column_names else what
            yield from _together(cut(bytes_of(texts, 0), apart, where), at)
        at += len(batch)


def _together(found: Iterable[str], row: int) -> Iterator[Pieces]:
    """Pieces of one text, about PORTION bytes of them at once."""
    held: list[str] = []
    begun = False
    most = PORTION // PIECE
    for text in found:
        if len(held) == most:
            yield _of_one(held, row, begun, False)
            held, begun = [], True
        held.append(text)
    yield _of_one(held, row, begun, True)


def _of_one(texts: list[str], row: int, begun: bool, ended: bool) -> Pieces:
    first, last = np.zeros(len(texts), np.bool_), np.zeros(len(texts), np.bool_)
    first[0], last[-1] = not begun, ended
    return Pieces(texts, np.full(len(texts), row), first, last)


def cut(text: pa.Buffer, apart: Callable[[str, str], bool], where: str) -> Iterator[str]:
    """One text in pieces of about PIECE bytes; together they are it."""
    rest = ""
    for block in blocks(text):
        rest += block
        at = _between(rest, apart)
        if at:
            yield rest[:at]
            rest = rest[at:]
        elif len(rest) > UNCUT:
            raise DataError(
                f"{where}: a text of {text.size:,} bytes that cannot be given to this tokenizer in parts; "
                "split it, with data.unit=paragraph or line, or choose another tokenizer"
            )
    yield rest


def bytes_of(texts: pa.Array, row: int) -> pa.Buffer:
    """One of these texts in UTF-8, not copied as Arrow's own scalar is."""
    _, offsets, data = texts.buffers()
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    start, end = np.frombuffer(offsets, kind)[texts.offset + row :][:2].tolist()
    return data.slice(start, end - start) if data is not None else pa.py_buffer(b"")


def blocks(text: pa.Buffer) -> Iterator[str]:
    """One text in blocks of PIECE bytes, cut between any two characters; together they are it."""
    raw = memoryview(text)
    at = 0
    while at < len(raw):
        end = min(at + PIECE, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # inside a character of UTF-8
            end -= 1
        yield str(raw[at:end], "utf-8")
        at = end


def _between(text: str, apart: Callable[[str, str], bool]) -> int:
    """Where to cut, as late as can be had cheaply; 0: nowhere."""
    start = max(0, len(text) - NEAR)
    for number, found in enumerate(_BETWEEN.finditer(text, start)):
        at = found.end()
        if apart(text[max(0, at - 200) : at], text[at : at + 200]):
            return at
        if number == TRIES:
            break
    return 0
