"""One column of a source, read as what a task needs it to be. N rows; every reader keeps them, in their order.

A reader takes (column, name it goes by in messages, origins) and raises DataError with the origin of the first row
that does not fit.
"""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headway.data.labels import as_strings
from headway.data.names import listed, shown, suggest
from headway.data.records import ORIGIN
from headway.errors import DataError

TEXT = pa.large_string()  # 64-bit offsets: rows can be taken from columns of more than 2 GiB
TEXTS = pa.list_(pa.string())
ANSWERS = pa.list_(pa.struct([("text", pa.string()), ("answer_start", pa.int64())]))
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
LOOKED = 64  # characters of a text that tell whether it is blank, but for few
ROLES = ("system", "user", "assistant", "tool")
Reader = Callable[[pa.ChunkedArray, str, pa.ChunkedArray], pa.ChunkedArray]


def replaced(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The table with another column under the same name."""
    return table.set_column(table.column_names.index(name), name, column)


def named(table: pa.Table, role: str, name: str) -> pa.ChunkedArray:
    """The column `name`. Raises: DataError that lists the columns there are."""
    if name in table.column_names and name != ORIGIN:
        return table[name]
    found = [column for column in table.column_names if column != ORIGIN]
    hint = suggest(name, found)
    delimiter = next((sign for sign in ";\t|," if len(found) == 1 and sign in found[0]), None)
    if delimiter:
        hint = f"; is the delimiter {delimiter!r}? Set data.delimiter"
    where = f"{str(table[ORIGIN][0]).rsplit(':', 1)[0].rsplit('#', 1)[0]}: " if len(table) else ""
    raise DataError(f"{where}no column {name!r} (data.{role}); found {listed(found)}{hint}")


def text(column: pa.ChunkedArray, name: str, _origins: pa.ChunkedArray) -> pa.ChunkedArray:
    """Strings, [N]; numbers are written out."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        raise DataError(f"{name}: holds {kind} values, not text")
    return column.cast(kind).cast(TEXT)


def label(column: pa.ChunkedArray, name: str, _origins: pa.ChunkedArray) -> pa.ChunkedArray:
    """One label a row, as a string; null where blank."""
    return as_strings(column, name)


def several(column: pa.ChunkedArray, name: str, origins: pa.ChunkedArray) -> pa.ChunkedArray:
    """Any number of labels a row, list<string>: a list, or a string with commas, semicolons or bars between them."""
    if _is_list(column.type):
        return _strings(column, name, origins)
    parts = (None if value is None else _split(value) for value in column.cast(pa.string()).to_pylist())
    return pa.chunked_array([pa.array(parts, TEXTS)])


def score(column: pa.ChunkedArray, name: str, origins: pa.ChunkedArray) -> pa.ChunkedArray:
    """One finite number a row, float64; null where blank."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        trimmed = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, trimmed.type), trimmed)
    try:
        numbers = column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        for at, value in enumerate(column.to_pylist()):
            if not _is_number(value):
                _refuse(origins, at, f"{name} must be a number, found {shown(str(value))!r}")
        raise
    wild = pc.and_(pc.is_valid(numbers), pc.invert(pc.is_finite(numbers)))
    if (at := pc.index(wild, True).as_py()) >= 0:
        _refuse(origins, at, f"{name} must be a finite number, found {numbers[at]}")
    return numbers


def strings(column: pa.ChunkedArray, name: str, origins: pa.ChunkedArray) -> pa.ChunkedArray:
    """A list of strings a row, none of them null; a string is cut at white space."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pa.chunked_array([pa.array([v if v is None else v.split() for v in column.to_pylist()], TEXTS)])
    return _strings(column, name, origins)


def answers(column: pa.ChunkedArray, name: str, origins: pa.ChunkedArray) -> pa.ChunkedArray:
    """list<struct<text, answer_start>> a row, empty for a question without answer.

    Taken as such, as SQuAD's columns {"text": [...], "answer_start": [...]}, or null where no answer is given.
    """
    rows = []
    for at, value in enumerate(column.to_pylist()):
        if isinstance(value, dict) and isinstance(value.get("text"), list):
            starts = value.get("answer_start") or []
            if len(starts) != len(value["text"]):
                _refuse(origins, at, f"{name} has {len(value['text'])} texts and {len(starts)} answer_start")
            value = [{"text": t, "answer_start": s} for t, s in zip(value["text"], starts, strict=True)]
        rows.append(value)
    return _as(rows, ANSWERS, name, origins, 'a list of {"text": ..., "answer_start": ...}')


def messages(column: pa.ChunkedArray, name: str, origins: pa.ChunkedArray) -> pa.ChunkedArray:
    """list<struct<role, content>> a row: system first if at all, then users and assistants in turn."""
    known = _as(column.to_pylist(), MESSAGES, name, origins, 'a list of {"role": ..., "content": ...}')
    for at, turns in enumerate(known.to_pylist()):
        for number, turn in enumerate(turns or [], start=1):
            if turn is None or turn["role"] not in ROLES:
                role = None if turn is None else turn["role"]
                _refuse(origins, at, f"message {number} has role {shown(str(role))!r}; use {', '.join(ROLES)}")
            if not (turn["content"] or "").strip() and turn["role"] != "tool":
                _refuse(origins, at, f"message {number} ({turn['role']}) has no content; fill or remove it")
            if turn["role"] == "system" and number > 1:
                _refuse(origins, at, f"message {number} is a second beginning: system stands first or not at all")
    return known


def along(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Metadata, [N]: numbers, booleans and texts as they are, anything else as a text."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return column.cast(kind)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.cast(kind).cast(TEXT)
    return pa.chunked_array([pa.array([None if v is None else str(v) for v in column.to_pylist()], TEXT)])


def blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which rows hold nothing: [N] booleans. Null, white space, an empty list."""
    if _is_list(column.type):
        return pc.fill_null(pc.equal(pc.list_value_length(column), 0), True)
    return pa.chunked_array([_blank(chunk) for chunk in column.chunks], pa.bool_())


def _blank(texts: pa.Array) -> pa.Array:
    """Their beginnings tell, but for those that begin with much white space: long texts are not copied."""
    found = _empty(pc.utf8_slice_codeunits(texts, 0, LOOKED)).to_numpy(zero_copy_only=False).copy()
    rows = np.flatnonzero(found)
    found[rows] = _empty(texts.take(pa.array(rows))).to_numpy(zero_copy_only=False)
    return pa.array(found)


def _empty(texts: pa.Array) -> pa.Array:
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(texts), ""), True)


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A string a row that differs where the values do, for hashing: [N]."""
    if column.type in (TEXT, pa.string()):
        return column
    if column.type == TEXTS:
        return pc.binary_join(column, " ").cast(TEXT)
    return pa.chunked_array([pa.array([repr(value) for value in column.to_pylist()], TEXT)])


def _split(value: str) -> list[str]:
    sign = next((sign for sign in "|;," if sign in value), ",")
    return [part.strip() for part in value.split(sign) if part.strip()]


def _strings(column: pa.ChunkedArray, name: str, origins: pa.ChunkedArray) -> pa.ChunkedArray:
    rows = column.to_pylist()
    for at, row in enumerate(rows):
        if row is not None and not (isinstance(row, list) and all(isinstance(value, str | int) for value in row)):
            _refuse(origins, at, f"{name} must be a list of strings, found {shown(str(row))}")
    return pa.chunked_array([pa.array([row if row is None else [str(v) for v in row] for row in rows], TEXTS)])


def _as(rows: list[Any], kind: pa.DataType, name: str, origins: pa.ChunkedArray, wanted: str) -> pa.ChunkedArray:
    try:
        return pa.chunked_array([pa.array(rows, kind)])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        for at, row in enumerate(rows):
            try:
                pa.array([row], kind)
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                _refuse(origins, at, f"{name} must be {wanted}, found {shown(str(row))}")
        raise


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return value is None
    return True


def _refuse(origins: pa.ChunkedArray, at: int, what: str) -> NoReturn:
    raise DataError(f"{origins[at].as_py()}: {what}")
