"""Slices of examples as the user writes them: the filter language of runs, of the columns of examples. N examples.

    length > 20 and text ~ "not"            meta.domain in (news, web) and not label = neutral

Grammar and meaning are those of store.filters; only the keys are others: any column that describes the examples. A
column of lists (the labels of a text, its words) satisfies `=` and `~` where one of its values does. In a column of
texts a plain number compares with those that are numbers. A text alone is looked for in the input.
"""

import difflib
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from headway.data.names import METADATA
from headway.store.filters import AnyOf, Compare, Exists, FilterError, Key, Not, Search, Tree, Value, parse

Mask = npt.NDArray[np.bool_]
Cells = Sequence[Any]  # [N] of one kind: texts, numbers, booleans or lists of texts; None where there is none
INPUT = ("text", "pair", "question", "context")  # what a text alone is looked for in
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def holds(tree: Tree, columns: Mapping[str, Cells], size: int) -> Mask:
    """[N]: for which examples it is true. FilterError: a column that there is not, a value that does not suit it."""
    if isinstance(tree, Search):
        texts = [columns[name] for name in INPUT if name in columns]
        return np.array([any(contains(cell, tree.text.text) for cell in row) for row in zip(*texts, strict=True)], bool)
    if isinstance(tree, Not):
        return ~holds(tree.item, columns, size)
    if isinstance(tree, Exists):
        return ~_missing(column(tree.key, columns))
    if isinstance(tree, Compare):
        return _compared(column(tree.key, columns), tree.operator, tree.value, _shown(tree.key))
    parts = [holds(item, columns, size) for item in tree.items]
    joined = np.logical_or if isinstance(tree, AnyOf) else np.logical_and
    return np.asarray(joined.reduce(parts), bool) if parts else np.ones(size, bool)


@dataclass(frozen=True)
class Expression:
    """A parsed slice. name: the text itself where the user gave none."""

    name: str
    text: str
    tree: Tree


def read_expression(text: str) -> Expression:
    """Of EXPRESSION or NAME=EXPRESSION. FilterError: it is neither.

    `label=positive` is an expression; what is none as a whole is read as one with a name, such as `long=length > 20`.
    """
    name, _, rest = (part.strip() for part in text.partition("="))
    try:
        return Expression(text.strip(), text.strip(), parse(text))
    except FilterError as error:
        if not name.replace("-", "").replace("_", "").isalnum():
            raise _in(text, error) from None
        try:
            return Expression(name, rest, parse(rest))
        except FilterError as inner:
            meant = FilterError(inner.message, inner.position + text.index(rest, len(name)))
            raise _in(text, meant if f"{name}={rest}" in text else error) from None


def chosen(expression: Expression, columns: Mapping[str, Cells], size: int) -> Mask:
    """`holds`, with errors that say which of many slices they are of."""
    try:
        return holds(expression.tree, columns, size)
    except FilterError as error:
        raise _in(expression.text, error) from None


def column(key: Key, columns: Mapping[str, Cells]) -> Cells:
    """The column that a key names; `domain` is meta.domain where no other column has this name. FilterError: none."""
    name = _shown(key)
    for one in (name, f"{METADATA}{name}"):
        if one in columns:
            return columns[one]
    bare = {known.removeprefix(METADATA): known for known in columns}
    near = difflib.get_close_matches(name[:100], [*columns, *bare], n=1)
    hint = f"did you mean {bare.get(near[0], near[0])}?" if near else f"there are {', '.join(columns)}"
    raise FilterError(f"examples have no {name[:60]}; {hint}", key.position)


def contains(cell: Any, pattern: str) -> bool:
    """Whether a text has the parts of a pattern, in this order, with anything where it has *; case does not count."""
    text, at = str(cell or "").casefold(), 0
    for part in pattern.casefold().split("*"):
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def number(cell: Any) -> float | None:
    """The finite number that a cell is, or that its text spells."""
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if isfinite(value) else None


def _compared(cells: Cells, sign: str, value: Value, name: str) -> Mask:
    if value.is_null:
        if sign != "=":
            raise FilterError("null can only be compared with = and !=", value.position)
        return _missing(cells)
    kind = next((type(cell) for cell in cells if cell is not None), str)
    if issubclass(kind, list):
        if sign not in ("=", "~"):
            raise FilterError(f"{name} holds several values each; it is compared by = != ~ !~ in", value.position)
        return np.array([any(_fits(one, sign, value) for one in cell or ()) for cell in cells], bool)
    if issubclass(kind, str):
        return np.array([_fits(cell, sign, value) for cell in cells], bool)
    wanted = {"true": 1.0, "false": 0.0}.get(value.text) if issubclass(kind, bool) else value.number
    if wanted is None or sign == "~":
        what = "true or false" if issubclass(kind, bool) else "a number"
        raise FilterError(f"{name} is compared with {what} by = != < <= > >= in", value.position)
    return np.array([cell is not None and _ORDER[sign](cell, wanted) for cell in cells], bool)


def _fits(cell: str | None, sign: str, value: Value) -> bool:
    if cell is None:
        return False
    if sign == "~":
        return contains(cell, value.text)
    if value.number is None:
        return _ORDER[sign](cell, value.text)
    own = number(cell)
    return own is not None and _ORDER[sign](own, value.number)


def _missing(cells: Cells) -> Mask:
    return np.array([cell is None or cell == [] or cell != cell for cell in cells], bool)


def _shown(key: Key) -> str:
    return f"config.{key.name}" if key.kind == "config" else key.name


def _in(text: str, error: FilterError) -> FilterError:
    shown = text if len(text) <= 60 else text[:59] + "…"
    return FilterError(f"slice {shown}: {error.message}", error.position)
