"""`headway compare`: which difference is real."""

import argparse

from headway.commands.base import RUN_HELP, Command, finite, listed, open_store, print_json, print_rich


def add(command: Command) -> None:
    sub = command("compare", compare, "say which difference is real: groups of runs on one metric")
    sub.add_argument("runs", nargs="*", metavar="RUN", help=f"{RUN_HELP}; a name that runs share means all of them")
    sub.add_argument("--filter", metavar="F", help="all runs that match, as for `headway runs`, instead of naming them")
    sub.add_argument("--metric", required=True, help="test/accuracy, or last(val/loss); alone it is each run's best")
    sub.add_argument("--by", metavar="KEYS", help="runs that agree in these are a group: optimizer.lr,model")
    sub.add_argument("--over", metavar="KEYS", help="runs that differ in these as well as in the seed are a group")
    sub.add_argument("--margin", type=finite, metavar="X", help="tied means: the same within X, as a test shows")
    sub.add_argument("--level", type=finite, default=0.05, help="of the tests (default: 0.05)")
    sub.add_argument("--correction", choices=("holm", "bh"), default="holm", help="for many pairs (default: holm)")
    sub.add_argument("--recipes", action="store_true", help="refuse to speak of single runs: two seeds or more of each")


def compare(options: argparse.Namespace) -> int:
    from headway.compare.study import study
    from headway.errors import RunError
    from headway.views.comparison import study_json, study_view

    if bool(options.runs) == (options.filter is not None):
        raise RunError("compare takes runs, or --filter, and not both")
    store, by, over = open_store(options), listed(options.by), listed(options.over)
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
