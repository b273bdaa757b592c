"""Raw label values to class numbers: which names there are, in which order, and what is not one of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

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
        raise DataError(f"data.label={name}: holds {kind} values; a label is a string, a number or a boolean")
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
        raise DataError(f"data.label: found {found} to tell apart; classification needs at least two labels")
    return names, index


def numbered(table: pa.Table, index: Mapping[str, int], split: str, *, given: bool) -> pa.Array:
    """The class of each row of `table` (columns label, origin) as int32, null where the label is null.

    Raises: DataError naming the first origin whose label is not in `index`.
    """
    places = pc.index_in(table["label"], value_set=pa.array(list(index), pa.string()))
    unknown = pc.and_(pc.is_null(places), pc.is_valid(table["label"]))
    if (at := pc.index(unknown, True).as_py()) >= 0:
        label = table["label"][at].as_py()
        known = "data.labels" if given else "the training labels"
        raise DataError(
            f"{table['origin'][at].as_py()}: label {shown(label)!r} of {split} is not among {known} ({listed(index)})"
            f"{suggest(label, index)}"
        )
    return pc.take(pa.array(list(index.values()), pa.int32()), places)


def require(table: pa.Table, split: str, name: str) -> None:
    """Refuse rows without a label, by the origin of the first."""
    missing = pc.is_null(table["label"])
    if (at := pc.index(missing, True).as_py()) >= 0:
        count = pc.sum(missing).as_py()
        rows = f"{count:,} of {len(table):,} rows of {split}"
        raise DataError(
            f"{table['origin'][at].as_py()}: no label in column {name!r}, as in {rows}; label or remove them"
        )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).strip()
