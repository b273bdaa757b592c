"""`headway reproduce`: is what was recorded what comes of it?"""

import argparse
import os
import sys

from headway.commands.base import RUN_HELP, TRUST_HELP, Command, find, make_display, print_json, print_rich

CODES = ("auto", "recorded", "present")
EPILOG = """\
Packages, machine, code, config and data are compared with those of then before anything is trained. The new run has
the old one as its parent, and the tag "reproduction"; the folder of the old one is only read. Every train/, val/ and
test/ metric at every step, predictions and weights are compared bit by bit, and what was found is kept in the new run
(artifacts/reproduction.json). A run that did not finish is trained as far as it got.

code: another commit is run from a temporary git worktree. "auto" does so for a commit in the history of the present one
and no uncommitted changes; "recorded" for any commit of this repository, with code.patch from the run folder: that runs
code of whoever made the run, so only where you trust them. "present" runs what is here.

exit code: 0 bit-identical, 1 not, 2 an error; of a training that was stopped, its own
"""


def add(command: Command) -> None:
    sub = command("reproduce", reproduce, "train a recorded run again, and say if the same came of it", epilog=EPILOG)
    sub.add_argument("run", help=RUN_HELP)
    sub.add_argument("--dry-run", action="store_true", help="only compare what the run was made of with what is here")
    sub.add_argument("--against", metavar="RUN", help="train nothing: compare with a run that has been recorded")
    sub.add_argument("--code", choices=CODES, default="auto", help="which code to run, see below (default: auto)")
    sub.add_argument("--anyway", action="store_true", help="train even if the data is not what it was")
    sub.add_argument("--allow", action="append", metavar="PREFIX", help="allow _target_ under this module prefix")
    sub.add_argument("--trust-remote-code", action="store_true", help=TRUST_HELP)


def reproduce(options: argparse.Namespace) -> int:
    from headway.config.targets import ALLOW_VARIABLE
    from headway.store.find import find_run, runs_root
    from headway.training import reproduce as training
    from headway.views import replay as views

    run, root = find(options), runs_root(options.runs_dir)
    if options.against is not None:
        other = find_run(options.against, root)
        verdict = training.compare_runs(run, other)
        if options.json:
            print_json({"original": run.id, "run": other.id, "verdict": views.plain(verdict)})
        else:
            print_rich(views.verdict_view(run, other, verdict))
        return int(verdict.first is not None)
    if options.allow:  # for the workers too, as `headway train` does it
        os.environ[ALLOW_VARIABLE] = ",".join(filter(None, [os.environ.get(ALLOW_VARIABLE), *options.allow]))
    inspected: dict[str, object] = {}

    def show(found: training.Inspection) -> None:
        inspected.update(views.inspection_json(found))
        if not options.json:
            print_rich(views.inspection_view(found))

    display = make_display(options.json)
    flags = {"code": options.code, "anyway": options.anyway, "train": not options.dry_run}
    made = training.reproduce(run, root, display, show, **flags)
    found = None if made is None else made.verdict
    if options.json:
        ended = {} if made is None else {"run": made.run.id, "path": str(made.run.path), "status": made.run.status}
        judged = None if found is None else views.plain(found)
        print_json({"original": run.id, "before": inspected, **ended, "verdict": judged})
    if made is None:
        return 0
    if found is None:
        resume = f"headway resume {made.run.id}, then headway reproduce {run.id} --against {made.run.id}"
        hint = resume if made.resumable else "headway reproduce again: resume would run the present code"
        sys.stderr.write(f"headway: {made.outcome.status}: {made.outcome.cause}\nto go on: {hint}\n")
        return 2 if made.outcome.status in ("failed", "crashed") else made.outcome.exit_code
    if not options.json:
        print_rich(views.verdict_view(run, made.run, found))
    return int(found.first is not None)
