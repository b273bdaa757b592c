"""Local data: a file, a folder of splits, a folder per class, a glob, or a mapping of splits to files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from headway.data import records
from headway.data.locate import entries_of, locate
from headway.data.names import listed
from headway.data.portions import spilled
from headway.data.records import CHUNK_BYTES, FORMATS, Reading, format_of, with_origin
from headway.data.streams import MAX_BYTES, MAX_RECORD_BYTES, Caps, Source, decoded, guarded, opened, unmarked
from headway.errors import DataError


def read(
    path: str | Path | Mapping[str, str | Sequence[str]],
    *,
    format: str | None = None,
    delimiter: str | None = None,
    quoting: str | None = None,
    columns: Sequence[str] | None = None,
    encoding: str = "utf-8",
    max_bytes: int = MAX_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Mapping[str, pa.Table]:
    """Read csv, tsv, jsonl, parquet and txt files, and .gz, .xz and .zip of them, into one table a split.

    path: a file or a glob (one split, "all", unless the names are train, dev, val, valid, validation or test);
        a folder or zip archive with files (or folders) of those names; a folder with one folder of .txt files per
        class (columns `text` and `label`); or a mapping of split names to files and globs.
    format: what the files are, where their names do not say. `txt` is one text a line, column `text`.
    delimiter: one character. quoting: "standard" (RFC 4180, the default of csv) or "none" (the default of tsv).
    columns: the names of the columns, for csv and tsv files without a header.
    max_bytes: most bytes a compressed file may unpack to. max_record_bytes: most bytes of one record.

    Values of csv and tsv are strings; of the other formats, what they are. `origin` says "path:line", or "path#row".
    Raises: DataError, one line that names the file, and the line where there is one.
    """
    how = Reading(
        format, delimiter, quoting, tuple(columns) if columns else None, encoding, Caps(max_bytes, max_record_bytes)
    )
    with guarded("data.path" if isinstance(path, Mapping) else path):
        found = locate(
            path, how.caps, kinds=list(FORMATS), takes=lambda source: bool(how.format or format_of(source)), whole=True
        )
        return {split: _read_all(sources, how) for split, sources in found.items()}


def _read_all(files: Sequence[Source], how: Reading) -> pa.Table:
    """Files under each other; those of columns must have the same ones. Or a folder with a folder per class."""
    if files[0].path.is_dir():
        return read_classes(files[0].path, encoding=how.encoding, caps=how.caps)
    return records.joined(spilled(_alike(files, how)))


def _alike(files: Sequence[Source], how: Reading) -> Iterator[pa.Table]:
    before: set[str] | None = None
    for source in files:
        kind, first = how.format or format_of(source), before
        for table in records.tables(source, how):
            names = set(table.column_names)
            if first is not None and kind != "jsonl" and names != first:
                odd = listed(sorted(first ^ names))
                raise DataError(f"{source}: its columns differ from those of {files[0]} in {odd}; read them separately")
            before = before or names
            yield table


def read_classes(
    root: Path, *, encoding: str, caps: Caps, fallback: str | None = None, shown: str | None = None
) -> pa.Table:
    """One text per .txt file, labelled with the name of its folder.

    fallback: the encoding of a file that is not `encoding`. shown: how `root` is called in `origin`.
    """

    def documents() -> Iterator[tuple[str, str, str]]:
        for folder in (entry for entry in entries_of(root) if entry.is_dir()):
            for file in sorted(folder.glob("*.txt")):
                yield (
                    f"{shown or root}/{folder.name}/{file.name}:1",
                    _document(file, encoding, fallback, caps),
                    folder.name,
                )

    parts: list[pa.Table] = []
    rows: list[tuple[str, str, str]] = []
    size = 0
    for row in documents():
        rows.append(row)
        size += len(row[1])
        if size > CHUNK_BYTES:
            parts.append(_documents_table(rows))
            rows, size = [], 0
    return records.joined([*parts, _documents_table(rows)])


def _documents_table(rows: list[tuple[str, str, str]]) -> pa.Table:
    origins, texts, labels = ([row[i] for row in rows] for i in range(3))
    return with_origin(
        pa.table({"text": pa.array(texts, pa.string()), "label": pa.array(labels, pa.string())}), origins
    )


def _document(file: Path, encoding: str, fallback: str | None, caps: Caps) -> str:
    with opened(Source(file), caps) as stream:
        raw = stream.read(caps.record + 1)
    if len(raw) > caps.record:
        raise DataError(f"{file}: a text of more than {caps.record:,} bytes; split it, or raise data.max_record_bytes")
    raw, skipped = unmarked(raw, str(file))
    try:
        return decoded(raw, encoding, str(file), 1, skipped)
    except DataError:
        if fallback is None:
            raise
        return decoded(raw, fallback, str(file), 1, skipped)
