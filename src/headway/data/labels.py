"""Raw label values to class numbers: which names there are, in which order, and what is not one of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headway.data.names import listed, shown, suggest
from headway.errors import DataError

_INTEGER = re.compile(r"[+-]?\d+")
Labels = Sequence[Any] | Mapping[Any, Any] | None


def as_strings(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Labels as text: 1 and 1.0 are "1", true is "true", blanks are null."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        raise DataError(f"{name}: holds {kind} values; a label is a string, a number or a boolean")
    if pa.types.is_floating(kind):  # how integers with gaps come out of many tools
        whole = pc.cast(column, pa.int64(), safe=False)
        column = whole if pc.all(pc.equal(pc.cast(whole, kind, safe=False), column)).as_py() is not False else column
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def order(raw: pa.ChunkedArray, labels: Labels) -> tuple[list[str], dict[str, int]]:
    """The class names in order, and which class each raw value is (-1: its rows are left out).

    labels: None, the names are the values of `raw` (the training labels), sorted, as numbers if they all are;
        a list, these names in this order; a mapping, raw value to name, in the order of the names' first appearance,
        where the name null leaves rows out.
    Raises: DataError for fewer than two classes.
    """
    if labels is None:
        raw = pc.list_flatten(raw) if pa.types.is_list(raw.type) else raw
        values = [value for value in pc.unique(raw).to_pylist() if value is not None]
        numbers = all(_INTEGER.fullmatch(value) for value in values)
        names = sorted(values, key=lambda value: (int(value), value)) if numbers else sorted(values)
        index = {name: i for i, name in enumerate(names)}
    elif isinstance(labels, Mapping):
        renamed = {_text(value): None if name is None else _text(name) for value, name in labels.items()}
        names = list(dict.fromkeys(name for name in renamed.values() if name is not None))
        index = {value: -1 if name is None else names.index(name) for value, name in renamed.items()}
    else:
        names = [_text(name) for name in labels]
        index = {name: i for i, name in enumerate(names)}
        if len(index) < len(names):
            raise DataError(f"data.labels: names a label twice: {listed(names)}")
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        raise DataError(f"data.label: found {found} to tell apart; at least two labels are needed")
    return names, index


def numbered(table: pa.Table, gold: str, index: Mapping[str, int], split: str, *, given: bool) -> pa.ChunkedArray:
    """The classes in column `gold` (strings, or lists of them) as int32, null where it is null.

    Raises: DataError naming the first origin whose label is not in `index`.
    """
    column = table[gold]
    nested = pa.types.is_list(column.type)
    flat = pc.list_flatten(column) if nested else column
    places = pc.index_in(flat, value_set=pa.array(list(index), pa.string()))
    unknown = pc.and_(pc.is_null(places), pc.is_valid(flat))
    if (at := pc.index(unknown, True).as_py()) >= 0:
        label = flat[at].as_py()
        row = pc.list_parent_indices(column)[at].as_py() if nested else at
        what = f"{gold.removesuffix('s')} {shown(label)!r} of {split}"
        known = f"{'data.labels' if given else 'the training labels'} ({listed(index)})"
        raise DataError(f"{table['origin'][row].as_py()}: {what} is not among {known}{suggest(label, index)}")
    numbers = pc.take(pa.array(list(index.values()), pa.int32()), places)
    if not nested:
        return numbers
    numbers = numbers.combine_chunks() if isinstance(numbers, pa.ChunkedArray) else numbers
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    null = pc.is_null(column).combine_chunks() if isinstance(column, pa.ChunkedArray) else pc.is_null(column)
    return pa.chunked_array([pa.ListArray.from_arrays(offsets, numbers, mask=null)])


def require(table: pa.Table, gold: str, split: str, name: str) -> None:
    """Refuse rows whose `gold` is null, by the origin of the first; `name` is the source's name of that column."""
    missing = pc.is_null(table[gold])
    if (at := pc.index(missing, True).as_py()) >= 0:
        count = pc.sum(missing).as_py()
        rows = f"{count:,} of {len(table):,} rows of {split}"
        raise DataError(
            f"{table['origin'][at].as_py()}: no {gold} in column {name!r}, as in {rows}; fill or remove them"
        )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).strip()
