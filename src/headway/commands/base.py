"""What every command is made with: how it is registered, how it finds a run, how it prints."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.store.index.store import Store
    from headway.store.run import Run

RUN_HELP = "a run's id, a unique beginning of it, its name, a path, `last`, or `best:METRIC` (best:val/accuracy)"
FIGURES = (".svg", ".pdf", ".png")  # endings of files that can be drawn
TRUST_HELP = "run the Python code that came with a model"
EXAMPLES = """\
examples:
  headway train                                     the default: MiniLM on BBC News
  headway train model=minilm data=csv data.path=reviews.csv optimizer.lr=3e-5 seed=1
  headway train -m seed=0,1,2 optimizer.lr=2e-5,5e-5
  headway runs
  headway predict last "Shares rose after the merger"

`headway train` takes every flag Hydra knows: -m, --cfg job, --config-dir DIR, --hydra-help, ...
"""


@dataclass(frozen=True)
class Command:
    """Registers a command: `command(name, call, text)` returns its argparse parser. call: options to an exit code."""

    commands: "argparse._SubParsersAction[argparse.ArgumentParser]"

    def __call__(
        self,
        name: str,
        call: Callable[[argparse.Namespace], int],
        text: str,
        *,
        json: bool = True,
        runs_dir: bool = True,
        epilog: str | None = None,
    ) -> argparse.ArgumentParser:
        sub = self.commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter if epilog else argparse.HelpFormatter,
        )
        sub.set_defaults(call=call)
        if json:
            sub.add_argument("--json", action="store_true", help="print JSON instead of text")
        if runs_dir:
            sub.add_argument(
                "--runs-dir", metavar="DIR", help="where the runs are (default: $HEADWAY_RUNS, else ./runs)"
            )
        return sub


def finite(text: str) -> float:
    """A number on the command line. Raises: ValueError, which argparse says in its own words."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def find(options: argparse.Namespace) -> "Run":
    from headway.config.targets import TRUST_VARIABLE
    from headway.store.find import find_run, runs_root

    # only this command line can say that a model's own code may run, not an environment that was set long ago
    os.environ.pop(TRUST_VARIABLE, None)
    if getattr(options, "trust_remote_code", False):
        os.environ[TRUST_VARIABLE] = "1"
    return find_run(options.run, runs_root(options.runs_dir))


def named_runs(options: argparse.Namespace) -> "list[Run]":
    """The runs that options.runs mean; a name that several share means all of them."""
    from headway.store.find import find_run, list_runs, runs_root

    root = runs_root(options.runs_dir)
    listed = list_runs(root)
    found: dict[str, Run] = {}
    for reference in options.runs:
        same = [run for run in listed if run.name == reference and not run.archived]
        found |= {run.id: run for run in (same if len(same) > 1 else [find_run(reference, root)])}
    return list(found.values())


def open_store(options: argparse.Namespace) -> "Store":
    """All runs, as they stand now."""
    from headway import Store
    from headway.store.find import runs_root

    store = Store(runs_root(options.runs_dir))
    store.refresh()
    return store


def listed(text: str | None) -> list[str]:
    """What stands between commas: --by optimizer.lr,model."""
    return [one for one in (text or "").split(",") if one]


def make_display(as_json: bool) -> Any:
    from headway.training.display import Quiet, Terminal

    return Quiet() if as_json else Terminal()


def report_end(finished: Any, as_json: bool) -> int:
    """The end of a training: what came of it, where it is, what to do next."""
    from headway.views.runs import finished_view, show_json

    if as_json:
        print_json(show_json(finished.run))
    else:
        print_rich(finished_view(finished.run))
    if finished.outcome.cause:
        sys.stderr.write(f"headway: {finished.outcome.status}: {finished.outcome.cause}\n")
    return int(finished.outcome.exit_code)


def print_json(value: Any) -> None:
    """Strict JSON: numbers that are not finite become strings, as in the run folder."""
    from headway.store.values import storable

    sys.stdout.write(json.dumps(storable(value), indent=2, ensure_ascii=False, default=str) + "\n")


def print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows of the same keys, these first; lists of words as one text."""
    import csv

    from headway.formats import csv_cell

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(csv_cell(name) for name in (rows[0] if rows else ()))
    for row in rows:
        cells = (" ".join(map(str, cell)) if isinstance(cell, list) else cell for cell in row.values())
        writer.writerow(map(csv_cell, cells))


def print_rich(parts: Iterable[Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))  # a line to copy must not be broken
