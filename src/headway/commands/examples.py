"""`headway examples`: on which examples two groups of runs differ."""

import argparse
import sys

from headway.commands.base import RUN_HELP, Command, finite, listed, open_store, print_json, print_rich

ONLY = ("all", "fixed", "broken", "both_wrong", "both_right", "split", "improved", "worsened", "same", "differ")
SLICES = """\
slices:
  an example is in a slice where an expression holds, in the language of `headway runs --filter`; its keys are the
  columns of the examples: text, pair, question, context, gold, id, meta.NAME (of data.metadata), and
    length       words and signs of the input        characters   of the input
    label        the gold label or labels            word         any word of the input
  a.prediction, a.confidence, a.loss and the same of b choose examples by their outcome: look, but do not conclude

examples:
  headway examples bilstm minilm --metric test/accuracy
  headway examples bilstm minilm --metric test/f1 --only broken --slice 'length > 20 and text ~ "not"'
  headway examples --filter 'project = sst2' --by model --metric test/accuracy --slice 'negated=word in ("not", never)'
"""


def add(command: Command) -> None:
    sub = command("examples", examples, "show the examples that one group of runs fixes and breaks", epilog=SLICES)
    many = "ids or names, commas between them"
    sub.add_argument("runs", nargs="*", metavar="A B", help=f"two groups: {RUN_HELP}; a name that runs share; {many}")
    sub.add_argument("--metric", required=True, help="test/accuracy, or last(val/f1); alone it is each run's best")
    sub.add_argument("--filter", metavar="F", help="only runs that match, as for `headway runs`")
    sub.add_argument("--by", metavar="KEYS", help="runs that agree in these are a group: optimizer.lr,model")
    sub.add_argument("--over", metavar="KEYS", help="runs that differ in these as well as in the seed are a group")
    sub.add_argument("--slice", action="append", default=[], metavar="EXPR", help="also this one: EXPR or NAME=EXPR")
    sub.add_argument("--only", choices=ONLY, default="differ", help="which examples are listed (default: differ)")
    sub.add_argument("--sort", choices=("sure", "difference", "length", "id"), default="sure", help="(default: sure)")
    sub.add_argument("--limit", type=int, default=20, help="list at most this many; 0 for all (default: 20)")
    sub.add_argument("--tolerance", type=finite, default=0.0, metavar="X", help="scores this near are the same")
    sub.add_argument("--level", type=finite, default=0.05, help="of the tests (default: 0.05)")
    sub.add_argument("--csv", action="store_true", help="print the examples as CSV")


def examples(options: argparse.Namespace) -> int:
    from headway.compare.contrast import examples_study
    from headway.errors import RunError
    from headway.views.examples import examples_csv, examples_json, examples_view

    if len(options.runs) not in (0, 2) or not (options.runs or options.filter is not None):
        raise RunError("examples takes two groups of runs, A and B, or --filter and --by that make two")
    store, by, over = open_store(options), listed(options.by), listed(options.over)
    a, b = map(listed, options.runs or ("", ""))
    try:
        found = examples_study(
            *(store, a, b, options.metric, options.filter or ""),
            by=by,
            over=over,
            slices=options.slice,
            tolerance=options.tolerance,
            level=options.level,
        )
        only = None if options.only == "all" else options.only
        rows = found.listed(only, options.sort)
    except ValueError as error:  # a level that is none, an outcome of another kind of metric
        raise RunError(str(error)) from error
    limit = options.limit or len(rows)
    if options.json:
        print_json(examples_json(found, only, options.sort, limit))
    elif options.csv:
        examples_csv(found, rows[:limit], sys.stdout)
    else:
        print_rich(examples_view(found, options.only, rows[:limit], len(rows)))
    return 0
