"""One predictions file, opened for filtering, sorting and paging.

What rows are chosen by (right or wrong, labels, loss, confidence) is kept for the files looked at last; texts are read
when a page or a search needs them, a block at a time, and never kept. N rows, K labels.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headway.errors import RunError
from headway.metrics.squad import normalise_answer
from headway.web.kept import Kept

if TYPE_CHECKING:
    import pyarrow as pa

KEPT = 8  # files
SEARCHES = 4  # remembered of each file
BLOCK = 4096  # rows of texts in memory at one time

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Labels:
    """Labels of rows, any number of each: codes[i] is one of row rows[i]."""

    codes: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


@dataclass
class Predictions:
    """The narrow columns of a file. `wrong` and `labels` are None and empty where the kind has no such thing."""

    path: Path
    kind: str
    columns: list[str]
    count: int
    wrong: Mask | None
    numbers: dict[str, npt.NDArray[np.float64]]  # loss, confidence, error: [N], NaN where there is none
    labels: list[str] = field(default_factory=list)
    gold: Labels | None = None
    prediction: Labels | None = None
    searches: OrderedDict[str, Mask] = field(default_factory=OrderedDict)

    def with_label(self, which: str, label: str) -> Mask:
        """Rows that have `label` as their "gold" or "prediction"."""
        found = np.zeros(self.count, bool)
        side: Labels | None = getattr(self, which)
        if side is not None and label in self.labels:
            found[side.rows[side.codes == self.labels.index(label)]] = True
        return found

    def search(self, query: str) -> Mask:
        """Rows whose texts, labels or id contain `query`, whatever its case."""
        wanted = query.casefold()
        if wanted not in self.searches:
            names = [name for name in self.columns if name not in ("loss", "confidence", "scores", "margin")]
            hits = [wanted in _searchable(row) for block in _blocks(self.path, names) for row in block.to_pylist()]
            self.searches[wanted] = np.array(hits, bool)
            while len(self.searches) > SEARCHES:
                self.searches.popitem(last=False)
        return self.searches[wanted]

    def ids(self) -> npt.NDArray[np.str_]:
        """[N]"""
        blocks = [block.column("id").to_pylist() for block in _blocks(self.path, ["id"])]
        return np.array([str(value) for block in blocks for value in block], dtype=np.str_)

    def answers(self) -> list[Any]:
        """[N] predictions as the file has them, or what was got right where the kind has none."""
        name = next((name for name in ("prediction", "correct") if name in self.columns), "loss")
        return [value for block in _blocks(self.path, [name]) for value in block.column(name).to_pylist()]

    def rows(self, at: Sequence[int]) -> list[dict[str, Any]]:
        """Whole rows by number, in the given order, each with `wrong`."""
        wanted = np.asarray(at, np.int64)
        found: dict[int, dict[str, Any]] = {}
        start = 0
        for block in _blocks(self.path, self.columns) if len(wanted) else ():
            inside = np.unique(wanted[(wanted >= start) & (wanted < start + len(block))])
            found |= zip(inside.tolist(), block.take(inside - start).to_pylist(), strict=True)
            start += len(block)
        return [
            found[number] | {"wrong": None if self.wrong is None else bool(self.wrong[number])}
            for number in wanted.tolist()
        ]


_kept: Kept[Predictions] = Kept(KEPT)


def open_predictions(path: Path, labels: Sequence[str] = ()) -> Predictions:
    """The file's narrow columns, from memory where it has not changed. `labels`: the run's own order.

    Raises RunError for a file that cannot be read or is of no known kind.
    """
    import pyarrow as pa

    try:
        key = (path, path.stat().st_mtime_ns)
        if (known := _kept.get(key)) is not None:
            return known
        opened = _open(path, labels)
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError(f"{path}: cannot be read as Parquet: {error}") from error
    _kept.put(key, opened)
    return opened


def kind_of(schema: "pa.Schema") -> str:
    """What task made a file, told from its columns. Raises KeyError for columns of no task."""
    import pyarrow as pa

    names = set(schema.names)
    if "masked" in names:
        return "masked"
    if "question" in names:
        return "question"
    if "prediction" not in names:
        return "text" if {"text", "loss"} <= names else _none(names)
    kind = schema.field("prediction").type
    if pa.types.is_list(kind):
        return "tagged" if "tokens" in names else "multi_labelled"
    if pa.types.is_floating(kind):
        return "scored"
    return "labelled" if "scores" in names or "confidence" in names else "generated"


def _none(names: set[str]) -> str:
    raise KeyError(f"columns {', '.join(sorted(names))}")


def _open(path: Path, labels: Sequence[str]) -> Predictions:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        schema, count = file.schema_arrow, file.metadata.num_rows
        try:
            kind = kind_of(schema)
        except KeyError as error:
            raise RunError(f"{path}: is of no known task ({error.args[0]})") from None
        # generated answers are as long as texts; of the others gold and prediction are short
        narrow = ["loss", "confidence", *([] if kind == "generated" else ["gold", "prediction"])]
        table = file.read(columns=[name for name in narrow if name in schema.names]).combine_chunks()
    opened = Predictions(path, kind, list(schema.names), count, None, {})
    for name in ("loss", "confidence"):
        if name in table.column_names:
            opened.numbers[name] = _numbers(table.column(name))
    if kind == "scored":
        gold = _numbers(table.column("gold")) if "gold" in table.column_names else np.full(count, np.nan)
        opened.numbers["error"] = np.abs(gold - _numbers(table.column("prediction")))
    if kind in ("labelled", "multi_labelled", "tagged"):
        sides = [table.column(name) for name in ("gold", "prediction") if name in table.column_names]
        opened.labels, coded = _coded(sides, labels)
        opened.prediction = coded[-1]
        if len(coded) == 2:
            opened.gold = coded[0]
            opened.wrong = _differ(coded[0], coded[1], len(opened.labels), count, ordered=kind == "tagged")
    if kind == "question" and "gold" in table.column_names:
        pairs = zip(table.column("prediction").to_pylist(), table.column("gold").to_pylist(), strict=True)
        opened.wrong = np.array([not _answers(given, golds) for given, golds in pairs], bool)
    return opened


def _numbers(column: "pa.ChunkedArray") -> npt.NDArray[np.float64]:
    """[N]; of a list its smallest: a sequence is as sure as its least sure token."""
    import pyarrow as pa

    if pa.types.is_list(column.type):
        return np.array([min(values) if values else np.nan for values in column.to_pylist()], np.float64)
    return column.cast(pa.float64()).fill_null(np.nan).to_numpy()


def _coded(sides: "Sequence[pa.ChunkedArray]", known: Sequence[str]) -> tuple[list[str], list[Labels]]:
    """The K labels of all sides, in the order of `known` and then of the alphabet, and each side as codes."""
    import pyarrow as pa
    from pyarrow import compute

    flat, rows = [], []
    for side in sides:
        if pa.types.is_list(side.type):
            rows.append(compute.list_parent_indices(side).to_numpy())
            flat.append(compute.list_flatten(side))
        else:
            rows.append(np.arange(len(side)))
            flat.append(side)
    found = {str(value) for column in flat for value in compute.unique(column).to_pylist() if value is not None}
    labels = [*(label for label in known if label in found), *sorted(found - set(known))]
    order = pa.array(labels, pa.string())
    coded = []
    for column, row in zip(flat, rows, strict=True):
        codes = compute.index_in(column.cast(pa.string()), value_set=order).fill_null(-1)
        coded.append(Labels(codes.to_numpy().astype(np.int64), row.astype(np.int64)))
    return labels, coded


def _differ(gold: Labels, prediction: Labels, labels: int, count: int, *, ordered: bool) -> Mask:
    """[N] rows whose labels differ: as sets, or (`ordered`) at any position."""
    wrong = np.zeros(count, bool)
    if ordered and np.array_equal(gold.rows, prediction.rows):
        wrong[gold.rows[gold.codes != prediction.codes]] = True
    else:
        base = labels + 1  # a code is -1 where a label is missing
        ours, theirs = (side.rows * base + side.codes + 1 for side in (gold, prediction))
        wrong[np.setxor1d(ours, theirs) // base] = True
    return wrong


def _answers(given: str, golds: Sequence[str]) -> bool:
    normal = normalise_answer(given or "")
    return any(normal == normalise_answer(gold) for gold in golds or [""])


def _blocks(path: Path, names: Sequence[str]) -> "Iterator[pa.RecordBatch]":
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=BLOCK, columns=list(names))


def _searchable(row: dict[str, Any]) -> str:
    """All texts of a row in one; tokens apart by blanks, so that a phrase is found in a tagged sentence."""

    def texts(value: Any) -> str:
        if isinstance(value, list):
            return " ".join(texts(item) for item in value)
        if isinstance(value, dict):
            return " ".join(texts(item) for item in value.values())
        return value if isinstance(value, str) else ""

    return "\n".join(texts(value) for value in row.values()).casefold()
