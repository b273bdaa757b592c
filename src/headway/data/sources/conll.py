"""Tagged tokens, one a line and sentences parted by blank lines: CoNLL-2003, WNUT 2017, CoNLL-U and their like."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from headway.data.columns import TEXTS
from headway.data.locate import read_all
from headway.data.names import shown
from headway.data.records import chunked, unended, with_origin
from headway.data.streams import (
    MAX_BYTES,
    MAX_RECORD_BYTES,
    Caps,
    Lines,
    Source,
    check_encoding,
    opened,
)
from headway.errors import DataError

SUFFIXES = (".conll", ".conllu", ".conllx", ".bio", ".bio2", ".iob", ".iob2", ".bioes", ".txt", ".tsv", ".tab")
CONLLU_COLUMNS = 10
FORM = "a token a line, alone or with a tag of the run in its column, and a blank line after each sentence"
UNKNOWN = "_"  # where CoNLL-X and CoNLL-U leave a column open
_NOT_A_WORD = re.compile(r"\d+[-.]\d+")  # ids of CoNLL-U: 3-4 is a token of two words, 8.1 a word nobody wrote


@dataclass(frozen=True)
class _Columns:
    token: int
    tag: int | None
    delimiter: str | None


def read(
    path: str | Path | Mapping[str, str | Sequence[str]],
    *,
    token_column: int = 0,
    tag_column: int | None = -1,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    max_bytes: int = MAX_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Mapping[str, pa.Table]:
    """Read column files into columns `tokens`, `tags` (lists of equal length, one row a sentence) and `origin`.

    path: as of `files.read`: a file, a glob, a folder with train, dev and test files, or a mapping of splits to files.
    token_column, tag_column: counted from 0, or from the end with -1. CoNLL-U: words 1, parts of speech 3. No
    tag_column: tokens alone, `tags` is null.
    delimiter: null: the tab where a file's first token line has one, else any number of spaces.
    max_bytes: most bytes a compressed file may unpack to. max_record_bytes: most bytes of one sentence.

    Not tokens: lines that start with -DOCSTART-; lines without a tab that start with "#" before the first token of a
    sentence (not where the delimiter is a space); and of CoNLL-U the ids of several words (3-4) or of none (8.1).
    Raises: DataError naming file:line, above all for a line without its token or its tag.
    """
    check_encoding(encoding)
    if delimiter == "":
        raise DataError("data.delimiter='': must be one character or more, or null")
    caps, columns = Caps(max_bytes, max_record_bytes), _Columns(token_column, tag_column, delimiter)
    return read_all(path, caps, lambda file: _tables(file, columns, caps, encoding), kinds=SUFFIXES)


def _tables(source: Source, columns: _Columns, caps: Caps, encoding: str) -> Iterator[pa.Table]:
    empty = True
    with opened(source, caps) as stream:
        lines = Lines(stream, source, caps, encoding)
        for origins, sentences in chunked(lines, _sentences(lines, columns)):
            empty = False
            tokens, tags = (pa.array([sentence[i] for sentence in sentences], TEXTS) for i in (0, 1))
            yield with_origin(pa.table({"tokens": tokens, "tags": tags}), origins)
    if empty:
        raise DataError(f"{source}: the file is empty; it must hold at least one sentence")


def _sentences(lines: Lines, columns: _Columns) -> Iterator[tuple[list[str], list[str | None] | None]]:
    width, first = 0, 0  # fields of the first token line, whose number is `first`
    tokens: list[str] = []
    tags: list[str | None] = []
    for row in _rows(lines, columns.delimiter):
        if row is None:
            if tokens:
                yield tokens, None if columns.tag is None else tags
                tokens, tags = [], []
            continue
        fields, delimiter = row
        width, first = (width, first) if width else (len(fields), lines.number)
        if len(fields) == CONLLU_COLUMNS and columns.token != 0 and _NOT_A_WORD.fullmatch(fields[0]):
            continue
        token, tag = _picked(fields, columns, f"{lines.name}:{lines.number}", delimiter, width, first)
        tokens.append(token)
        tags.append(tag)


def _rows(lines: Lines, delimiter: str | None) -> Iterator[tuple[list[str], str] | None]:
    """The fields of each line of a token, and what parts them; None where a sentence ends."""
    any_number, inside = delimiter is None, False
    lines.begin()
    for raw in lines:
        line = unended(raw)
        if not line.strip() or line.startswith("-DOCSTART-"):  # WNUT's blank lines hold a tab
            if inside:
                yield None
            inside = False
            lines.begin()
            continue
        if not inside and line.startswith("#") and "\t" not in line and delimiter != " ":
            lines.begin()
            continue
        inside = True
        delimiter = delimiter or ("\t" if "\t" in line else " ")
        fields = line.split(delimiter)
        yield [field for field in fields if field] if any_number and delimiter == " " else fields, delimiter
    if inside:
        yield None


def _picked(
    fields: list[str], columns: _Columns, where: str, delimiter: str, width: int, first: int
) -> tuple[str, str | None]:
    asked = [columns.token] if columns.tag is None else [columns.token, columns.tag]
    if min(asked) < 0 and len(fields) != width:  # from its end, a line without tag would give another column's value
        raise DataError(
            f"{where}: expected {width} columns separated by {delimiter!r} as in line {first}, found {len(fields)}: "
            f"{shown(delimiter.join(fields))}"
        )
    needed = max(len(asked), *(index + 1 if index >= 0 else -index for index in asked))
    if len(fields) < needed:
        raise DataError(
            f"{where}: expected at least {needed} columns separated by {delimiter!r}, found {len(fields)}: "
            f"{shown(delimiter.join(fields))}"
        )
    token, tag = fields[columns.token], None if columns.tag is None else fields[columns.tag].strip()
    if tag == "":
        raise DataError(f"{where}: the token {shown(token)!r} has no tag in column {columns.tag}")
    if not token:
        raise DataError(f"{where}: the tag {shown(tag or '')!r} has no token in column {columns.token}")
    return token, tag


def own_settings(source: Source, settings: Mapping[str, Any], tags: Collection[str]) -> Mapping[str, Any] | None:
    """How to `read` a file that a run with these settings and tags is given; None where it is of another form.

    It holds columns where none of its lines has white space inside (tokens alone), or where each line of its first
    sentence has a tag of the run, or "_", in the tag column. Raises: DataError for a file that cannot be read.
    """
    if source.inner.suffix.lower() not in SUFFIXES:
        return None
    caps = Caps(settings.get("max_bytes", MAX_BYTES), settings.get("max_record_bytes", MAX_RECORD_BYTES))
    encoding, column = settings.get("encoding", "utf-8"), settings.get("tag_column", -1)
    with opened(source, caps) as stream:
        rows = _rows(Lines(stream, source, caps, encoding), None)
        if all(len(fields) == 1 for fields, _ in filter(None, rows)):
            return {**settings, "token_column": 0, "tag_column": None, "delimiter": None}
    with opened(source, caps) as stream:
        rows = _rows(Lines(stream, source, caps, encoding), settings.get("delimiter"))
        known = {*tags, UNKNOWN}
        for row in rows:
            if row is None:
                break
            fields = row[0]
            if len(fields) < 2 or not -len(fields) <= column < len(fields) or fields[column].strip() not in known:
                return None
    return settings
