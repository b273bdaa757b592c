"""The light parent of a tuning: starts the process that measures, follows it, and makes of it what is written down."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import IO, Any

from omegaconf import DictConfig

from headway.config.freeze import freeze
from headway.errors import ConfigError, RunError
from headway.store.atomic import write_json, write_text
from headway.training.supervisor import kill_group, worker_environment
from headway.training.tuned import Changes, Largest, Present, Tried, choose

Say = Callable[[str, Changes], None]  # what is tried now: the stage and the changes
PATIENCE = 2.0  # times the seconds asked for, until what has not ended is given up


@dataclass
class Tuned:
    """What a tuning has found. seconds: it took, preparation of the data apart."""

    tried: list[Tried] = field(default_factory=list)
    present: Present | None = None
    largest: Largest | None = None
    chosen: Changes = field(default_factory=dict)
    seconds: float = 0.0


def tune(config: DictConfig, fixed: Sequence[str], seconds: float, any_size: bool, say: Say) -> Tuned:
    """Measure settings of `config` on this machine for about `seconds`; keys in `fixed` stay as they are.

    Raises: ConfigError for what the config asks for in vain, RunError where nothing could be measured.
    """
    found, stage, changes = Tuned(), "data", Changes()
    ended: dict[str, Any] | None = None
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="headway-tune-") as folder:
        write_text(Path(folder) / "config.yaml", freeze(config))
        write_json(Path(folder) / "request.json", {"seconds": seconds, "fixed": list(fixed)})
        with worker(Path(folder)) as (process, events):
            late = Timer(PATIENCE * seconds, kill_group, [process])
            late.daemon = True
            for line in events:
                event = json.loads(line)
                if event.pop("event") == "end":
                    ended = event
                elif "ready" in event:
                    began = time.monotonic()
                    late.start()
                elif "trying" in event:
                    stage, changes = event["trying"]["stage"], event["trying"]["changes"]
                    say(stage, changes)
                elif "present" in event:
                    found.present = Present(**event["present"])
                elif "largest" in event:
                    found.largest = Largest(**event["largest"])
                elif "tried" in event:
                    found.tried.append(Tried(**event["tried"]))
            code = process.wait()
            late.cancel()
    found.seconds = time.monotonic() - began
    if ended is not None and ended["status"] == "failed":
        raise ConfigError([ended["cause"]])
    if ended is None:
        why = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        if found.present is None:
            raise RunError(f"the process that measures was ended by {why} before it could tell anything")
        if stage in ("setting", "together", "size", "evaluation", "compile"):
            given_up = "took too long" if time.monotonic() - began >= PATIENCE * seconds else f"ended by {why}"
            found.tried.append(Tried(stage, changes, note=given_up))  # type: ignore[arg-type]
    assert found.present is not None
    found.chosen = choose(found.tried, found.present, any_size)
    return found


@contextmanager
def worker(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """The process that measures, and what it tells. It does not outlive the block, nor us."""
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "headway.training.tune", str(folder)],
        stdin=subprocess.PIPE,  # never written to: its end tells the process that we are gone
        stdout=2,  # what libraries print: standard output is for the table
        env=worker_environment(write),
        pass_fds=(write,),
        start_new_session=True,  # Ctrl-C reaches us alone
    )
    os.close(write)
    try:
        with os.fdopen(read, "rb") as events:
            yield process, events
    finally:
        kill_group(process)
        process.wait()
