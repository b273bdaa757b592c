"""Examples that are not the run's own data: a file to predict or to evaluate on, or what somebody typed."""

import inspect
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from headway.config.targets import load_target
from headway.data import labels as label_map
from headway.data.examples import LABELLED, Examples
from headway.data.prepare import numbered, separate, source_tables, with_metadata
from headway.data.records import ORIGIN, format_of, joined
from headway.data.report import content_keys, example_ids
from headway.data.sources import files
from headway.data.streams import Source
from headway.errors import DataError

FILES = "headway.data.sources.files.read"


def read_examples(
    source: Path | Sequence[tuple[str, str | None]],
    data: Mapping[str, Any],
    examples: Examples = LABELLED,
    labels: Sequence[str] = (),
    *,
    gold: bool = False,
) -> pa.Table:
    """A file (or anything the run's source takes), or texts each with a second one or None.

    A file is read with the column names and settings of the data configuration, by the run's own source where it is in
    the form of that (`conll.own_settings`); where it has one column only, that is the text. Nothing is dropped. With
    `gold`, the answers in the file are read too; `labels` are the run's class names.
    Returns columns id, those of `examples` (gold null, or -1 for a class, where there is none), origin.
    Raises: DataError.
    """
    settings, common = separate(data)
    roles: dict[str, str | None] = {role: common[role] for role in examples.columns if role in common}
    given = common.get("labels")
    if isinstance(source, Path):
        table = read_file(source, settings, {*labels, *(given if isinstance(given, Mapping) else ())})
        missing = [role for role in examples.content if role not in examples.optional]
        found = [name for name in table.column_names if name != ORIGIN]
        if len(found) == 1 and (roles.get(missing[0]) or missing[0]) not in found:
            texts = [(str(text or ""), None) for text in table[found[0]].to_pylist()]
            table, roles = _typed(texts, table[ORIGIN].to_pylist(), examples), {}
    else:
        table = _typed(source, [f"text {i}" for i in range(1, len(source) + 1)], examples)
        roles = {role: role for role in examples.optional if role in table.column_names}
    answer = (roles.get(examples.gold) or examples.gold) if examples.gold else None
    if not gold and answer in table.column_names:
        table = table.drop_columns([answer])
    along = [name for name in common.get("metadata") or () if name in table.column_names]
    try:
        chosen = with_metadata(examples.select(table, roles, needs_gold=False), table, along)
        table, _ = examples.without_empty(chosen, "keep")
    except DataError as error:
        form = getattr(module_of(settings), "FORM", None)
        if form is None or not isinstance(source, Path):
            raise
        raise DataError(f"{error}; or give {form}") from error
    if examples.classes:
        index = {name: i for i, name in enumerate(labels)}
        if labels and table[examples.gold].null_count < len(table):
            _, index = label_map.order(table[examples.gold], given if isinstance(given, Mapping) else labels)
        table = numbered(table, examples, index, "this file", given=True)
    return table.add_column(0, "id", example_ids(content_keys(table, examples.present(table))[0]))


def _typed(texts: Sequence[tuple[str, str | None]], origins: Sequence[str], examples: Examples) -> pa.Table:
    """What was typed, as a source would give it."""
    rows = [
        {name: value for name, value in examples.typed(text, pair).items() if value is not None} | {ORIGIN: origin}
        for (text, pair), origin in zip(texts, origins, strict=True)
    ]
    return pa.Table.from_pylist(rows)


def module_of(settings: Mapping[str, Any]) -> ModuleType:
    """Of the source that these settings are for."""
    return sys.modules[load_target(str(settings.get("_target_", FILES))).__module__]


def read_file(path: Path, settings: Mapping[str, Any], labels: Collection[str] = ()) -> pa.Table:
    """All splits of a file under each other, read by the run's own source where that reads files of this kind."""
    target, source = str(settings.get("_target_", FILES)), Source(path)
    if target != FILES:
        read, module = load_target(target), module_of(settings)
        own = module.own_settings(source, settings, labels) if hasattr(module, "own_settings") else None
        suffixes = getattr(module, "OWN_SUFFIXES", ())
        whose = own is not None or format_of(source) is None or source.inner.suffix.lower() in suffixes
        if whose and "path" in inspect.signature(read).parameters:
            return joined(list(source_tables({**(own or settings), "path": str(path)}).values()))
    options: dict[str, Any] = {}
    if target == FILES:
        names = ("delimiter", "quoting", "columns", "encoding", "max_bytes", "max_record_bytes")
        options = {name: settings[name] for name in names if name in settings}
        if format_of(Source(path)) is None:
            options["format"] = settings.get("format")
    return joined(list(files.read(path, **options).values()))
