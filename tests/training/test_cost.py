"""What a run cost: the phases of an attempt, the sum over attempts, and what is said of it."""

import io
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from headway.facts import runs_json
from headway.store.run import Run
from headway.store.writer import RunRecord
from headway.tasks.classification import Classification
from headway.training import cost as module
from headway.training.cost import Clock, Watched, total
from headway.training.display import Quiet, describe_facts
from headway.training.events import open_channel
from headway.training.peak import Peak
from headway.training.supervisor import Attempt, added, take_event
from headway.views.runs import show_view
from headway.web.sides import compare
from headway.worker import guarded

TrainingRun = Callable[..., Path]
Pass = Callable[[float], None]
SPLITS = {"train": 64, "val": 9, "test": 7}  # 4 steps an epoch


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """The clock of the module, moved by hand."""
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def test_every_second_belongs_to_one_phase(pass_time: Pass) -> None:
    clock = Clock(before=5.0)
    pass_time(1)
    clock.to("training")
    pass_time(2)
    assert clock.to("saving") == "training"
    pass_time(4)
    clock.to("evaluation")
    pass_time(8)
    spent = {"startup_s": 6.0, "training_s": 2.0, "waiting_s": 0.0, "evaluation_s": 8.0, "saving_s": 4.0}
    assert clock.seconds() == clock.seconds() == spent


def test_a_loader_that_is_slow_is_waited_for(pass_time: Pass) -> None:
    def slow() -> Iterator[int]:
        for number in range(3):
            pass_time(1)
            yield number
        pass_time(10)  # its workers end

    clock = Clock()
    clock.to("training")
    for _ in Watched(slow(), clock):
        assert clock.phase == "training"
        pass_time(0.25)
    assert clock.phase == "training"
    assert clock.seconds()["waiting_s"] == 13
    assert clock.seconds()["training_s"] == 13.75


def test_attempts_are_added_and_rates_follow() -> None:
    first = {"training_s": 2.0, "memory_bytes": 50, "tokens": 10, "examples": 1, "flops": 1e9}
    second = {"training_s": 3.0, "memory_bytes": 40, "tokens": 20, "examples": 4, "flops": 4e9}
    before = total({}, first, None, 1)
    assert before["mfu"] is None
    found = total(before, second, Peak(1e9, "a machine"), 2)
    assert found == {
        **{"training_s": 5.0, "memory_bytes": 50, "tokens": 30, "examples": 5, "flops": 5e9},
        **{"tokens_per_s": 6.0, "examples_per_s": 1.0, "flops_per_s": 1e9},
        **{"peak_flops_per_s": 2_000_000_000, "peak_of": "a machine", "mfu": 0.5},
    }


def test_energy_is_added_too() -> None:
    first = {"energy_joules": added(None, {"processors": 2.0})}
    assert added(first, {"processors": 1.0, "gpus": 4.0}) == {"processors": 3.0, "gpus": 4.0}


def test_a_cost_that_cannot_be_written_does_not_drown_the_last_word(training_run: TrainingRun) -> None:
    path = training_run(SPLITS)
    record, attempt, display = RunRecord(path), Attempt(), Quiet()
    path.rename(path.with_name("moved"))
    for line in (
        b'{"event": "record", "cost": {"tokens": 1}}',
        b'{"event": "end", "status": "failed", "cause": "full"}',
    ):
        take_event(line, attempt, record, display)
    assert attempt.ended == {"status": "failed", "cause": "full"}


def train(run: Path) -> dict[str, Any]:
    with open_channel(run, 0) as channel:
        guarded(run, channel)
    return dict(Run.open(run).meta.get("cost") or {})


def interrupt(patch: pytest.MonkeyPatch, number: int, action: Callable[[], None]) -> None:
    """In the `number`-th batch that is trained on."""
    loss, seen = Classification.loss, iter(range(1, 1_000_000))

    def changed(self: Classification, model: Any, batch: Any) -> Any:
        if model.training and next(seen) == number:
            action()
        return loss(self, model, batch)

    patch.setattr(Classification, "loss", changed)


def fail() -> None:
    raise RuntimeError("out of nowhere")


def test_a_run_and_what_is_said_of_it(training_run: TrainingRun) -> None:
    path = training_run(SPLITS, {"trainer.max_epochs": 2})
    cost = train(path)
    run = Run.open(path)
    assert run.status == "finished"
    assert cost["examples"] == 2 * SPLITS["train"]
    assert cost["tokens"] == run.summary()["train/tokens"]["last"]
    assert 0 < cost["waiting_s"] < cost["training_s"]
    assert min(cost["evaluation_s"], cost["saving_s"], cost["cpu_s"], cost["memory_bytes"]) > 0
    assert cost["tokens_per_s"] == pytest.approx(cost["tokens"] / cost["training_s"], rel=0.05)
    assert cost["mfu"] == pytest.approx(cost["flops_per_s"] / cost["peak_flops_per_s"], abs=1e-4)
    layers, width, heads = 2 * (4 * 32 * 32 + 2 * 32 * 64), 32, 2
    assert cost["flops"] >= 6 * layers * cost["tokens"]  # and attention, padding, the head
    assert cost["flops"] <= 1.5 * (6 * layers + 12 * heads * width * 16) * cost["tokens"]
    RunRecord(path).update(cost={"energy_joules": {"processors": 12345.0}})
    run = Run.open(path)
    out = io.StringIO()
    Console(file=out, width=300).print(show_view(run))
    (line,) = [line for line in out.getvalue().splitlines() if line.strip().startswith("cost ")]
    for part in ("training", "evaluating", "waiting for data", "tokens/s", "of the peak of", "12.3 kJ"):
        assert part in line
    assert runs_json([run])[0]["cost"]["mfu"] == cost["mfu"]
    assert compare([run, run])["cost"][1]["mfu"] == cost["mfu"]


@pytest.mark.parametrize(("attention", "padding"), [("unpadded", "none"), ("sdpa", "computed")])
def test_what_becomes_of_padding_is_recorded(training_run: TrainingRun, attention: str, padding: str) -> None:
    path = training_run(SPLITS, {"model.attn_implementation": attention, "trainer.max_steps": 1, "trainer.test": False})
    train(path)
    model = Run.open(path).meta["model"]
    assert model["padding"] == padding
    said = describe_facts({"model": model})[0]
    assert said.endswith("runs without padding") == (padding == "none")


def test_a_resumed_run_cost_the_sum(training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM in step 3, a failure in step 6: of the latter's attempt, step 5 is known, and is done again."""
    path = training_run(SPLITS, {"trainer.max_epochs": 2, "trainer.max_steps": 7})
    with monkeypatch.context() as patch:
        interrupt(patch, 3, lambda: os.kill(os.getpid(), signal.SIGTERM))
        first = train(path)
    with monkeypatch.context() as patch:
        interrupt(patch, 3, fail)
        second = train(path)
    third = train(path)
    assert [cost["examples"] for cost in (first, second, third)] == [48, 80, 128]
    for name in ("tokens", "training_s", "evaluation_s", "flops"):
        assert first[name] <= second[name] < third[name]
    assert third["tokens"] > Run.open(path).summary()["train/tokens"]["last"]
    assert first["flops"] / first["tokens"] == pytest.approx(third["flops"] / third["tokens"], rel=0.2)


def test_a_killed_attempt_cost_what_its_last_checkpoint_knew(
    training_run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = training_run(SPLITS, {"trainer.checkpoint_every": 2})
    interrupt(monkeypatch, 4, fail)
    monkeypatch.setattr("headway.training.recorder.Recorder.close", lambda _: fail())  # so that nothing more is told
    assert train(path)["examples"] == 32


def test_a_run_that_was_killed_before_it_could_tell_is_shown(training_run: TrainingRun) -> None:
    path = training_run(SPLITS)
    RunRecord(path).update(cost={"energy_joules": {"gpus": 1.0}})
    out = io.StringIO()
    Console(file=out, width=200).print(show_view(Run.open(path)))
    assert "cannot be shown" not in out.getvalue()
