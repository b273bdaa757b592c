"""`headway runs`, `sql` and `show`: what is recorded."""

import argparse
import sys

from headway.commands.base import RUN_HELP, Command, find, open_store, print_json, print_rich

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


def add(command: Command) -> None:
    sub = command("runs", runs, "list runs, newest first")
    sub.add_argument("--project", help="only this project")
    sub.add_argument("--limit", type=int, default=20, help="at most this many; 0 for all (default: 20)")
    sub.add_argument("--filter", metavar="F", help="""only these: 'config.optimizer.lr < 1e-4 and status = finished'""")
    sub.add_argument("--sort", metavar="KEYS", help="by these, - for descending: --sort=-val/accuracy,created")
    sub.add_argument("--archived", action="store_true", help="also those that were archived")
    sub = command("sql", sql, "ask all runs one SELECT", epilog=SQL_HELP)
    sub.add_argument("query", help="one SELECT over runs, config, metrics and history, as below")
    sub.add_argument("--csv", action="store_true", help="print CSV instead of a table")
    sub.add_argument("--limit", type=int, default=10_000, help="at most this many rows (default: 10000)")
    sub = command("show", show, "show one run: status, metrics, data, checkpoints, how to go on")
    sub.add_argument("run", help=RUN_HELP)


def runs(options: argparse.Namespace) -> int:
    from headway.store.find import list_runs, runs_root
    from headway.views.runs import runs_json, runs_table

    root = runs_root(options.runs_dir)
    if options.filter is None and options.sort is None:
        listed = list_runs(root, options.project)
        shown = [run for run in listed if options.archived or not run.archived]
        total, shown = len(shown), shown[: options.limit or None]
    else:
        store = open_store(options)
        table = store.table(options.filter or "", options.sort or "-created", limit=None, archived=options.archived)
        found = [row.id for row in table.rows if options.project in (None, row.project)]
        total, shown = len(found), [store.run(id) for id in found[: options.limit or None]]
    if options.json:
        print_json(runs_json(shown))
    elif shown:
        print_rich([runs_table(shown)])
        if len(shown) < total:
            which = "older" if options.sort is None else "more"
            sys.stdout.write(f"{total - len(shown)} {which} runs are not shown; --limit 0 shows all\n")
    elif options.filter:
        sys.stdout.write(f"no run in {root} matches {options.filter}\n")
    else:
        sys.stdout.write(f"no runs in {root}; start one with: headway train\n")
    return 0


def sql(options: argparse.Namespace) -> int:
    from headway.views.runs import sql_table

    found = open_store(options).sql(options.query, limit=options.limit)
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


def show(options: argparse.Namespace) -> int:
    from headway.views.runs import show_json, show_view

    run = find(options)
    if options.json:
        print_json(show_json(run))
    else:
        print_rich([show_view(run)])
    return 0
