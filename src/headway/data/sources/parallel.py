"""Two files whose lines are each other's translations, as Moses and its successors keep them: train.de and train.en."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa

from headway.data.locate import DataPath, entries_of, expand
from headway.data.names import listed, split_of, suggest
from headway.data.records import chunked, unended, with_origin
from headway.data.streams import (
    MAX_BYTES,
    MAX_RECORD_BYTES,
    Caps,
    Lines,
    Source,
    check_encoding,
    guarded,
    opened,
)
from headway.errors import DataError

ENDINGS = ("", ".gz", ".xz")
Pair = tuple[Source, Source]


def read(
    path: str | Path | Mapping[str, str | Sequence[str]],
    *,
    source_language: str,
    target_language: str,
    encoding: str = "utf-8",
    max_bytes: int = MAX_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Mapping[str, pa.Table]:
    """Read line-aligned files into columns `text` (source language), `target` and `origin` (the source's file:line).

    path: a folder in which every NAME.de has its NAME.en, each a split NAME (train, val, test_2016 ...; choose with
        data.splits); the common start of two files (corpus/train, one split "all"); or a mapping of splits to such
        starts or to [source file, target file].
    source_language, target_language: what the names of the files end in, before .gz or .xz: de, en.
    max_bytes: most bytes a compressed file may unpack to. max_record_bytes: most bytes of one line.

    Lines end at line feeds alone; an empty one is an empty text.
    Raises: DataError naming both files where they differ in the number of lines.
    """
    check_encoding(encoding)
    caps, ends = Caps(max_bytes, max_record_bytes), (source_language, target_language)
    if not all(ends) or source_language == target_language:
        raise DataError(
            f"data.source_language={source_language}, data.target_language={target_language}: must be two different "
            "endings of file names, such as de and en"
        )
    with guarded("data.path" if isinstance(path, Mapping) else path):
        found = _pairs(path, ends, caps)
        return {split: pa.concat_tables(list(_tables(pair, caps, encoding))) for split, pair in found.items()}


def _pairs(path: DataPath, ends: tuple[str, str], caps: Caps) -> dict[str, Pair]:
    if isinstance(path, Mapping):
        return {split: _named(names, split, ends, caps) for split, names in path.items() if names}
    start = Path(path).expanduser()
    if not start.is_dir():
        return {"all": _beside(start, ends)}
    stems = sorted({stem for entry in entries_of(start) for end in ends if (stem := _stem(entry.name, end))})
    if not stems:
        held = listed(entry.name for entry in entries_of(start)) or "nothing"
        raise DataError(f"{start}: needs files such as train.{ends[0]} and train.{ends[1]}; found {held}")
    pairs = {stem: _beside(start / stem, ends) for stem in stems}
    return {"all": pairs[stems[0]]} if len(stems) == 1 and not split_of(stems[0]) else pairs


def _named(names: str | Sequence[str], split: str, ends: tuple[str, str], caps: Caps) -> Pair:
    if isinstance(names, str):
        return _beside(Path(names).expanduser(), ends)
    files = [source for name in names for source in expand(str(name), caps)]
    if len(files) != 2 or any(source.path.is_dir() for source in files):
        raise DataError(f"data.path.{split}: must be the common start of two files, or [source file, target file]")
    return files[0], files[1]


def _stem(name: str, language: str) -> str | None:
    """train of train.de.gz."""
    for ending in ENDINGS:
        if name.endswith(f".{language}{ending}"):
            return name.removesuffix(f".{language}{ending}") or None
    return None


def _beside(start: Path, ends: tuple[str, str]) -> Pair:
    def one(language: str) -> Source:
        names = [f"{start.name}.{language}{ending}" for ending in ENDINGS]
        there = [start.parent / name for name in names if (start.parent / name).is_file()]
        if len(there) > 1:
            raise DataError(f"{', '.join(map(str, there))}: which one? Say data.path={{SPLIT: [SOURCE, TARGET], ...}}")
        if not there:
            siblings = [entry.name for entry in start.parent.iterdir()] if start.parent.is_dir() else []
            raise DataError(f"{start.parent / names[0]}: no such file, nor .gz or .xz{suggest(names[0], siblings)}")
        return Source(there[0])

    return one(ends[0]), one(ends[1])


def _tables(pair: Pair, caps: Caps, encoding: str) -> Iterator[pa.Table]:
    empty = True
    with opened(pair[0], caps) as left, opened(pair[1], caps) as right:
        lines, others = (Lines(stream, file, caps, encoding) for stream, file in zip((left, right), pair, strict=True))
        for origins, rows in chunked(lines, _rows(lines, others)):
            empty = False
            text, target = (pa.array(column, pa.string()) for column in zip(*rows, strict=True))
            yield with_origin(pa.table({"text": text, "target": target}), origins)
    if empty:
        raise DataError(f"{pair[0]}, {pair[1]}: the files are empty; they must hold at least one line")


def _rows(lines: Lines, others: Lines) -> Iterator[tuple[str, str]]:
    def each(of: Lines) -> Iterator[str]:
        of.begin()
        for line in of:
            yield unended(line)
            of.begin()

    matched = True
    for text, target in zip_longest(each(lines), each(others)):
        if text is None or target is None:
            matched = False  # the rest is only counted
        else:
            yield text, target
    if not matched:
        raise DataError(
            f"{lines.name} has {lines.number:,} lines, {others.name} {others.number:,}; line N of one must be line N "
            "of the other"
        )
