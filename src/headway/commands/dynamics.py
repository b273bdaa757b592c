"""`headway dynamics`: which examples were learned at once, late, by turns or never."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headway.commands.base import FIGURES, RUN_HELP, Command, named_runs, print_csv, print_json, print_rich

if TYPE_CHECKING:
    import pyarrow as pa

    from headway.compare.dynamics import Dynamics
    from headway.store.run import Run

EPILOG = """\
confidence    mean probability of the gold answer over the run's validations: of all its labels, or by word or token
variability   standard deviation of that probability
correctness   share of the validations at which the example was predicted right
forgotten     times it went from right to wrong; of a region, how many examples that ever did, and how many never were
              right

The most variable third of the examples is ambiguous, the less confident half of the others hard, the rest easy. Of
several runs (seeds) each value is the mean. Record predictions on the training split with:
  headway train ... trainer.train_predictions=true
"""


def add(command: Command) -> None:
    text = "show what a run learned at once, late, by turns or never: training dynamics of each example"
    sub = command("dynamics", dynamics, text, epilog=EPILOG)
    sub.add_argument("runs", nargs="+", metavar="RUN", help=f"{RUN_HELP}; a name that runs share means all of them")
    sub.add_argument("--split", default="train", help="any with predictions of two steps or more (default: train)")
    sub.add_argument(
        "--sort",
        choices=("ambiguous", "hard", "easy", "forgotten"),
        default="ambiguous",
        help="which examples come first (default: ambiguous)",
    )
    sub.add_argument("--limit", type=int, default=20, help="at most this many examples; 0 for all (default: 20)")
    sub.add_argument("--figure", metavar="FILE", help="draw the data map to a .svg, .pdf or .png file")
    sub.add_argument("--csv", action="store_true", help="print the examples as CSV")


def dynamics(options: argparse.Namespace) -> int:
    from headway.compare.dynamics import averaged, order
    from headway.errors import RunError
    from headway.views.dynamics import dynamics_json, dynamics_view, save_figure

    figure = Path(options.figure) if options.figure else None
    if figure and figure.suffix not in FIGURES:
        raise RunError(f"--figure {figure}: the file's name must end in {', '.join(FIGURES)}")
    runs = named_runs(options)
    looks = {run.id: steps_of(run, options.split) for run in runs}
    table, first = followed(runs[0], options.split, looks[runs[0].id], None)
    found = averaged([first, *(followed(run, options.split, looks[run.id], table)[1] for run in runs[1:])])
    if options.sort == "forgotten" and bool((found.forgotten != found.forgotten).any()):
        raise RunError("--sort forgotten: these predictions are neither right nor wrong; use --sort hard")
    chosen = order(found, options.sort)[: options.limit or None]
    shown = dynamics_json(options.split, looks, table, found, chosen)
    if figure:
        save_figure(figure, found, f"{options.split} of {', '.join(run.name or run.id for run in runs)}")
    if options.json:
        print_json(shown)
    elif options.csv:
        print_csv(shown["rows"])
    else:
        print_rich(dynamics_view(shown, found))
    return 0


def steps_of(run: "Run", split: str) -> list[int]:
    """The steps at which `split` was predicted. Raises: RunError for fewer than two."""
    from headway.errors import RunError
    from headway.store.predictions import prediction_files

    steps = sorted(step for name, step in prediction_files(run.path) if name == split)
    if len(steps) < 2:
        raise RunError(
            f"run {run.id}: has predictions of {split} at {len(steps)} steps, and dynamics need two or more; those of "
            "train are recorded by: headway train ... trainer.train_predictions=true"
        )
    return steps


def followed(run: "Run", split: str, steps: Sequence[int], like: "pa.Table | None") -> "tuple[pa.Table, Dynamics]":
    """The predictions of the last of these steps, of examples that have a gold answer, and the dynamics over all.

    like: another run's, whose examples, in their order, are those that are wanted.
    Raises: RunError for other examples, and for predictions that give the gold answer no probability.
    """
    import numpy as np

    from headway.compare.dynamics import dynamics
    from headway.errors import RunError
    from headway.store.predictions import read_predictions

    tables = [read_predictions(run, split, step) for step in steps]
    last = tables[-1]
    if not {"gold", "loss"} <= {*last.column_names} or last["gold"].type in ("double", "float"):
        raise RunError(
            f"run {run.id}: its predictions give no probability to a gold answer; dynamics are of those that do"
        )
    wanted = last.filter(last["gold"].is_valid()) if like is None else like
    tables = [_aligned(table, wanted, run) for table in tables]
    probability = np.exp([-table["loss"].to_numpy() for table in tables])  # evaluation's loss is -log of it
    right = [_right(table) for table in tables] if "prediction" in last.column_names else None
    return tables[-1], dynamics(probability, right)


def _aligned(table: "pa.Table", wanted: "pa.Table", run: "Run") -> "pa.Table":
    """The rows of the `wanted` examples. Raises: RunError where one is missing or has another gold answer."""
    import pyarrow.compute as pc

    from headway.errors import RunError

    rows = pc.index_in(wanted["id"], table["id"])
    found = table.take(rows) if rows.null_count == 0 else None
    if found is None or found["gold"].to_pylist() != wanted["gold"].to_pylist():
        raise RunError(f"run {run.id}: was evaluated on other examples or gold answers; name runs of the same data")
    return found


def _right(table: "pa.Table") -> list[bool]:
    """Whether each prediction is the gold answer: all its tags; all its labels, in any order; SQuAD's exact match."""
    pairs = zip(table["prediction"].to_pylist(), table["gold"].to_pylist(), strict=True)
    if "question" in table.column_names:
        from headway.metrics.squad import squad

        return [squad([predicted], [gold])[0]["exact_match"] > 0 for predicted, gold in pairs]
    if "scores" in table.column_names:
        return [{*_listed(predicted)} == {*_listed(gold)} for predicted, gold in pairs]
    return [predicted == gold for predicted, gold in pairs]


def _listed(answer: str | list[str]) -> list[str]:
    return answer if isinstance(answer, list) else [answer]
