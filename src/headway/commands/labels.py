"""`headway labels`: which labels of a data set are probably wrong."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headway.commands.base import RUN_HELP, Command, named_runs, print_csv, print_json, print_rich

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from headway.store.run import Run

EPILOG = """\
Confident learning (Northcutt, Jiang & Chuang 2021) on what models say of examples that they were not trained on.
Several runs are averaged where they predicted the same examples, and put together where not: runs with other values
of data.split_seed hold out other parts of the training data, and their val splits together may cover most of it.

margin: probability of the given label less that of the likely one; -1 is the surest error.
"""
CONTENT = ("text", "pair")
MOST_FLAGGED = 0.9  # of the labels that the prediction differs from


def add(command: Command) -> None:
    sub = command("labels", labels, "find probable label errors, from what runs predicted", epilog=EPILOG)
    sub.add_argument("runs", nargs="+", metavar="RUN", help=f"{RUN_HELP}; a name that runs share means all of them")
    sub.add_argument("--split", default="test", help="train, val or test (default: test)")
    sub.add_argument(
        "--by",
        choices=("noise-rate", "class", "both", "confident"),
        default="noise-rate",
        help="which are flagged: as many as are estimated for each pair of labels, for each given label, what both "
        "say, or those that surely belong to another class (default: noise-rate)",
    )
    sub.add_argument("--limit", type=int, default=20, help="at most this many examples; 0 for all (default: 20)")
    sub.add_argument("--csv", action="store_true", help="print the examples as CSV")


def labels(options: argparse.Namespace) -> int:
    from headway.compare.label_errors import label_errors
    from headway.errors import RunError
    from headway.views.dynamics import labels_json, labels_view

    runs = named_runs(options)
    classes = classes_of(runs)
    parts = [part for run in runs for part in predictions(run, options.split)]
    table, probabilities, notes = put_together(parts, len(classes))
    if options.split == "train":
        notes.append(
            "the runs were trained on these examples and may have learned wrong labels by heart: fewer are found, even "
            "by the mean over a run's validations; better is --split val of runs with several values of data.split_seed"
        )
    given = [classes.index(gold) for gold in table["gold"].to_pylist()]
    if len({*given}) < 2:
        raise RunError(f"all examples of {options.split} have one label: there is nothing to confuse it with")
    found = label_errors(given, probabilities, options.by)
    if found.flagged.sum() > MOST_FLAGGED * (found.margin < 0).sum():
        notes.append(
            "nearly all labels that the prediction differs from are flagged: the runs are as sure where they are wrong "
            "as where they are right, and their errors count as the labels'; take a better model, or average more runs"
        )
    about = {"runs": [run.id for run in runs], "split": options.split, "by": options.by, "notes": notes}
    shown = labels_json(about, classes, table, probabilities, found, options.limit)
    if options.json:
        print_json(shown)
    elif options.csv:
        print_csv(shown["rows"])
    else:
        print_rich(labels_view(shown))
    return 0


def classes_of(runs: "Sequence[Run]") -> list[str]:
    """The labels of the runs' data, in the order of their scores. Raises: RunError where the runs differ in them."""
    from headway.errors import RunError

    found = [(run.meta.get("data") or {}).get("labels") or [] for run in runs]
    for run, names in zip(runs, found, strict=True):
        if len(names) < 2:
            raise RunError(f"run {run.id}: its data has no labels of texts; label errors are found in classification")
        if names != found[0]:
            raise RunError(f"run {run.id}: has other labels than run {runs[0].id}; name runs of the same data")
    return list(found[0])


def predictions(run: "Run", split: str) -> "list[pa.Table]":
    """What `run` predicted of a split: at its best step, if it kept that; of train at every step there is.

    Raises: RunError for tasks other than classification into one label.
    """
    import pyarrow as pa

    from headway.errors import RunError
    from headway.store.predictions import prediction_files, read_predictions

    steps = sorted(step for name, step in prediction_files(run.path) if name == split)
    if split != "train":
        metric, mode = run.monitor() or ("", "")
        best = run.summary().get(metric, {}).get(f"{mode}_step")
        steps = [int(best)] if best in steps else steps[-1:]
    tables = [read_predictions(run, split, step) for step in steps] or [read_predictions(run, split)]
    if "scores" not in tables[0].column_names or not pa.types.is_string(tables[0]["gold"].type):
        raise RunError(f"run {run.id}: label errors are found where each text has one label, task=classification")
    columns = [name for name in ("id", *CONTENT, "gold", "scores") if name in tables[0].column_names]
    return [table.select(columns).filter(table["gold"].is_valid()) for table in tables]


def put_together(parts: "Sequence[pa.Table]", classes: int) -> "tuple[pa.Table, np.ndarray[Any, Any], list[str]]":
    """Each example once, its mean probabilities [N, C], and what is to be said of them.

    Raises: RunError where the same example has another label in another run.
    """
    import numpy as np
    import pyarrow as pa

    from headway.errors import RunError

    every = pa.concat_tables(parts)
    places: dict[str, int] = {}
    rows = np.array([places.setdefault(id, len(places)) for id in every["id"].to_pylist()], np.int64)
    table = every.take(np.unique(rows, return_index=True)[1])
    gold = np.array(every["gold"].to_pylist(), object)
    if (other := np.flatnonzero(gold != np.array(table["gold"].to_pylist(), object)[rows])).size:
        raise RunError(
            f"example {every['id'][int(other[0])]} has another label in another run; name runs of the same data"
        )
    sums = np.zeros((len(table), classes))
    np.add.at(sums, rows, np.array(every["scores"].to_pylist(), np.float64).reshape(-1, classes))
    times = np.bincount(rows)
    notes = []
    if times.min() < times.max():
        notes.append(f"examples were predicted {times.min()} to {times.max()} times; the mean of each is used")
    return table, sums / times[:, None], notes
