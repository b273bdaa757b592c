"""Tagged tokens, one a line and sentences parted by blank lines: CoNLL-2003, WNUT 2017, CoNLL-U and their like."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
_NOT_A_WORD = re.compile(r"\d+[-.]\d+")  # ids of CoNLL-U: 3-4 is a token of two words, 8.1 a word nobody wrote


@dataclass(frozen=True)
class _Columns:
    token: int
    tag: int
    delimiter: str | None


def read(
    path: str | Path | Mapping[str, str | Sequence[str]],
    *,
    token_column: int = 0,
    tag_column: int = -1,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    max_bytes: int = MAX_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Mapping[str, pa.Table]:
    """Read column files into columns `tokens`, `tags` (lists of equal length, one row a sentence) and `origin`.

    path: as of `files.read`: a file, a glob, a folder with train, dev and test files, or a mapping of splits to files.
    token_column, tag_column: counted from 0, or from the end with -1. CoNLL-U: words 1, parts of speech 3.
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


def _sentences(lines: Lines, columns: _Columns) -> Iterator[tuple[list[str], list[str]]]:
    delimiter, width, first = columns.delimiter, 0, 0  # width: fields of the first token line, whose number is `first`
    tokens: list[str] = []
    tags: list[str] = []
    lines.begin()
    for raw in lines:
        line = unended(raw)
        if not line.strip() or line.startswith("-DOCSTART-"):  # WNUT's blank lines hold a tab
            if tokens:
                yield tokens, tags
                tokens, tags = [], []
            lines.begin()
            continue
        if not tokens and line.startswith("#") and "\t" not in line and delimiter != " ":
            lines.begin()
            continue
        delimiter = delimiter or ("\t" if "\t" in line else " ")
        fields = line.split(delimiter)
        if columns.delimiter is None and delimiter == " ":
            fields = [field for field in fields if field]
        width, first = (width, first) if width else (len(fields), lines.number)
        if len(fields) == CONLLU_COLUMNS and columns.token != 0 and _NOT_A_WORD.fullmatch(fields[0]):
            continue
        token, tag = _picked(fields, columns, f"{lines.name}:{lines.number}", delimiter, width, first)
        tokens.append(token)
        tags.append(tag)
    if tokens:
        yield tokens, tags


def _picked(
    fields: list[str], columns: _Columns, where: str, delimiter: str, width: int, first: int
) -> tuple[str, str]:
    from_end = columns.token < 0 or columns.tag < 0
    if from_end and len(fields) != width:  # counted from its end, a line without tag would give another column's value
        raise DataError(
            f"{where}: expected {width} columns separated by {delimiter!r} as in line {first}, found {len(fields)}: "
            f"{shown(delimiter.join(fields))}"
        )
    needed = max(index + 1 if index >= 0 else -index for index in (columns.token, columns.tag))
    if len(fields) < max(needed, 2):
        raise DataError(
            f"{where}: expected at least {max(needed, 2)} columns separated by {delimiter!r}, found {len(fields)}: "
            f"{shown(delimiter.join(fields))}"
        )
    token, tag = fields[columns.token], fields[columns.tag].strip()
    if not tag:
        raise DataError(f"{where}: the token {shown(token)!r} has no tag in column {columns.tag}")
    if not token:
        raise DataError(f"{where}: the tag {shown(tag)!r} has no token in column {columns.token}")
    return token, tag
