"""Local data: a file, a folder of splits, a folder per class, a glob, or a mapping of splits to files."""

import glob
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from headway.data import records
from headway.data.names import listed, split_of, suggest
from headway.data.records import CHUNK_BYTES, Reading, format_of, with_origin
from headway.data.streams import (
    MAX_BYTES,
    MAX_RECORD_BYTES,
    Caps,
    Source,
    decoded,
    guarded,
    opened,
    sources_in,
    unmarked,
)
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
    """Read csv, tsv, jsonl, parquet and txt files, and .gz and .zip of them, into one table a split.

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
        if isinstance(path, Mapping):
            return {split: _read_one(names, how, split) for split, names in path.items() if names}
        return _read_path(str(path), how)


def _read_one(names: str | Sequence[str], how: Reading, split: str) -> pa.Table:
    """The files of a split that the user named, whatever their own names say."""
    found = [
        source for name in ([names] if isinstance(names, str) else names) for source in _expand(str(name), how.caps)
    ]
    if any(source.path.is_dir() for source in found):
        raise DataError(f"data.path.{split}={names}: must name files, not a folder")
    return _read_all(found, how)


def _read_path(text: str, how: Reading) -> dict[str, pa.Table]:
    path = Path(text).expanduser()
    if path.is_dir():
        return _read_folder(path, how)
    found = _expand(text, how.caps)
    splits = _by_split(found, how) if len(found) > 1 else {}
    if not splits and path.suffix.lower() == ".zip" and len(found) > 1:
        held = listed(source.member or "" for source in found)
        raise DataError(f"{path}: the archive holds several files and none is called train, dev or test: {held}")
    return {split: _read_all(files, how) for split, files in (splits or {"all": found}).items()}


def _expand(text: str, caps: Caps) -> list[Source]:
    """The files a path or glob names, in the order of their names."""
    path = Path(text).expanduser()
    if path.exists():
        return sources_in(path, caps)
    if glob.has_magic(text):
        names = glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        matches = sorted(name for name in names if Path(name).is_file())
        if not matches:
            raise DataError(f"{text}: no file matches")
        return [source for name in matches for source in sources_in(Path(name), caps)]
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise DataError(f"{text}: no such file or folder{suggest(path.name, siblings)}")


def _read_folder(folder: Path, how: Reading) -> dict[str, pa.Table]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files = [Source(entry) for entry in entries if entry.is_file()]
    splits = _by_split(files, how)
    if splits:
        return {split: _read_all(sources, how) for split, sources in splits.items()}
    folders = [entry for entry in entries if entry.is_dir()]
    named = {entry.name: entry for entry in folders if split_of(entry.name)}
    if named:
        return {split: _read_split_folder(entry, how) for split, entry in named.items()}
    if any(any(entry.glob("*.txt")) for entry in folders):
        return {"all": read_classes(folder, encoding=how.encoding, caps=how.caps)}
    raise DataError(
        f"{folder}: needs files called train, dev or test ({listed(records.FORMATS)}), folders of those names, or a "
        f"folder of .txt files per class; found {listed(entry.name for entry in entries) or 'nothing'}"
    )


def _read_split_folder(folder: Path, how: Reading) -> pa.Table:
    """`train/` and the like: either a folder per class, or files that make up the split together."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files = [Source(entry) for entry in entries if entry.is_file() and (how.format or format_of(Source(entry)))]
    if any(entry.is_dir() and any(entry.glob("*.txt")) for entry in entries):
        return read_classes(folder, encoding=how.encoding, caps=how.caps)
    if not files:
        raise DataError(f"{folder}: holds no {listed(records.FORMATS)} file and no folder of .txt files per class")
    return _read_all(files, how)


def _by_split(files: Sequence[Source], how: Reading) -> dict[str, list[Source]]:
    """Files grouped by the split their names say; files of other names are not data."""
    splits: dict[str, list[Source]] = {}
    for source in files:
        split = split_of(source.inner.stem)
        if split and (how.format or format_of(source)):
            splits.setdefault(split, []).append(source)
    for split, group in splits.items():
        stems = {source.inner.stem for source in group}
        if len(stems) < len(group):  # train.csv beside train.jsonl; shards differ in their stems
            raise DataError(f"{', '.join(map(str, group))}: which one is {split}? Say data.path={{{split}: FILE, ...}}")
    return splits


def _read_all(files: Sequence[Source], how: Reading) -> pa.Table:
    """Files under each other. Text files of columns must have the same ones."""
    parts: list[pa.Table] = []
    for source in files:
        before = set(parts[0].column_names) if parts else None
        for table in records.tables(source, how):
            kind = how.format or format_of(source)
            if before is not None and kind != "jsonl" and set(table.column_names) != before:
                odd = listed(sorted(before ^ set(table.column_names)))
                raise DataError(f"{source}: its columns differ from those of {files[0]} in {odd}; read them separately")
            parts.append(table)
    return records.joined(parts)


def read_classes(
    root: Path, *, encoding: str, caps: Caps, fallback: str | None = None, shown: str | None = None
) -> pa.Table:
    """One text per .txt file, labelled with the name of its folder.

    fallback: the encoding of a file that is not `encoding`. shown: how `root` is called in `origin`.
    """

    def documents() -> Iterator[tuple[str, str, str]]:
        for folder in sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
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
