"""`headway eval` and `predict`: a recorded run at work."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

from headway.commands.base import RUN_HELP, TRUST_HELP, Command, find, finite, print_json, print_rich
from headway.imports import lean

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


def add(command: Command) -> None:
    sub = command("eval", evaluate, "evaluate a run's checkpoint on a split")
    sub.add_argument("run", help=RUN_HELP)
    sub.add_argument("--file", metavar="FILE", help="evaluate on a file of labelled examples instead")
    sub.add_argument("--split", default="test", help="train, val or test (default: test)")
    sub.add_argument("--checkpoint", default="best", choices=("best", "last"))
    sub.add_argument("--trust-remote-code", action="store_true", help=TRUST_HELP)
    sub = command("predict", predict, "predict texts, a file of texts, or standard input")
    sub.add_argument("run", help=RUN_HELP)
    sub.add_argument(
        "texts", nargs="+", metavar="TEXT|FILE|-", help="texts, or one file (csv tsv jsonl parquet txt), or -"
    )
    sub.add_argument("--pair", help="second text of a text pair; the text to find an answer in")
    sub.add_argument("--checkpoint", default="best", choices=("best", "last"))
    for name, (kind, text) in DECODING.items():
        sub.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"{text} (generating runs)")
    sub.add_argument("--trust-remote-code", action="store_true", help=TRUST_HELP)


def evaluate(options: argparse.Namespace) -> int:
    run = find(options)
    from pathlib import Path

    with lean():
        from headway.training import evaluate as evaluation

    result = evaluation.evaluate(run, options.split, options.checkpoint, Path(options.file) if options.file else None)
    if options.json:
        print_json(result)
    else:
        from headway.views.answers import evaluation_view

        print_rich(evaluation_view(result))
    return 0


def predict(options: argparse.Namespace) -> int:
    run = find(options)
    with lean():
        from headway.training import evaluate as evaluation
        from headway.training.inputs import examples_to_predict

    trained = evaluation.open_trained(run, options.checkpoint)
    table = examples_to_predict(options.texts, options.pair, run, trained.task.examples)
    if hasattr(trained.task, "request"):
        how = {name: getattr(options, name) for name in DECODING}
        for row, pieces in evaluation.respond(trained, table, how, whole=options.json):
            if options.json:
                line = {**row, "prediction": "".join(pieces), "run": run.id, "step": trained.step}
                sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            else:
                stream_text(pieces)
        return 0
    rows = evaluation.predict(trained, table, run)
    if options.json:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        from headway.views.answers import predictions_view

        print_rich([predictions_view(rows)])
    return 0


def stream_text(pieces: Iterable[str]) -> None:
    """Write generated text as it comes; characters that would command the terminal are left out."""
    from headway.formats import safe

    for piece in pieces:
        sys.stdout.write("\n".join(safe(line) for line in piece.split("\n")))
        sys.stdout.flush()
    sys.stdout.write("\n")
