"""The mirror process: `python -m headway.trackers.mirror RUN_DIR` follows a run folder and forwards it to its tracker.

It ends when its standard input does (the supervisor closed it, or is dead) and everything is forwarded, at the latest
a grace time after that. What goes wrong is recorded in mirror-NAME.json and said in one line; the exit code stays 0.
Run by hand in a terminal it sends what has not been sent yet, and takes its time.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from headway.config.freeze import thaw
from headway.config.redact import redact_text
from headway.config.targets import instantiate
from headway.errors import HeadwayError
from headway.store import layout
from headway.store.run import Run
from headway.store.values import storable
from headway.trackers.base import Mirror, RunInfo
from headway.trackers.outcome import Outcome

POLL = 0.5  # seconds between two looks at the history
GRACE = 20.0  # seconds to finish in after the end of standard input


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m headway.trackers.mirror", description=__doc__)
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument(
        "--grace", type=float, default=GRACE, metavar="SECONDS", help="time after the end of standard input"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 if the mirror failed")
    arguments = parser.parse_args(argv)
    by_hand = os.isatty(0)
    stdin = _take_stdin()
    if not by_hand:  # signals to the job are for the training; the end of standard input is what ends a mirror
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    try:
        run = Run.open(arguments.run)
        target = thaw(run.path / layout.CONFIG).tracker["_target_"]
    except HeadwayError as error:
        sys.stderr.write(f"headway: warning: mirror: {error}\n")
        return int(arguments.strict)
    if target is None:
        return 0
    outcome, ended, done = Outcome(run.path, str(target).split(".")[-2]), threading.Event(), threading.Event()

    def watch() -> None:
        while not by_hand and os.read(stdin, 4096):
            pass
        ended.set()
        if not done.wait(None if by_hand else arguments.grace):
            outcome.end(f"still {outcome.phase} after {arguments.grace:g} s")
            _exit(int(arguments.strict))

    threading.Thread(target=watch, daemon=True).start()
    cause = None
    try:
        forward(run, outcome, ended)
    except (Exception, SystemExit) as error:  # anybody's client: whatever it raises ends the mirror and nothing else
        text = str(error) if isinstance(error, HeadwayError) else f"{type(error).__name__}: {error}"
        cause = redact_text(" ".join(text.split())[:300])
    outcome.end(cause)
    done.set()
    return int(cause is not None and arguments.strict)


def forward(run: Run, outcome: Outcome, ended: threading.Event) -> None:
    """Send every row, then summary and checkpoints, once `ended` is set and the history is read to its end."""
    config = thaw(run.path / layout.CONFIG)
    mirror = cast(Mirror, instantiate(config.tracker))
    info = _info(run, config, resumed=outcome.cursor.step >= 0)
    where = mirror.start(info)
    outcome.url_or_path = where and where.removeprefix(f"{info.path}/")  # a copied folder stays right
    outcome.go_on("sending rows")
    try:
        _send_rows(run, mirror, outcome, ended)
        outcome.go_on("sending the summary")
        run = Run.open(run.path)
        mirror.summary(run.summary())
        for name in ("best", "last"):
            outcome.go_on(f"sending the checkpoint {name}")
            if (checkpoint := run.checkpoint(name)) is not None:
                mirror.artifact(checkpoint, name, "checkpoint")
        outcome.go_on("finishing")
    finally:  # what it has taken so far is worth keeping
        exit_code = Run.open(run.path).meta.get("exit_code")
        mirror.finish(exit_code if isinstance(exit_code, int) else 1)  # nobody recorded the end: it crashed


def _send_rows(run: Run, mirror: Mirror, outcome: Outcome, ended: threading.Event) -> None:
    history = run.history()
    while True:
        last = ended.is_set()  # asked before reading: what was written before the end is read after it
        for row in history.fresh():
            if part := outcome.unsent(row):
                mirror.log(row["step"], part)
                outcome.sent(row["step"], part)
        if last:
            return
        ended.wait(POLL)


def _info(run: Run, config: Any, *, resumed: bool) -> RunInfo:
    from omegaconf import OmegaConf

    plain = storable(OmegaConf.to_container(config, resolve=False))
    tags, notes = tuple(map(str, run.meta["tags"])), run.meta.get("notes")
    return RunInfo(run.id, run.name, run.project, tags, notes, plain, run.path.resolve(), resumed)


def _take_stdin() -> int:
    """A private copy of standard input; what a client starts, and a client that asks for a key, sees an empty one."""
    own, null = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return own


def _exit(code: int) -> None:
    """Leave at once, and take along what the client started: neither may hang on an unreachable server."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        child.kill()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _exit(main(sys.argv[1:]))
