"""From a source's tables to examples: columns read, labels numbered, splits cut, repeats counted, ids given."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig, OmegaConf

from headway.config.targets import instantiate
from headway.data import labels as label_map
from headway.data.checks import check, remembered
from headway.data.columns import along, named, replaced
from headway.data.examples import LABELLED, ROLES, Examples
from headway.data.names import METADATA, SPLITS, suggest
from headway.data.portions import filtered
from headway.data.records import ORIGIN
from headway.data.report import content_keys, describe, example_ids, fingerprint, group_keys
from headway.data.split import Keys, choose, cut, sample
from headway.errors import DataError
from headway.metrics.tagging import malformed

EMPTY = ("drop", "keep", "error")
GROUP = "group"  # while splits are cut


@dataclass(frozen=True)
class Prepared:
    """Examples of one data configuration.

    splits: train, and val and test where there are any, in this order; columns id, those of the kind of example
        (classes as int32, -1 without a label), origin.
    labels: the class names, in the order of their numbers; empty where there are no classes.
    fingerprint: SHA-256 of ids, gold and label names. report: counts and repeats as plain JSON, see `report.describe`.
    """

    splits: dict[str, pa.Table]
    labels: list[str]
    fingerprint: str
    report: dict[str, Any]


def prepare(data: Mapping[str, Any], examples: Examples = LABELLED) -> Prepared:
    """Run the source that the data configuration names and prepare what it gives. Raises: DataError."""
    source, common = separate(data)
    return prepare_tables(source_tables(source), examples, **common)


def source_tables(source: Mapping[str, Any]) -> Mapping[str, pa.Table]:
    """What a source gives: split name -> table with `origin`. Raises: DataError if it gives anything else."""
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
    return tables


def separate(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of the source (`_target_` and its arguments) and those that every data configuration has."""
    plain = OmegaConf.to_container(data, resolve=True) if isinstance(data, DictConfig) else data
    assert isinstance(plain, Mapping)
    known = {*ROLES, *inspect.signature(prepare_tables).parameters}
    source = {str(key): value for key, value in plain.items() if key not in known}
    return source, {str(key): value for key, value in plain.items() if key in known}


def prepare_tables(
    tables: Mapping[str, pa.Table],
    examples: Examples = LABELLED,
    *,
    labels: label_map.Labels = None,
    splits: Mapping[str, str | None] | None = None,
    group: str | None = None,
    metadata: Sequence[str] | None = None,
    val_fraction: float = 0.1,
    test_fraction: float = 0.0,
    split_seed: int = 0,
    stratify: bool = True,
    empty: str = "drop",
    limit: int | Mapping[str, int | None] | None = None,
    checks: bool = True,
    **roles: str | None,
) -> Prepared:
    """Prepare the tables of a source (split name -> columns and `origin`) as this kind of examples.

    roles: text, pair, label and the other names of `examples.ROLES`: the column that holds each. `pair` is looked for
        only where it is named; no label for text alone.
    labels: see `labels.order`. splits: see `split.choose`.
    test_fraction, val_fraction: cut from train where the data has no test or val; of what test leaves, for val.
    group: a column whose equal values are never parted by a cut (a document's questions); equal texts never are.
    metadata: columns that come along under meta.NAME; neither ids nor the fingerprint know of them.
    split_seed: of the cuts and limits; the run's own seed plays no part. stratify: keep label proportions in cuts.
    empty: rows that hold nothing where content should be are dropped (and counted), kept, or an error.
    limit: most rows, of each split or by split; a seeded sample.
    checks: look for near duplicates, labels that are given away and classes out of balance, see `checks.check`.

    A val or test split without a single label, as competitions publish them, is left out and reported.
    Raises: DataError naming the column, or the origin of the first row, that is wrong.
    """
    if empty not in EMPTY:
        raise DataError(f"data.empty={empty}: unknown; use {', '.join(EMPTY)}")
    if unknown := set(roles) - set(ROLES):
        raise DataError(f"data.{min(unknown)}: unknown{suggest(min(unknown), ROLES)}")
    chosen, unused = choose(tables, splits)
    gold = examples.gold if roles.get(examples.gold or "", "") is not None else None  # data.label=null: text alone
    parts = {
        split: _with_group(examples.select(tables[name], roles, needs_gold=split == "train"), tables[name], group)
        for split, name in chosen.items()
    }
    parts = {split: with_metadata(table, tables[chosen[split]], metadata or ()) for split, table in parts.items()}
    unlabelled = [split for split, table in parts.items() if gold and split != "train" and _lacks(table, gold)]
    whole = {split: examples.without_empty(table, empty) for split, table in parts.items() if split not in unlabelled}
    parts = {split: table for split, (table, _) in whole.items()}
    for split, table in parts.items():
        if gold:
            label_map.require(table, gold, split, roles.get(gold) or gold)
    names, parts, left_out = _numbered(parts, examples, gold, labels)
    for split, table in parts.items():
        if not len(table):
            gone = f"{len(whole[split][1]):,} were empty, {left_out[split]:,} left out by data.labels"
            raise DataError(f"no row of {split} is left: {gone}")

    parts, folded = _identified(parts, examples)
    for split, fraction in (("test", test_fraction), ("val", val_fraction)):
        if split not in parts and fraction > 0:
            classes = parts["train"][gold].to_numpy() if stratify and gold and examples.classes == "one" else None
            _cut(parts, folded, split, fraction, split_seed, classes)
    for split, table in parts.items():
        most = limit.get(split) if isinstance(limit, Mapping) else limit
        if most is not None and most < len(table):
            rows = sample(folded[split], most, split_seed)
            parts[split] = filtered(table, np.isin(np.arange(len(table)), rows))
            folded[split] = folded[split][rows]

    ordered: dict[str, pa.Table] = {split: parts[split] for split in SPLITS if split in parts}
    ordered = {s: t.drop_columns([GROUP]) if GROUP in t.column_names else t for s, t in ordered.items()}
    report = describe(ordered, folded, names, examples.gold if examples.classes else None)
    for split, (_, dropped) in whole.items():
        report["splits"][split] |= {
            "dropped_empty": len(dropped),
            "dropped_empty_examples": dropped[:5],
            "dropped_label": left_out[split],
        }
    report |= {
        "cut": [s for s in ordered if s not in whole],
        "unused_splits": unused,
        "unlabelled_splits": unlabelled,
    }
    known = fingerprint(ordered, names, examples.gold)
    if checks:
        counts = {split: one["label_counts"] for split, one in report["splits"].items()}
        exact = {split: np.isin(folded[split], folded["train"]) for split in ordered if split != "train"}
        find = partial(check, ordered, examples, names, counts, exact)
        report["checks"] = remembered(ordered, known, examples.classes, find)
    return Prepared(ordered, names, known, report)


def _with_group(chosen: pa.Table, source: pa.Table, group: str | None) -> pa.Table:
    return chosen if group is None else chosen.append_column(GROUP, named(source, GROUP, group))


def with_metadata(chosen: pa.Table, source: pa.Table, names: Sequence[str]) -> pa.Table:
    """The examples of all rows of a source, with those of its columns under meta.NAME. Raises: DataError."""
    for name in dict.fromkeys(names):
        chosen = chosen.append_column(f"{METADATA}{name}", along(named(source, "metadata", name)))
    return chosen


def _lacks(table: pa.Table, gold: str) -> bool:
    return bool(table[gold].null_count == len(table))


def _numbered(
    parts: Mapping[str, pa.Table], examples: Examples, gold: str | None, labels: label_map.Labels
) -> tuple[list[str], dict[str, pa.Table], dict[str, int]]:
    """Class names, the tables with classes as numbers, and how many rows of each the label map left out."""
    nothing = dict.fromkeys(parts, 0)
    if gold is None:
        absent = {split: _unlabelled(table, examples) for split, table in parts.items()}
        return [], absent, nothing
    if examples.classes is None:
        return [], dict(parts), nothing
    names, index = label_map.order(parts["train"][gold], labels)
    out = {split: numbered(table, examples, index, split, given=labels is not None) for split, table in parts.items()}
    if examples.classes == "tokens" and (wrong := malformed(set(names))):
        raise DataError(f"{_first_with(out, gold, names.index(wrong[0]))}: {wrong[1]}")
    if examples.classes == "one":
        out = {split: filtered(table, table[gold].to_numpy() >= 0) for split, table in out.items()}
    return names, out, {split: len(parts[split]) - len(out[split]) for split in parts}


def numbered(table: pa.Table, examples: Examples, index: Mapping[str, int], split: str, *, given: bool) -> pa.Table:
    """The table with classes as numbers; one class a row is -1 where there is none."""
    gold = examples.gold
    assert gold is not None
    numbers = label_map.numbered(table, gold, index, split, given=given)
    return replaced(table, gold, pc.fill_null(numbers, -1) if examples.classes == "one" else numbers)


def _first_with(parts: Mapping[str, pa.Table], gold: str, number: int) -> str:
    """The origin of the first row that has this class among its own."""
    for table in parts.values():
        where = pc.list_parent_indices(table[gold]).filter(pc.equal(pc.list_flatten(table[gold]), number))
        if len(where):
            return str(table[ORIGIN][where[0].as_py()].as_py())
    return "data.labels"


def _unlabelled(table: pa.Table, examples: Examples) -> pa.Table:
    if examples.gold is None or examples.classes != "one":
        return table
    return replaced(table, examples.gold, pa.array(np.full(len(table), -1, np.int32)))


def _identified(parts: Mapping[str, pa.Table], examples: Examples) -> tuple[dict[str, pa.Table], dict[str, Keys]]:
    """The tables with `id` in front, and the keys by which rows of each belong together.

    Ids are given before anything is cut or limited: they do not change with the split seed.
    """
    keys = {split: content_keys(table, examples.present(table)) for split, table in parts.items()}
    ids = example_ids(np.concatenate([exact for exact, _ in keys.values()]))
    tables, start = {}, 0
    for split, table in parts.items():
        tables[split] = table.add_column(0, "id", ids.slice(start, len(table)))
        start += len(table)
    return tables, {split: folded for split, (_, folded) in keys.items()}


def _cut(
    parts: dict[str, pa.Table],
    folded: dict[str, Keys],
    split: str,
    fraction: float,
    seed: int,
    classes: npt.NDArray[Any] | None,
) -> None:
    """Move `fraction` of train into a new `split`, in both mappings; `classes` keep their proportions."""
    train, keys = parts["train"], folded["train"]
    together = group_keys(train[GROUP]) if GROUP in train.column_names else keys
    held = cut(together, np.zeros(len(train), np.int32) if classes is None else classes, fraction, seed, split)
    if not held.any():
        raise DataError(
            f"data.{split}_fraction={fraction}: holds out none of {len(train):,} rows (repeated texts stay together); "
            "raise it, or set it to 0"
        )
    parts[split], folded[split] = filtered(train, held), keys[held]
    parts["train"], folded["train"] = filtered(train, ~held), keys[~held]
