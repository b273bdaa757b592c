"""From a source's tables to examples: columns mapped, labels numbered, splits cut, repeats counted, ids given."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig, OmegaConf

from headway.config.targets import instantiate
from headway.data import labels as label_map
from headway.data.columns import EMPTY, replaced, select, without_empty
from headway.data.names import SPLITS
from headway.data.records import ORIGIN, format_of, joined, with_origin
from headway.data.report import content_keys, describe, example_ids, fingerprint
from headway.data.sources import files
from headway.data.split import Keys, choose, cut, sample
from headway.data.streams import Source
from headway.errors import DataError


@dataclass(frozen=True)
class Prepared:
    """Examples of one data configuration.

    splits: train, and val and test where there are any, in this order; columns id, text, [pair], label (int32, -1
        without a label), origin.
    labels: the class names, in the order of their numbers. fingerprint: SHA-256 of ids, labels and their order.
    report: counts and repeats as plain JSON, see `report.describe`.
    """

    splits: dict[str, pa.Table]
    labels: list[str]
    fingerprint: str
    report: dict[str, Any]


def prepare(data: Mapping[str, Any]) -> Prepared:
    """Run the source that the data configuration names and prepare what it gives. Raises: DataError."""
    source, common = separate(data)
    tables = instantiate(source)
    if not isinstance(tables, Mapping) or not all(isinstance(table, pa.Table) for table in tables.values()):
        raise DataError(
            f"{source['_target_']}: a source returns a mapping of split names to Arrow tables, see CONTRIBUTING"
        )
    for name, table in tables.items():
        if ORIGIN not in table.column_names:
            raise DataError(
                f"{source['_target_']}: its table {name!r} has no column {ORIGIN!r}, which says where rows are from"
            )
    return prepare_tables(tables, **common)


def separate(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of the source (`_target_` and its arguments) and those that every data configuration has."""
    plain = OmegaConf.to_container(data, resolve=True) if isinstance(data, DictConfig) else data
    assert isinstance(plain, Mapping)
    known = set(inspect.signature(prepare_tables).parameters)
    source = {str(key): value for key, value in plain.items() if key not in known}
    return source, {str(key): value for key, value in plain.items() if key in known}


def prepare_tables(
    tables: Mapping[str, pa.Table],
    *,
    text: str = "text",
    pair: str | None = None,
    label: str | None = "label",
    labels: label_map.Labels = None,
    splits: Mapping[str, str | None] | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.0,
    split_seed: int = 0,
    stratify: bool = True,
    empty: str = "drop",
    limit: int | Mapping[str, int | None] | None = None,
) -> Prepared:
    """Prepare the tables of a source (split name -> columns and `origin`).

    text, pair, label: column names; no pair for single texts, no label for text alone.
    labels: see `labels.order`. splits: see `split.choose`.
    test_fraction, val_fraction: cut from train where the data has no test or val; of what test leaves, for val.
    split_seed: of the cuts and limits; the run's own seed plays no part. stratify: keep label proportions in cuts.
    empty: rows whose text, or pair, is null or white space are dropped (and counted), kept as "", or an error.
    limit: most rows, of each split or by split; a seeded sample.

    A val or test split without a single label, as competitions publish them, is left out and reported.
    Raises: DataError naming the column, or the origin of the first row, that is wrong.
    """
    if empty not in EMPTY:
        raise DataError(f"data.empty={empty}: unknown; use {', '.join(EMPTY)}")
    chosen, unused = choose(tables, splits)
    parts = {s: select(tables[name], text, pair, label, optional_label=s != "train") for s, name in chosen.items()}
    unlabelled = [split for split, table in parts.items() if label and split != "train" and _unlabelled(table)]
    counted = {split: without_empty(table, empty) for split, table in parts.items() if split not in unlabelled}
    parts = {split: table for split, (table, _) in counted.items()}
    names, parts, left_out = _numbered(parts, label, labels)
    for split, table in parts.items():
        if not len(table):
            gone = f"{counted[split][1]:,} were empty, {left_out[split]:,} left out by data.labels"
            raise DataError(f"no row of {split} is left: {gone}")

    parts, folded = _identified(parts)
    for split, fraction in (("test", test_fraction), ("val", val_fraction)):
        if split not in parts and fraction > 0:
            _cut(parts, folded, split, fraction, split_seed, stratify)
    for split, table in parts.items():
        most = limit.get(split) if isinstance(limit, Mapping) else limit
        if most is not None and most < len(table):
            rows = sample(folded[split], most, split_seed)
            parts[split], folded[split] = table.take(pa.array(rows)), folded[split][rows]

    ordered: dict[str, pa.Table] = {split: parts[split] for split in SPLITS if split in parts}
    report = describe(ordered, folded, names)
    for split, (_, count) in counted.items():
        report["splits"][split] |= {"dropped_empty": count, "dropped_label": left_out[split]}
    report |= {
        "cut": [s for s in ordered if s not in counted],
        "unused_splits": unused,
        "unlabelled_splits": unlabelled,
    }
    return Prepared(ordered, names, fingerprint(ordered, names), report)


def _unlabelled(table: pa.Table) -> bool:
    return bool(table["label"].null_count == len(table))


def _numbered(
    parts: Mapping[str, pa.Table], label: str | None, labels: label_map.Labels
) -> tuple[list[str], dict[str, pa.Table], dict[str, int]]:
    """Class names, the tables with labels as numbers, and how many rows of each the label map left out."""
    if label is None:
        plain = {split: replaced(t, "label", pa.array(np.full(len(t), -1, np.int32))) for split, t in parts.items()}
        return [], plain, dict.fromkeys(parts, 0)
    for split, table in parts.items():
        label_map.require(table, split, label)
    names, index = label_map.order(parts["train"]["label"], labels)
    out, left_out = {}, {}
    for split, table in parts.items():
        numbers = label_map.numbered(table, index, split, given=labels is not None)
        kept = pc.greater_equal(numbers, 0)
        out[split] = replaced(table, "label", numbers).filter(kept)
        left_out[split] = len(table) - len(out[split])
    return names, out, left_out


def _identified(parts: Mapping[str, pa.Table]) -> tuple[dict[str, pa.Table], dict[str, Keys]]:
    """The tables with `id` in front, and the folded content keys of each.

    Ids are given before anything is cut or limited: they do not change with the split seed.
    """
    keys = {split: content_keys(table) for split, table in parts.items()}
    ids = example_ids(np.concatenate([exact for exact, _ in keys.values()]))
    tables, start = {}, 0
    for split, table in parts.items():
        tables[split] = table.add_column(0, "id", ids.slice(start, len(table)))
        start += len(table)
    return tables, {split: folded for split, (_, folded) in keys.items()}


def _cut(
    parts: dict[str, pa.Table], folded: dict[str, Keys], split: str, fraction: float, seed: int, stratify: bool
) -> None:
    """Move `fraction` of train into a new `split`, in both mappings."""
    train, keys = parts["train"], folded["train"]
    classes = train["label"].to_numpy() if stratify else np.zeros(len(train), np.int32)
    held = cut(keys, classes, fraction, seed, split)
    if not held.any():
        raise DataError(
            f"data.{split}_fraction={fraction}: holds out none of {len(train):,} rows (repeated texts stay together); "
            "raise it, or set it to 0"
        )
    parts[split], folded[split] = train.filter(pa.array(held)), keys[held]
    parts["train"], folded["train"] = train.filter(pa.array(~held)), keys[~held]


def read_texts(
    source: str | Path | Sequence[str | tuple[str, str]], data: Mapping[str, Any], labels: Sequence[str] | None = None
) -> pa.Table:
    """Texts to predict: a file (or anything `files.read` takes), or a list of texts or of pairs.

    A file is read with the column names, delimiter, quoting and encoding of the data configuration; where it has
    one column only, that is the text. Nothing is dropped. labels: the class names of the run; with them, labels in
    the file become numbers. Returns columns id, text, [pair], label (int32, -1 where there is none), origin.
    Raises: DataError.
    """
    settings, common = separate(data)
    text, pair, label = common.get("text", "text"), common.get("pair"), common.get("label") if labels else None
    if isinstance(source, str | Path):
        table = _read_file(source, settings)
        found = [name for name in table.column_names if name != ORIGIN]
        if text not in found and len(found) == 1 and pair is None:
            text = found[0]
    else:
        text, pair, label = "text", None if all(isinstance(item, str) for item in source) else "pair", None
        rows = [(item, "") if isinstance(item, str) else item for item in source]
        columns = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(("text", "pair"))}
        table = with_origin(pa.table(columns), [f"text {i}" for i in range(1, len(rows) + 1)])
    table, _ = without_empty(select(table, text, pair, label, optional_label=True), "keep")
    numbers = pa.nulls(len(table), pa.int32())
    if labels:
        given = common.get("labels")
        _, index = label_map.order(table["label"], given if isinstance(given, Mapping) else labels)
        numbers = label_map.numbered(table, index, "this file", given=True)
    table = replaced(table, "label", pc.fill_null(numbers, -1))
    return table.add_column(0, "id", example_ids(content_keys(table)[0]))


def _read_file(source: str | Path, settings: Mapping[str, Any]) -> pa.Table:
    """All splits of a file under each other, read as the training data was where that was files too."""
    options: dict[str, Any] = {}
    if str(settings.get("_target_", "")).endswith("files.read"):
        names = ("delimiter", "quoting", "columns", "encoding", "max_bytes", "max_record_bytes")
        options = {name: settings[name] for name in names if name in settings}
        if format_of(Source(Path(source))) is None:
            options["format"] = settings.get("format")
    return joined(list(files.read(source, **options).values()))
