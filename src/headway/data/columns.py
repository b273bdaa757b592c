"""From a source's own columns to text, pair, label and origin, and what becomes of rows without text."""

import pyarrow as pa
import pyarrow.compute as pc

from headway.data.labels import as_strings
from headway.data.names import listed, suggest
from headway.data.records import ORIGIN
from headway.errors import DataError

TEXT = pa.large_string()  # 64-bit offsets: rows can be taken from columns of more than 2 GiB
EMPTY = ("drop", "keep", "error")


def select(table: pa.Table, text: str, pair: str | None, label: str | None, *, optional_label: bool) -> pa.Table:
    """Columns text, [pair], label (strings, null where blank) and origin. Raises: DataError for an absent column."""
    wanted = {"text": text, "pair": pair, "label": label}
    columns = {}
    for role, name in wanted.items():
        if name is None or (role == "label" and optional_label and name not in table.column_names):
            continue
        if name not in table.column_names or name == ORIGIN:
            raise DataError(_no_column(table, role, name))
        columns[role] = as_strings(table[name], name) if role == "label" else _texts(table[name], role, name)
    columns.setdefault("label", pa.nulls(len(table), pa.string()))
    return pa.table({**columns, ORIGIN: table[ORIGIN].cast(TEXT)})


def replaced(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The table with another column under the same name."""
    return table.set_column(table.column_names.index(name), name, column)


def _no_column(table: pa.Table, role: str, name: str) -> str:
    found = [column for column in table.column_names if column != ORIGIN]
    hint = suggest(name, found)
    delimiter = next((sign for sign in ";\t|," if len(found) == 1 and sign in found[0]), None)
    if delimiter:
        hint = f"; is the delimiter {delimiter!r}? Set data.delimiter"
    where = f"{str(table[ORIGIN][0]).rsplit(':', 1)[0].rsplit('#', 1)[0]}: " if len(table) else ""
    return f"{where}no column {name!r} (data.{role}); found {listed(found)}{hint}"


def _texts(column: pa.ChunkedArray, role: str, name: str) -> pa.ChunkedArray:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        raise DataError(f"data.{role}={name}: holds {kind} values, not text")
    return column.cast(kind).cast(TEXT)


def without_empty(table: pa.Table, policy: str) -> tuple[pa.Table, int]:
    """The table with no null in text and pair, and how many rows were dropped for being blank there."""
    columns = [name for name in ("text", "pair") if name in table.column_names]
    for name in columns:
        table = replaced(table, name, pc.fill_null(table[name], ""))
    blank = pc.equal(pc.utf8_trim_whitespace(table[columns[0]]), "")
    for name in columns[1:]:
        blank = pc.or_(blank, pc.equal(pc.utf8_trim_whitespace(table[name]), ""))
    count = pc.sum(blank).as_py() or 0
    if policy == "keep" or not count:
        return table, 0
    if policy == "error":
        origin = table[ORIGIN][pc.index(blank, True).as_py()].as_py()
        what = " or ".join(columns)
        raise DataError(f"{origin}: empty {what}, one of {count:,} rows; mend it, or set data.empty to drop or keep")
    return table.filter(pc.invert(blank)), count
