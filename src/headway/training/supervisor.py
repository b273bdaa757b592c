"""The light parent of a run: starts one worker per device, forwards signals, keeps the record, tells the honest end.

It imports nothing heavy, so it survives what kills a worker, and it is the only writer of run.json and output.log.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from headway.config.redact import redact_text
from headway.errors import ConfigError, RunError
from headway.store import layout
from headway.store.writer import Heartbeat, RunLock, RunRecord
from headway.training.display import Display
from headway.training.events import VARIABLE
from headway.training.system import Sampler

GRACE = 60.0  # seconds a worker gets to finish its step and save after a signal or after another rank has died
log = logging.getLogger(__name__)


@dataclass
class Outcome:
    """How one attempt ended."""

    status: str
    exit_code: int
    cause: str | None = None


@dataclass
class Attempt:
    """The processes of one attempt and what they said.

    environment: variables of the workers beside our own. until: the workers are stopped once they are past this step.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    until: int | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ended: dict[str, Any] | None = None  # the worker's own last word
    received: list[int] = field(default_factory=list)  # signals that ask for the end
    past: bool = False  # `until`, and asked to stop
    threads: list[threading.Thread] = field(default_factory=list)


def supervise(
    run_dir: Path,
    config: Mapping[str, Any],
    display: Display,
    environment: Mapping[str, str] | None = None,
    until: int | None = None,
) -> Outcome:
    """Run a prepared run folder to its end, restarting after crashes as often as trainer.max_restarts says.

    `config`: the resolved `trainer` and `tracker` groups. environment, until: see `Attempt`.
    Raises: RunError if another process writes the run.
    """
    trainer = config["trainer"]
    with RunLock(run_dir) as lock, Heartbeat(run_dir), mirror_process(run_dir, config["tracker"]):
        record = RunRecord(run_dir)
        restarts = 0
        while True:
            record.set_status("running")
            outcome = run_attempt(run_dir, trainer, record, lock, display, Attempt(environment or {}, until))
            record.set_status(outcome.status, outcome.exit_code, outcome.cause)
            if outcome.status != "crashed" or restarts >= trainer["max_restarts"]:
                return outcome
            restarts += 1
            display.note(f"{outcome.cause}; restart {restarts} of {trainer['max_restarts']}")


def run_attempt(
    run_dir: Path, trainer: Mapping[str, Any], record: RunRecord, lock: RunLock, display: Display, attempt: Attempt
) -> Outcome:
    sampler = Sampler(run_dir, attempt.workers, display.note)
    with (run_dir / layout.OUTPUT).open("ab", buffering=0) as output, forwarded_signals(attempt) as received, sampler:
        start_workers(attempt, run_dir, device_count(trainer), lock, output, record, display)
        exit_codes = wait_for(attempt, received)
        for thread in attempt.threads:
            thread.join(timeout=GRACE)
    if sampler.joules:
        record.update(cost={"energy_joules": added(record.meta.get("cost"), sampler.joules)})
    if sampler.fault is not None:  # only now: run.json has one writer
        record.update(system_fault=sampler.fault)
    outcome = judge(exit_codes, attempt.ended, received)
    if attempt.past and outcome.status == "stopped":
        outcome.cause = f"was to be trained up to step {attempt.until}; to train it to its end: headway resume"
    return outcome


def added(cost: Mapping[str, Any] | None, joules: Mapping[str, float]) -> dict[str, float]:
    """The energy of an attempt with that of the attempts before."""
    before = (cost or {}).get("energy_joules", {})
    return {**before, **{kind: round(before.get(kind, 0.0) + used, 1) for kind, used in joules.items()}}


def device_count(trainer: Mapping[str, Any]) -> int:
    """trainer.devices; "auto" is every NVIDIA GPU that is visible, or one process. Asks the driver, not torch.

    Raises: ConfigError for several nodes, which this supervisor cannot reach.
    """
    if trainer["num_nodes"] > 1:
        raise ConfigError(
            [
                "trainer.num_nodes: this command starts processes on one machine; make the run with `headway train "
                "--prepare ...` and start `python -m headway.worker RUN_DIR` on every node with torchrun"
            ]
        )
    if trainer["devices"] != "auto":
        return int(trainer["devices"])
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return max(1, len([device for device in visible.split(",") if device.strip()]))
    gpus = Path("/proc/driver/nvidia/gpus")
    return max(1, len(list(gpus.iterdir()))) if gpus.is_dir() and trainer["accelerator"] != "cpu" else 1


def start_workers(
    attempt: Attempt,
    run_dir: Path,
    devices: int,
    lock: RunLock,
    output: IO[bytes],
    record: RunRecord,
    display: Display,
) -> None:
    port = str(free_port()) if devices > 1 else "0"
    shared = {
        "WORLD_SIZE": str(devices),
        "LOCAL_WORLD_SIZE": str(devices),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    for rank in range(devices):  # -P: a torch.py in the current folder must not be taken for torch
        events_read, events_write = os.pipe()
        environment = {
            **worker_environment(events_write),
            **shared,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "NODE_RANK": "0",
            **attempt.environment,
        }
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "headway.worker", str(run_dir)],
            stdin=subprocess.PIPE,  # never written to: its end tells the worker that we are gone
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            # the lock lives as long as any of us, so that no one else writes beside an orphan
            pass_fds=(events_write, lock.fd),
            start_new_session=True,  # Ctrl-C reaches us alone, and we decide what the workers hear
        )
        os.close(events_write)
        attempt.workers.append(worker)
        assert worker.stdout is not None
        follow(attempt, worker.stdout, partial(write_output, rank=rank, output=output, display=display))
        take = partial(take_event, attempt=attempt, record=record, display=display)
        follow(attempt, os.fdopen(events_read, "rb"), take)


def worker_environment(events: int) -> dict[str, str]:
    """Of every process that trains. events: the descriptor for `events.PipeChannel`."""
    return {
        **os.environ,
        VARIABLE: str(events),
        "PYTHONUNBUFFERED": "1",
        # threads wait asleep: with another program on the machine, spinning makes steps 1.5 to 5 times as long;
        # alone, sleeping costs 4 % of a step of 1,000 tokens and 25 % of one of 160 (OMP_WAIT_POLICY=ACTIVE)
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "TOKENIZERS_PARALLELISM": os.environ.get("TOKENIZERS_PARALLELISM", "true"),
    }


def follow(attempt: Attempt, stream: IO[bytes], take: Callable[[bytes], None]) -> None:
    """Call `take` with each line of `stream` on a thread of its own until it closes."""

    def read() -> None:
        with stream:
            for line in stream:
                take(line)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    attempt.threads.append(thread)


def write_output(line: bytes, rank: int, output: IO[bytes], display: Display) -> None:
    text = redact_text(line.decode("utf-8", "replace"))
    prefix = f"[{rank}] " if rank else ""
    try:
        output.write((prefix + text).encode("utf-8", "replace"))
    except OSError as error:  # a full disk must not end what still fits elsewhere; it is said where it can be seen
        display.note(f"{layout.OUTPUT}: cannot be written: {error.strerror}")
    if rank == 0:
        display.output(text.rstrip("\n"))


def take_event(line: bytes, attempt: Attempt, record: RunRecord, display: Display) -> None:
    try:
        event = json.loads(line)
    except ValueError:  # torn by a kill
        return
    kind = event.pop("event")
    if kind == "progress":
        display.progress(**event)
        # past it, not at it: a validation of that step comes after its progress
        if attempt.until is not None and event["step"] > attempt.until and not attempt.received:
            attempt.past = True
            attempt.received.append(signal.SIGINT)
            for worker in attempt.workers:
                worker.send_signal(signal.SIGINT)
    elif kind == "preparing":
        display.preparing(**event)
    elif kind == "end":
        attempt.ended = event
    else:
        evaluated = event.pop("evaluated", None)
        if evaluated is not None:
            display.evaluated(evaluated)
        if event:
            try:
                record.update(**event)
            except RunError as error:  # such as a full disk; the worker's last word must still be read
                display.note(str(error))
            display.facts(event)


def wait_for(attempt: Attempt, received: list[int]) -> list[int]:
    """Exit codes of all ranks. When one ends badly the others, which would wait for it forever, are ended too."""
    pending = list(attempt.workers)
    failed = False
    while pending:
        for worker in list(pending):
            alone = len(pending) == 1  # then nothing else is to be looked at, and looking takes 0.4 % of a core
            try:
                worker.wait(GRACE if failed else None if alone else 0.1)
            except subprocess.TimeoutExpired:
                if failed:
                    kill_group(worker)
                continue
            pending.remove(worker)
            kill_group(worker)  # data workers that outlived it
            if worker.returncode != 0 and not failed and not received:
                failed = True
                for other in pending:
                    other.terminate()
    return [worker.returncode for worker in attempt.workers]


def kill_group(worker: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(worker.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def judge(exit_codes: list[int], ended: dict[str, Any] | None, received: list[int]) -> Outcome:
    """The one honest status of an attempt from its exit codes, the worker's last word and the signals we got."""
    if ended is not None and ended["status"] == "finished" and any(exit_codes):
        ended = None  # a rank died after the first had finished: that is not a finished run
    if ended is not None:
        return Outcome(ended["status"], layout.EXIT_CODES[ended["status"]], ended["cause"])
    if received and all(code <= 0 or code in (130, 143) for code in exit_codes):
        status = "stopped" if signal.SIGINT in received else "preempted"
        return Outcome(
            status,
            layout.EXIT_CODES[status],
            f"ended by {signal.Signals(received[-1]).name} outside a training step; continue with: headway resume",
        )
    bad = [(rank, code) for rank, code in enumerate(exit_codes) if code]
    if not bad:
        return Outcome("failed", 1, "the worker ended without a word")
    rank, code = bad[0]
    who = f"worker {rank}" if len(exit_codes) > 1 else "the worker"
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (often the system's answer to running out of memory)" if name == "SIGKILL" else ""
        return Outcome("crashed", 1, f"{who} was killed by {name}{hint}; continue with: headway resume")
    return Outcome("crashed", 1, f"{who} ended with exit code {code} without saying why; see {layout.OUTPUT}")


@contextmanager
def forwarded_signals(attempt: Attempt) -> Iterator[list[int]]:
    """SIGTERM and the first Ctrl-C go to the workers, which save and end; a second Ctrl-C kills them."""
    received = attempt.received

    def forward(number: int, _: object) -> None:
        again = number == signal.SIGINT and signal.SIGINT in received
        received.append(number)
        for worker in attempt.workers:
            if worker.poll() is None:
                if again:
                    kill_group(worker)
                else:
                    worker.send_signal(number)

    numbers = (signal.SIGTERM, signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():  # a launcher may run jobs on threads
        yield received
        return
    previous = {number: signal.signal(number, forward) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def mirror_process(run_dir: Path, tracker: Mapping[str, Any] | None) -> Iterator[None]:
    """The tracker's mirror beside the run: it reads the folder, and closing its standard input tells it to finish."""
    if not tracker or tracker.get("_target_") is None:
        yield
        return
    command = [sys.executable, "-P", "-m", "headway.trackers.mirror", str(run_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as mirror:
        try:
            yield
        finally:
            assert mirror.stdin is not None
            mirror.stdin.close()
            try:
                mirror.wait(timeout=GRACE)
            except subprocess.TimeoutExpired:
                log.warning("the mirror did not finish within %.0f s and was ended; the run folder is complete", GRACE)
                kill_group(mirror)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
