"""From the lines of one file to Arrow tables of a few thousand rows: CSV, TSV, JSON lines, Parquet, plain text.

Rows become Arrow columns chunk by chunk; Python never holds more than one chunk of them. Every table carries `origin`:
"path:line" of the record's first line, or "path#row" (from 0) where a file has no lines.
"""

import csv
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from headway.data.names import shown
from headway.data.progress import tell
from headway.data.streams import Caps, Lines, Source, check_encoding, opened
from headway.errors import DataError

ORIGIN = "origin"
CHUNK_ROWS = 8192
CHUNK_BYTES = 16 * 2**20
FORMATS = {
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet",),
    "txt": (".txt", ".text"),
}
QUOTINGS = ("standard", "none")


@dataclass(frozen=True)
class Reading:
    """How files are read; None means: as the file's own format does."""

    format: str | None = None
    delimiter: str | None = None
    quoting: str | None = None
    columns: tuple[str, ...] | None = None  # the header of files that have none
    encoding: str = "utf-8"
    caps: Caps = field(default_factory=Caps)

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise DataError(f"data.format={self.format}: unknown; use {', '.join(FORMATS)}")
        if self.quoting is not None and self.quoting not in QUOTINGS:
            raise DataError(f"data.quoting={self.quoting}: unknown; use {' or '.join(QUOTINGS)}")
        check_encoding(self.encoding)
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise DataError(f"data.delimiter={self.delimiter!r}: must be one character, not a quote or a line end")


def format_of(source: Source) -> str | None:
    """The format a file's name says, or None."""
    suffix = source.inner.suffix.lower()
    return next((name for name, suffixes in FORMATS.items() if suffix in suffixes), None)


def tables(source: Source, how: Reading) -> Iterator[pa.Table]:
    """The records of one file. Raises: DataError naming file and line; also when the file holds no record."""
    kind = how.format or format_of(source)
    if kind is None:
        raise DataError(f"{source}: its name ends in no known format; set data.format to {', '.join(FORMATS)}")
    empty = True
    with opened(source, how.caps) as stream:
        if kind == "parquet":
            chunks = _parquet(stream, source, how.caps)
        else:
            lines = Lines(stream, source, how.caps, how.encoding)
            if kind == "jsonl":
                chunks = _jsonl(lines)
            elif kind == "txt":
                chunks = _text(lines)
            else:
                chunks = _separated(lines, kind, how)
        for chunk in chunks:
            empty = False
            yield chunk
    if empty:
        raise DataError(f"{source}: the file is empty or has only a header; it must hold at least one record")


def with_origin(table: pa.Table, origins: list[str]) -> pa.Table:
    """Add the `origin` column; a column of the data that has this name is renamed `origin_`."""
    names = [f"{name}_" if name == ORIGIN else name for name in table.column_names]
    columns = dict(zip(names, table.columns, strict=True))  # may be none: a JSON object can be empty
    return pa.table({**columns, ORIGIN: pa.array(origins, pa.large_string())})


def chunked(lines: Lines, records: Iterator[Any]) -> Iterator[tuple[list[str], list[Any]]]:
    """Groups of (origins, records), bounded in rows and in bytes. `records` reads from `lines` as it goes."""
    origins: list[str] = []
    rows: list[Any] = []
    mark = 0
    for record in records:
        origins.append(f"{lines.name}:{lines.start}")
        rows.append(record)
        if len(rows) == CHUNK_ROWS or lines.offset - mark > CHUNK_BYTES:
            tell(f"reading {lines.name}", lines.offset, lines.total)
            yield origins, rows
            origins, rows, mark = [], [], lines.offset
    if rows:
        yield origins, rows


def _text(lines: Lines) -> Iterator[pa.Table]:
    def records() -> Iterator[str]:
        lines.begin()
        for line in lines:
            yield unended(line)
            lines.begin()

    for origins, rows in chunked(lines, records()):
        yield with_origin(pa.table({"text": pa.array(rows, pa.large_string())}), origins)


def _separated(lines: Lines, kind: str, how: Reading) -> Iterator[pa.Table]:
    """CSV (RFC 4180) or, without quoting, plain fields between delimiters: there a quote is a character."""
    delimiter = how.delimiter or ("\t" if kind == "tsv" else ",")
    quoting = how.quoting or ("none" if kind == "tsv" else "standard")
    rows = _quoted(lines, delimiter, how.caps.record) if quoting == "standard" else _unquoted(lines, delimiter)
    if how.columns is None:
        lines.begin()
        # an unnamed column is what spreadsheets and pandas make of an index
        header = [name or f"column_{i}" for i, name in enumerate(next(filter(any, rows), []))]
    else:
        header = list(how.columns)
    twice = next((name for i, name in enumerate(header) if name in header[:i]), None)
    if twice is not None:
        raise DataError(f"{lines.name}:1: the header names column {shown(twice)!r} twice; rename one")

    def records() -> Iterator[list[str]]:
        lines.begin()
        for row in rows:
            if row != [] and row != [""]:
                if len(row) != len(header):
                    _ragged(lines, header, row, delimiter, quoting)
                yield row
            elif len(header) == 1:  # here a blank line is an empty value; elsewhere it is nothing
                yield [""]
            lines.begin()

    for origins, chunk in chunked(lines, records()):
        columns = [pa.array(column, pa.string()) for column in zip(*chunk, strict=True)]
        yield with_origin(pa.table(dict(zip(header, columns, strict=True))), origins)


def _unquoted(lines: Lines, delimiter: str) -> Iterator[list[str]]:
    for line in lines:
        yield unended(line).split(delimiter)


def _quoted(lines: Lines, delimiter: str, cap: int) -> Iterator[list[str]]:
    csv.field_size_limit(
        max(csv.field_size_limit(), cap)
    )  # process-wide, so only ever raised; `lines` holds the real cap
    try:
        yield from csv.reader(lines, delimiter=delimiter, strict=True)
    except csv.Error as error:
        where = f"{lines.name}:{lines.start}"
        if "unexpected end" in str(error):
            raise DataError(f"{where}: the file ends inside a quoted field that this record opens") from error
        if "new-line character" in str(error):
            raise DataError(f"{where}: a carriage return alone; save the file with LF or CRLF line ends") from error
        raise DataError(f"{where}: {error}; if quotes are plain text in this file, set data.quoting=none") from error


def _ragged(lines: Lines, header: list[str], row: list[str], delimiter: str, quoting: str) -> NoReturn:
    hint = ""
    if quoting == "none" and any(field.startswith('"') for field in row):
        hint = "; if quotes hold fields together in this file, set data.quoting=standard"
    raise DataError(
        f"{lines.name}:{lines.start}: expected {len(header)} fields separated by {delimiter!r}, found {len(row)}{hint}"
    )


def _jsonl(lines: Lines) -> Iterator[pa.Table]:
    for origins, rows in chunked(lines, _objects(lines)):
        names = dict.fromkeys(name for row in rows for name in row)
        yield with_origin(pa.table({name: _column([row.get(name) for row in rows]) for name in names}), origins)


def _objects(lines: Lines) -> Iterator[dict[str, Any]]:
    lines.begin()
    for line in lines:
        where = f"{lines.name}:{lines.number}"
        if line.strip():
            try:
                value = json.loads(line, parse_constant=_no_constant)
                if "\\ud" in line or "\\uD" in line:  # half a surrogate pair is JSON, but no text
                    json.dumps(value, ensure_ascii=False).encode()
            except json.JSONDecodeError as error:
                raise DataError(
                    f"{where}: not JSON at column {error.colno} ({error.msg}); one object a line is needed"
                ) from error
            except UnicodeEncodeError as error:
                raise DataError(f"{where}: a \\u escape is half of a surrogate pair; write both halves") from error
            except (ValueError, RecursionError) as error:
                raise DataError(f"{where}: not usable JSON ({error})") from error
            if not isinstance(value, dict):
                raise DataError(
                    f"{where}: a JSON {type(value).__name__}, but every line must be one object; "
                    "rewrite an array as lines, for example with: jq -c '.[]'"
                )
            yield value
        lines.begin()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _column(values: list[Any]) -> pa.Array:
    """An Arrow column of one type; values of mixed kinds become text, with JSON for what is not a string."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _parquet(stream: Any, source: Source, caps: Caps) -> Iterator[pa.Table]:
    with tempfile.TemporaryFile() as unpacked:
        if source.compressed:  # Parquet is read from its end, a compressed stream from its start
            shutil.copyfileobj(stream, unpacked)
            stream = unpacked
        row = size = 0
        try:
            for batch in pq.ParquetFile(stream).iter_batches(CHUNK_ROWS):
                batch.validate(full=True)  # above all: that strings are UTF-8
                size += batch.nbytes
                if size > caps.file:
                    raise DataError(
                        f"{source}: unpacks to more than {caps.file:,} bytes; raise data.max_bytes if it is meant to"
                    )
                yield with_origin(pa.Table.from_batches([batch]), [f"{source}#{row + i}" for i in range(len(batch))])
                row += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{source}: not a readable Parquet file ({str(error).partition(chr(10))[0]})") from error


def joined(parts: list[pa.Table]) -> pa.Table:
    """Chunks and files under each other: absent columns become nulls, integers give way to floats, and any other
    quarrel over a column's type ends in text."""
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        names = dict.fromkeys(name for part in parts for name in part.column_names)
        for name in names:
            kinds = {part.schema.field(name).type for part in parts if name in part.column_names} - {pa.null()}
            if len(kinds) == 1 or all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
                continue
            for i, part in enumerate(parts):
                if name in part.column_names and not pa.types.is_string(part.schema.field(name).type):
                    text = pa.array([_as_text(value) for value in part[name].to_pylist()], pa.string())
                    parts[i] = part.set_column(part.column_names.index(name), name, text)
        return pa.concat_tables(parts, promote_options="permissive")


def unended(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")
