"""The `headway` command: parses, calls, prints. Everything it calls is imported where it is called."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from headway import __version__
from headway.errors import HeadwayError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from headway.store.run import Run

RUN_HELP = "a run's id, a unique beginning of it, its name, a path, `last`, or `best:METRIC` (best:val/accuracy)"
TRUST_HELP = "run the Python code that came with a model"


def finite(text: str) -> float:
    """A number on the command line. Raises: ValueError, which argparse says in its own words."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


# of generated text, by the names of `tasks.decoding.Decoding`: type and meaning
DECODING: dict[str, tuple[Callable[[str], Any], str]] = {
    "max_new_tokens": (int, "most tokens to generate"),
    "temperature": (finite, "sample, with logits divided by this; 0 is greedy"),
    "top_k": (int, "sample from this many likeliest tokens"),
    "top_p": (finite, "sample from the likeliest tokens that together have this probability"),
    "beams": (int, "search with this many beams"),
    "length_penalty": (finite, "of beams: above 1 longer texts win more often, below 1 shorter ones"),
    "repetition_penalty": (finite, "above 1: less likely again what stands there already"),
    "seed": (int, "of sampling"),
}
DESCRIPTION = "Trains language models, records every run, and says which difference is real."
EXAMPLES = """\
examples:
  headway train                                     the default: MiniLM on BBC News
  headway train model=minilm data=csv data.path=reviews.csv optimizer.lr=3e-5 seed=1
  headway train -m seed=0,1,2 optimizer.lr=2e-5,5e-5
  headway runs
  headway predict last "Shares rose after the merger"

`headway train` takes every flag Hydra knows: -m, --cfg job, --config-dir DIR, --hydra-help, ...
"""
SQL_HELP = """\
tables:
  runs      id, name, project, status, tags (JSON), notes, archived, created (unix), created_at, started_at, ended_at,
            seconds, step, steps, seed, recipe, data, commit, host, cause, monitor, mode, overrides (JSON), root, path
  config    run, key, value, number
  metrics   run, key, last, last_step, min, min_step, max, max_step, best, mode
  history   run, metric, step, value
config.value is text, config.number is set where it is a number (1 for true); history has every logged point, also of
the metrics time and epoch.
run is the run's id. The names cover the tables of the index itself, which are main.runs and so on.

examples:
  headway sql "select run, best from metrics where key = 'val/accuracy' order by best desc limit 5"
  headway sql "select value, avg(best) from config join metrics using (run) where config.key = 'optimizer.lr'
               and metrics.key = 'val/loss' group by value"
"""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and arguments[0] in COMPOSED and "--help" not in arguments[1:2] and "-h" not in arguments[1:2]:
            return COMPOSED[arguments[0]](arguments[1:])  # Hydra's own command line starts here
        options = parser().parse_args(arguments)
        code: int = options.call(options)
    except HeadwayError as error:
        return fail(error)
    except BrokenPipeError:  # `headway runs | head`
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    return code


def fail(error: HeadwayError) -> int:
    """One line for each problem; the traceback only for those who ask."""
    if os.environ.get("HEADWAY_DEBUG") == "1":
        raise error
    for line in getattr(error, "problems", None) or [str(error)]:
        sys.stderr.write(f"headway: error: {line}\n")
    return 2


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="headway", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, call: Callable[[argparse.Namespace], int], text: str, **more: Any
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", **more)
        sub.set_defaults(call=call)
        sub.add_argument("--json", action="store_true", help="print JSON instead of text")
        if name not in COMPOSED:  # there it is a key of the config like any other
            sub.add_argument(
                "--runs-dir", metavar="DIR", help="where the runs are (default: $HEADWAY_RUNS, else ./runs)"
            )
        return sub

    raw: dict[str, Any] = {"epilog": EXAMPLES, "formatter_class": argparse.RawDescriptionHelpFormatter}
    for name, text in (
        ("train", "compose a config, train, and record the run"),
        ("check", "validate a config, its data and its model without training"),
    ):
        sub = command(name, show_usage, text, **raw)
        sub.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="Hydra overrides and flags")
        sub.add_argument("--allow", action="append", metavar="PREFIX", help="allow _target_ under this module prefix")
        if name == "train":
            sub.add_argument("--prepare", action="store_true", help="make the run folder, print its path, do not train")
        sub.add_argument("--trust-remote-code", action="store_true", help=TRUST_HELP)

    sub = command("resume", resume_command, "continue an interrupted run exactly where its last checkpoint stands")
    sub.add_argument("run", help=RUN_HELP)
    sub = command("eval", eval_command, "evaluate a run's checkpoint on a split")
    sub.add_argument("run", help=RUN_HELP)
    sub.add_argument("--file", metavar="FILE", help="evaluate on a file of labelled examples instead")
    sub.add_argument("--split", default="test", help="train, val or test (default: test)")
    sub.add_argument("--checkpoint", default="best", choices=("best", "last"))
    sub = command("predict", predict_command, "predict texts, a file of texts, or standard input")
    sub.add_argument("run", help=RUN_HELP)
    sub.add_argument(
        "texts", nargs="+", metavar="TEXT|FILE|-", help="texts, or one file (csv tsv jsonl parquet txt), or -"
    )
    sub.add_argument("--pair", help="second text of a text pair; the text to find an answer in")
    sub.add_argument("--checkpoint", default="best", choices=("best", "last"))
    for name, (kind, text) in DECODING.items():
        sub.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"{text} (generating runs)")
    sub = command("runs", runs_command, "list runs, newest first")
    sub.add_argument("--project", help="only this project")
    sub.add_argument("--limit", type=int, default=20, help="at most this many; 0 for all (default: 20)")
    sub.add_argument("--filter", metavar="F", help="""only these: 'config.optimizer.lr < 1e-4 and status = finished'""")
    sub.add_argument("--sort", metavar="KEYS", help="by these, - for descending: --sort=-val/accuracy,created")
    sub.add_argument("--archived", action="store_true", help="also those that were archived")
    sub = command("sql", sql_command, "ask all runs one SELECT", **(raw | {"epilog": SQL_HELP}))
    sub.add_argument("query", help="one SELECT over runs, config, metrics and history, as below")
    sub.add_argument("--csv", action="store_true", help="print CSV instead of a table")
    sub.add_argument("--limit", type=int, default=10_000, help="at most this many rows (default: 10000)")
    sub = command("show", show_command, "show one run: status, metrics, data, checkpoints, how to go on")
    sub.add_argument("run", help=RUN_HELP)
    sub = command("compare", compare_command, "say which difference is real: groups of runs on one metric")
    sub.add_argument("runs", nargs="*", metavar="RUN", help=f"{RUN_HELP}; a name that runs share means all of them")
    sub.add_argument("--filter", metavar="F", help="all runs that match, as for `headway runs`, instead of naming them")
    sub.add_argument("--metric", required=True, help="test/accuracy, or last(val/loss); alone it is each run's best")
    sub.add_argument("--by", metavar="KEYS", help="runs that agree in these are a group: optimizer.lr,model")
    sub.add_argument("--over", metavar="KEYS", help="runs that differ in these as well as in the seed are a group")
    sub.add_argument("--margin", type=finite, metavar="X", help="tied means: the same within X, as a test shows")
    sub.add_argument("--level", type=finite, default=0.05, help="of the tests (default: 0.05)")
    sub.add_argument("--correction", choices=("holm", "bh"), default="holm", help="for many pairs (default: holm)")
    sub.add_argument("--recipes", action="store_true", help="refuse to speak of single runs: two seeds or more of each")
    sub = commands.add_parser("ui", help="open the dashboard over one or more folders of runs")
    sub.add_argument("paths", nargs="*", metavar="PATH", help="folders of runs (default: $HEADWAY_RUNS, else ./runs)")
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    sub.add_argument("--port", type=int, help="port to listen on (default: 6160, or the next free one)")
    sub.add_argument("--token", help="what every visitor must show (default: generated where --host is not loopback)")
    sub.add_argument("--read-only", action="store_true", help="refuse tags, notes, renaming, archiving and deleting")
    sub.add_argument("--no-browser", action="store_true", help="do not open a browser")
    sub.set_defaults(call=ui_command)
    for name in ("resume", "eval", "predict"):
        commands.choices[name].add_argument("--trust-remote-code", action="store_true", help=TRUST_HELP)
    sub = commands.add_parser("completion", help="print a tab-completion script for bash, zsh or fish")
    sub.add_argument("shell", nargs="?", choices=("bash", "zsh", "fish"), default="bash")
    sub.add_argument("--query", metavar="LINE", help=argparse.SUPPRESS)
    sub.add_argument("--json", action="store_true", help="print JSON instead of text")
    sub.set_defaults(call=completion_command)
    return top


# --- commands that compose a config ----------------------------------------------------------------------------------


def take_flag(arguments: list[str], flag: str) -> bool:
    """Remove `flag` from `arguments`; whether it was there."""
    present = flag in arguments
    while flag in arguments:
        arguments.remove(flag)
    return present


def train_command(arguments: list[str]) -> int:
    from headway.config.compose import train_main

    as_json, only_prepare = take_flag(arguments, "--json"), take_flag(arguments, "--prepare")
    return train_main(arguments, partial(prepare_job if only_prepare else train_job, as_json=as_json))


def show_usage(options: argparse.Namespace) -> int:
    """`headway train --help` ends in argparse; anything else of these commands never reaches it."""
    raise AssertionError(options)


def train_job(config: "DictConfig", overrides: list[str], *, as_json: bool) -> int:
    """One run of `headway train`; a module-level function, so that Hydra's launchers can send it elsewhere."""
    from headway.training.launch import launch

    display = make_display(as_json)
    finished = launch(config, overrides, display)
    return report(finished, as_json)


def prepare_job(config: "DictConfig", overrides: list[str], *, as_json: bool) -> int:
    """`headway train --prepare`: make the run folder and stop; a cluster's own launcher then starts the workers."""
    from headway.training.launch import prepare_run

    path = str(prepare_run(config, overrides))
    sys.stdout.write((json.dumps({"path": path}) if as_json else path) + "\n")
    return 0


def check_command(arguments: list[str]) -> int:
    from headway.config.compose import train_main

    as_json = take_flag(arguments, "--json")
    return train_main(arguments, partial(check_job, as_json=as_json))


def check_job(config: "DictConfig", _: list[str], *, as_json: bool) -> int:
    from headway.training.preflight import preflight

    result = preflight(config)
    if as_json:
        print_json(result)
    else:
        for line in result["lines"]:
            sys.stdout.write(line + "\n")
    return 0


COMPOSED = {"train": train_command, "check": check_command}


# --- commands on runs ------------------------------------------------------------------------------------------------


def find(options: argparse.Namespace) -> "Run":
    from headway.config.targets import TRUST_VARIABLE
    from headway.store.find import find_run, runs_root

    # only this command line can say that a model's own code may run, not an environment that was set long ago
    os.environ.pop(TRUST_VARIABLE, None)
    if getattr(options, "trust_remote_code", False):
        os.environ[TRUST_VARIABLE] = "1"
    return find_run(options.run, runs_root(options.runs_dir))


def resume_command(options: argparse.Namespace) -> int:
    from headway.training.launch import resume

    return report(resume(find(options), make_display(options.json)), options.json)


def eval_command(options: argparse.Namespace) -> int:
    run = find(options)
    from pathlib import Path

    from headway.training.evaluate import evaluate

    result = evaluate(run, options.split, options.checkpoint, Path(options.file) if options.file else None)
    if options.json:
        print_json(result)
    else:
        from headway.answers import evaluation_view

        print_rich(evaluation_view(result))
    return 0


def predict_command(options: argparse.Namespace) -> int:
    run = find(options)
    from headway.training.evaluate import open_trained, predict, respond
    from headway.training.inputs import examples_to_predict

    trained = open_trained(run, options.checkpoint)
    table = examples_to_predict(options.texts, options.pair, run, trained.task.examples)
    if hasattr(trained.task, "respond"):
        for row, pieces in respond(trained, table, {name: getattr(options, name) for name in DECODING}):
            if options.json:
                line = {**row, "prediction": "".join(pieces), "run": run.id, "step": trained.step}
                sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            else:
                stream_text(pieces)
        return 0
    rows = predict(trained, table, run)
    if options.json:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        from headway.answers import predictions_view

        print_rich([predictions_view(rows)])
    return 0


def stream_text(pieces: Iterable[str]) -> None:
    """Write generated text as it comes; characters that would command the terminal are left out."""
    from headway.formats import safe

    for piece in pieces:
        sys.stdout.write("\n".join(safe(line) for line in piece.split("\n")))
        sys.stdout.flush()
    sys.stdout.write("\n")


def runs_command(options: argparse.Namespace) -> int:
    from headway.store.find import list_runs, runs_root
    from headway.views import runs_json, runs_table

    root = runs_root(options.runs_dir)
    if options.filter is None and options.sort is None:
        listed = list_runs(root, options.project)
        runs = [run for run in listed if options.archived or not run.archived]
        total, runs = len(runs), runs[: options.limit or None]
    else:
        from headway import Store

        store = Store(root)
        store.refresh()
        table = store.table(options.filter or "", options.sort or "-created", limit=None, archived=options.archived)
        found = [row.id for row in table.rows if options.project in (None, row.project)]
        total, runs = len(found), [store.run(id) for id in found[: options.limit or None]]
    if options.json:
        print_json(runs_json(runs))
    elif runs:
        print_rich([runs_table(runs)])
        if len(runs) < total:
            which = "older" if options.sort is None else "more"
            sys.stdout.write(f"{total - len(runs)} {which} runs are not shown; --limit 0 shows all\n")
    elif options.filter:
        sys.stdout.write(f"no run in {root} matches {options.filter}\n")
    else:
        sys.stdout.write(f"no runs in {root}; start one with: headway train\n")
    return 0


def show_command(options: argparse.Namespace) -> int:
    from headway.views import show_json, show_view

    run = find(options)
    if options.json:
        print_json(show_json(run))
    else:
        print_rich([show_view(run)])
    return 0


def sql_command(options: argparse.Namespace) -> int:
    from headway import Store
    from headway.store.find import runs_root
    from headway.views import sql_table

    store = Store(runs_root(options.runs_dir))
    store.refresh()
    found = store.sql(options.query, limit=options.limit)
    if options.json:
        print_json([dict(zip(found.columns, row, strict=True)) for row in found.rows])
    elif options.csv:
        import csv

        from headway.formats import csv_cell

        rows = [[csv_cell(cell) for cell in row] for row in (found.columns, *found.rows)]
        csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
    else:
        print_rich([sql_table(found)])
    if found.more:
        sys.stderr.write(f"headway: only the first {len(found.rows)} rows; --limit N shows more\n")
    return 0


def compare_command(options: argparse.Namespace) -> int:
    from headway import Store
    from headway.compare.study import study
    from headway.compare_views import study_json, study_view
    from headway.errors import RunError
    from headway.store.find import runs_root

    if bool(options.runs) == (options.filter is not None):
        raise RunError("compare takes runs, or --filter, and not both")
    store = Store(runs_root(options.runs_dir))
    store.refresh()
    by, over = ([key for key in (keys or "").split(",") if key] for keys in (options.by, options.over))
    try:
        found = study(
            *(store, options.metric, options.runs, options.filter or ""),
            by=by,
            over=over,
            margin=options.margin,
            level=options.level,
            correction=options.correction,
            of_recipes=options.recipes,
        )
    except ValueError as error:  # a level or margin that is none
        raise RunError(str(error)) from error
    if options.json:
        print_json(study_json(found))
    elif found.comparison.refused:
        raise RunError(found.comparison.refused)
    else:
        print_rich(study_view(found))
    return 2 if found.comparison.refused else 0


def ui_command(options: argparse.Namespace) -> int:
    from pathlib import Path

    from headway.store.find import runs_root
    from headway.web.serve import serve

    return serve(
        [Path(path) for path in options.paths] or [runs_root()],
        host=options.host,
        port=options.port,
        token=options.token,
        read_only=options.read_only,
        browser=not options.no_browser,
    )


def completion_command(options: argparse.Namespace) -> int:
    from headway.config.completion import complete, script

    if options.query is not None:
        words = complete(options.query)
        sys.stdout.write(json.dumps(words) if options.json else "".join(f"{word}\n" for word in words))
    elif options.json:
        print_json({"shell": options.shell, "script": script(options.shell)})
    else:
        sys.stdout.write(script(options.shell))
    return 0


# --- output ----------------------------------------------------------------------------------------------------------


def make_display(as_json: bool) -> Any:
    from headway.training.display import Quiet, Terminal

    return Quiet() if as_json else Terminal()


def report(finished: Any, as_json: bool) -> int:
    """The end of a training: what came of it, where it is, what to do next."""
    from headway.views import finished_view, show_json

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


def print_rich(parts: Iterable[Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))  # a line to copy must not be broken


if __name__ == "__main__":
    sys.exit(main())
