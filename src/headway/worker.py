"""One training process: `python -m headway.worker RUN_DIR`, with RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and _PORT.

Started by the supervisor or by torchrun, always on the same frozen config. Its standard input is a pipe that
the supervisor holds: when it closes, the supervisor is gone, and the worker ends as if asked to by SIGTERM.
"""

import logging
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

from headway.errors import HeadwayError
from headway.imports import lean
from headway.store import layout
from headway.training.events import VARIABLE, Channel, open_channel
from headway.training.ranks import Ranks

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "alloc_cpu")


def main(run_dir: Path) -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    if VARIABLE in os.environ:
        threading.Thread(target=end_with_supervisor, daemon=True).start()
    with open_channel(run_dir, Ranks.from_environment().rank) as channel:
        return guarded(run_dir, channel)


def guarded(run_dir: Path, channel: Channel) -> int:
    """Run the training; whatever happens becomes a status, one line and an exit code."""
    from omegaconf import OmegaConf

    from headway.config.freeze import config_hash, thaw
    from headway.config.redact import redact_text
    from headway.training.stops import Stopped

    try:
        text = (run_dir / layout.CONFIG).read_text(encoding="utf-8")
        config = thaw(text)
        compiles = bool(OmegaConf.select(config, "trainer.compile"))  # configs of earlier runs lack it
        with lean(processes=Ranks.from_environment().world, compiles=compiles):
            from headway.training.loop import run_training
        run_training(config, run_dir, config_hash(text), channel)
    except Stopped as stopped:
        channel.end(stopped.status, stopped.cause)
        print(f"{stopped.status}: {stopped.cause}", file=sys.stderr)
        return stopped.exit_code
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the first into the second
        channel.end("stopped", "interrupted, ended at once; continue with: headway resume")
        return layout.EXIT_CODES["stopped"]
    except Exception as error:
        cause = redact_text(explain(error))
        channel.end("failed", cause)
        with suppress(OSError):  # the disk may be full, which is then the cause
            (run_dir / "traceback.txt").write_text(redact_text(traceback.format_exc()), encoding="utf-8")
        print(f"headway: error: {cause}", file=sys.stderr)
        if os.environ.get("HEADWAY_DEBUG") == "1":
            traceback.print_exc()
        return layout.EXIT_CODES["failed"]
    channel.end("finished")
    return layout.EXIT_CODES["finished"]


def explain(error: Exception) -> str:
    """One line for the user; what is not theirs to mend says where the traceback is."""
    if isinstance(error, HeadwayError):
        return str(error)
    if isinstance(error, ConnectionResetError | EOFError):  # killed as it handed over a batch; else torch says so
        return "a DataLoader worker was killed, perhaps for lack of memory; continue with: headway resume"
    text = " ".join(str(error).split())[:300]
    if any(sign in text for sign in OUT_OF_MEMORY):
        mend = "raise batch.accumulate (same results, less memory), or lower batch.size or task.max_length"
        return f"out of memory ({text[:120]}); {mend}"
    return f"{type(error).__name__}: {text} (traceback.txt in the run folder)"


def end_with_supervisor() -> None:
    """For a thread: waits until standard input closes, and the process is asked to end."""
    while os.read(0, 1):  # not sys.stdin, whose lock a daemon thread must not hold when the interpreter ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
