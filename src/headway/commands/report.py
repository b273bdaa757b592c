"""`headway report`: the table of a paper, with its figure and with what made each number."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from headway.commands.base import FIGURES, RUN_HELP, Command, finite, listed, open_store, print_json
from headway.errors import RunError

if TYPE_CHECKING:
    from headway.compare.report import Report
    from headway.views.report.sheet import Look

FORMATS = {".md": "md", ".tex": "latex", ".csv": "csv", ".html": "html", ".htm": "html"}
LEVEL, CORRECTION = 0.05, "holm"


def add(command: Command) -> None:
    sub = command("report", report, "write the table of a comparison for a paper: bold and ties as the tests say")
    sub.add_argument("runs", nargs="*", metavar="RUN", help=f"{RUN_HELP}; a name that runs share means all of them")
    sub.add_argument("--filter", metavar="F", help="all runs that match, as for `headway runs`, instead of naming them")
    sub.add_argument(
        "--metric", action="append", required=True, help="a column, such as test/accuracy; give it again for more"
    )
    sub.add_argument(
        "--per", metavar="KEY", default="", help="columns for each value of this: project, data.path, data"
    )
    sub.add_argument("--by", metavar="KEYS", help="runs that agree in these are a row: optimizer.lr,model")
    sub.add_argument("--over", metavar="KEYS", help="runs that differ in these as well as in the seed are a row")
    sub.add_argument("--margin", type=finite, metavar="X", help="tied means: the same within X, as a test shows")
    sub.add_argument("--level", type=finite, default=LEVEL, help="of the tests (default: 0.05)")
    sub.add_argument("--correction", choices=("holm", "bh"), default=CORRECTION, help="for many pairs (default: holm)")
    sub.add_argument("--percent", action="store_true", help="print shares of which higher is better times 100")
    sub.add_argument("--format", choices=sorted(set(FORMATS.values())), help="default: by the ending of --out, else md")
    sub.add_argument("--out", metavar="FILE", type=Path, help="write the table there instead of printing it")
    sub.add_argument("--figure", metavar="FILE", type=Path, help="draw it too: .svg, .pdf or .png")


def report(options: argparse.Namespace) -> int:
    from headway.compare.report import report as compose
    from headway.views.figure import draw
    from headway.views.report.sheet import Look

    if bool(options.runs) == (options.filter is not None):
        raise RunError("report takes runs, or --filter, and not both")
    write = _writer(options)
    if options.figure and options.figure.suffix not in FIGURES:
        raise RunError(f"--figure {options.figure}: it can end in {', '.join(FIGURES)}")
    store, by, over = open_store(options), listed(options.by), listed(options.over)
    try:
        found = compose(
            *(store, options.metric, options.runs, options.filter or ""),
            per=options.per,
            by=by,
            over=over,
            margin=options.margin,
            level=options.level,
            correction=options.correction,
            command=command_line(options),
        )
    except ValueError as error:  # a level or margin that is none
        raise RunError(str(error)) from error
    look = Look(options.percent)
    if options.figure:
        look = Look(options.percent, os.path.relpath(options.figure, options.out.parent if options.out else "."))
        _save(options.figure, draw(found, options.figure.suffix[1:], options.percent))
    if options.out:
        _save(options.out, write(found, look).encode())
    if options.json:
        print_json(asdict(found))
    else:
        sys.stdout.write(f"wrote {options.out}\n" if options.out else write(found, look))
    return 0


def command_line(options: argparse.Namespace) -> str:
    """What was asked, for a shell."""
    given = {
        "--filter": options.filter,
        "--per": options.per or None,
        "--by": options.by,
        "--over": options.over,
        "--margin": options.margin,
        "--level": None if options.level == LEVEL else options.level,
        "--correction": None if options.correction == CORRECTION else options.correction,
        "--format": options.format,
        "--out": options.out,
        "--figure": options.figure,
        "--runs-dir": options.runs_dir,
    }
    pairs = [*(("--metric", metric) for metric in options.metric), *given.items()]
    words = ["headway", "report", *options.runs]
    for name, value in pairs:
        if value is not None:
            words += [f"{name}={value}"] if str(value).startswith("-") else [name, str(value)]
    return shlex.join([*words, *(["--percent"] if options.percent else [])])


def _writer(options: argparse.Namespace) -> "Callable[[Report, Look], str]":
    """Raises RunError for an ending that says no format."""
    from headway.views.report import csv, html, latex, md

    name = options.format or (FORMATS.get(options.out.suffix) if options.out else "md")
    if name is None:
        raise RunError(f"--out {options.out}: give --format, or end it in {', '.join(FORMATS)}")
    writers = {"md": md.write, "latex": latex.write, "html": html.write}
    return writers.get(name, lambda found, _: csv.write(found))


def _save(file: Path, content: bytes) -> None:
    from headway.store.atomic import write_bytes

    try:
        write_bytes(file, content)
    except OSError as error:
        raise RunError(f"{file}: cannot be written: {error.strerror}") from error
