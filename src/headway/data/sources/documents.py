"""Plain text to model: whole files, WikiText's articles, paragraphs or lines, and the end of a text held out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headway.data.columns import TEXT
from headway.data.locate import read_all
from headway.data.names import SPLITS, listed
from headway.data.portions import bytes_of
from headway.data.records import ORIGIN, chunked, unended, with_origin
from headway.data.streams import (
    BLOCK,
    MAX_BYTES,
    MAX_RECORD_BYTES,
    Caps,
    Lines,
    Source,
    check_encoding,
    opened,
    spooled,
)
from headway.errors import DataError

SUFFIXES = (".txt", ".text", ".raw", ".tokens")
UNITS = ("file", "article", "paragraph", "line")
_TITLE = re.compile(r" ?= [^=\s].* =\s*")  # " = Robert Boulter = "; " = = Career = = " is a section


def read(
    path: str | Path | Mapping[str, str | Sequence[str]],
    *,
    unit: Literal["file", "article", "paragraph", "line"] = "file",
    held_out: dict[str, float] | None = None,
    encoding: str = "utf-8",
    max_bytes: int = MAX_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Mapping[str, pa.Table]:
    """Read plain text into columns `text`, one document a row with its line breaks, and `origin` of its first line.

    path: as of `files.read`: a file, a glob, a folder with train, valid and test files, or {train: FILE, ...}.
    unit: what one document is. file: all of it. article: from one title (" = Title = " between blank lines) to the
        next, as WikiText has them (Merity et al. 2016); documents under each other are the file, to the byte.
        paragraph: lines between blank ones, without those. line: a line without its end.
    held_out: {val: 0.1}: where the data has no val, the last tenth of its characters, uncut before the next, and the
        same for test, which comes last. Whole documents are held out; of unit file, the text is cut at a line's end.
    max_bytes: most bytes a file may unpack to, and most of a document of unit file.
    max_record_bytes: most bytes of any other document.

    Raises: DataError naming the file, and the line and byte where there is one.
    """
    check_encoding(encoding)
    if unit not in UNITS:
        raise DataError(f"data.unit={unit}: unknown; use {listed(UNITS)}")
    shares = _checked(held_out or {})
    caps, inside = Caps(max_bytes, max_record_bytes), unit == "file"
    tables = read_all(path, caps, lambda file: _tables(file, unit, caps, encoding), kinds=SUFFIXES, mapped=inside)
    return _held_out(tables, shares, inside=inside)


def _tables(source: Source, unit: str, caps: Caps, encoding: str) -> Iterator[pa.Table]:
    if unit == "file":
        text = spooled(source, caps, encoding)
        if not text.size:
            raise _empty(source)
        yield with_origin(pa.table({"text": _text(text, 0, text.size)}), [f"{source}:1"])
        return
    with opened(source, caps) as stream:
        lines = Lines(stream, source, caps, encoding)
        documents = {"article": _articles, "paragraph": _paragraphs, "line": _single}[unit](lines)
        yield from _filled(chunked(lines, documents), source)


def _filled(chunks: Iterator[tuple[list[str], list[str]]], source: Source) -> Iterator[pa.Table]:
    empty = True
    for origins, texts in chunks:
        empty = False
        yield with_origin(pa.table({"text": pa.array(texts, TEXT)}), origins)
    if empty:
        raise _empty(source)


def _empty(source: Source) -> DataError:
    return DataError(f"{source}: the file is empty; it must hold at least one document")


def _text(raw: pa.Buffer, start: int, end: int) -> pa.Array:
    """These bytes of UTF-8 as one text, or as none where there are none; not copied."""
    count = int(start < end)
    offsets = np.asarray([start, end] if count else [start], np.int64)
    return pa.LargeStringArray.from_buffers(count, pa.py_buffer(offsets), raw)


def _single(lines: Lines) -> Iterator[str]:
    lines.begin()
    for line in lines:
        yield unended(line)
        lines.begin()


def _paragraphs(lines: Lines) -> Iterator[str]:
    held: list[str] = []
    lines.begin()
    for line in lines:
        if line.strip():
            held.append(line)
            continue
        if held:
            yield unended("".join(held))
            held = []
        lines.begin()
    if held:
        yield unended("".join(held))


def _articles(lines: Lines) -> Iterator[str]:
    """A title is known when the line after it is seen to be blank; formulas (" = 1 <unk> / s ... = ") stand in text."""
    held: list[str] = []
    start = lines.begin()
    for line in lines:
        held.append(line)
        titled = not line.strip() and len(held) > 1 and _TITLE.fullmatch(held[-2])
        if titled and (len(held) == 2 or not held[-3].strip()):
            before, held = held[:-2], held[-2:]
            if any(map(str.strip, before)):
                yield "".join(before)
                lines.begin()
                start = lines.start = lines.number - 1  # the title's own line
            else:
                held = before + held  # a file that starts with a blank line
    if held:
        lines.start = start
        yield "".join(held)


def _checked(shares: Mapping[str, float]) -> dict[str, float]:
    for split, share in shares.items():
        if split not in ("val", "test"):
            raise DataError(f"data.held_out.{split}: unknown; hold out val, test or both")
        if not 0 < share < 1:
            raise DataError(f"data.held_out.{split}={share}: must be between 0 and 1")
    if sum(shares.values()) >= 1:
        raise DataError(
            f"data.held_out={dict(shares)}: leaves nothing to train on; the shares must add up to less than 1"
        )
    return dict(shares)


def _held_out(tables: dict[str, pa.Table], shares: Mapping[str, float], *, inside: bool) -> dict[str, pa.Table]:
    """The tables with the end of the training text in splits of its own: | train | val | test |."""
    missing = [s for s in ("test", "val") if s in shares and not any(name.lower() in SPLITS[s] for name in tables)]
    base = next((name for name in tables if name.lower() in SPLITS["train"]), None)
    if not missing or base is None:
        return tables
    rest = tables[base]
    total, left = pc.sum(pc.utf8_length(rest["text"])).as_py(), 1.0
    for split in missing:
        left -= shares[split]
        rest, tables[split] = _cut(rest, int(total * left), inside)
        if not len(rest) or not len(tables[split]):
            want = "a line's end near there" if inside else "documents"
            origin = tables[base][ORIGIN][0].as_py()
            raise DataError(
                f"{origin}: data.held_out.{split}={shares[split]} cannot be cut from here on, for want of {want}"
            )
    del tables[base]
    return {"train": rest, **tables}


def _cut(table: pa.Table, mark: int, inside: bool) -> tuple[pa.Table, pa.Table]:
    """The table up to about character `mark` of all texts, and the rest of it."""
    ends = np.cumsum(pc.utf8_length(table["text"]).to_numpy())
    row = int(np.searchsorted(ends, mark, side="right"))
    start = int(ends[row - 1]) if row else 0
    if not inside:
        row += mark - start > ends[row] - mark if row < len(table) else 0  # the nearer end of the document
        return table.slice(0, row), table.slice(row)
    raw, origin = bytes_of(table["text"].slice(row, 1).chunk(0), 0), table[ORIGIN][row].as_py()
    at, lines = _line_before(np.frombuffer(raw, np.uint8), mark - start)
    path, _, line = origin.rpartition(":")
    before, after = (
        with_origin(pa.table({"text": _text(raw, begin, end)}), [place] if begin < end else [])
        for begin, end, place in ((0, at, origin), (at, raw.size, f"{path}:{int(line) + lines}"))
    )
    return pa.concat_tables([table.slice(0, row), before]), pa.concat_tables([after, table.slice(row + 1)])


def _line_before(raw: npt.NDArray[np.uint8], characters: int) -> tuple[int, int]:
    """Of UTF-8, the byte where the line begins in which the character of this number is, and the lines before it.

    Where that character is the first of its line, of the line before, as it ends there.
    """
    at = lines = seen = 0
    for start in range(0, len(raw), BLOCK):
        block = raw[start : start + BLOCK]
        inside = np.flatnonzero((block & 0xC0) != 0x80)[: characters - seen]  # where characters begin
        until = int(inside[-1]) + 1 if len(inside) else 0
        ends = np.flatnonzero(block[:until] == ord("\n"))
        if len(ends):
            at, lines = start + int(ends[-1]) + 1, lines + len(ends)
        seen += len(inside)
        if seen >= characters:
            break
    return at, lines
