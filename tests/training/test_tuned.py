"""Tuning: what is tried, what is made of measurements, what is written, and what an end before time leaves."""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from headway.commands.tune_batch import command_to_use, tune_batch
from headway.config.compose import compose
from headway.errors import ConfigError, RunError
from headway.training import tuning
from headway.training.tuned import (
    GAIN,
    Bound,
    Largest,
    Present,
    Tried,
    choose,
    experiment,
    fastest,
    largest,
    parts_for,
    settings,
)
from headway.views.tune import tuned_view

PRESENT = Present("batch.size", 32, 1, 1, 64, tokens=1_000_000)
BF16, SDPA = {"trainer.precision": "bf16-mixed"}, {"model.attn_implementation": "sdpa"}
CONFIG: dict[str, Any] = {
    "trainer": {"precision": "32-true", "threads": None, "devices": 1},
    "model": {"attn_implementation": "unpadded"},
}


@pytest.mark.parametrize("capacity", [0, 1, 3, 31, 32, 33, 100, 1000])
@pytest.mark.parametrize("start", [1, 32])
def test_the_largest_size_is_found_and_nothing_beyond_the_data_is_asked(capacity: int, start: int) -> None:
    asked = []

    def fits(size: int) -> bool:
        asked.append(size)
        return size <= capacity

    found = largest(start, 500, fits)
    assert max(asked) <= 500
    if capacity >= 500:
        assert found == Largest(500, "data")
    else:
        assert found.bound == "memory"
        assert capacity - max(1, capacity // 8) <= found.size <= capacity


@pytest.mark.parametrize(("slow", "size", "bound"), [(65, 64, "time"), (1000, 200, "data")])
def test_a_size_that_takes_too_long_is_not_said_not_to_fit(slow: int, size: int, bound: Bound) -> None:
    assert largest(8, 200, lambda one: None if one >= slow else True) == Largest(size, bound)


def test_what_is_tried_depends_on_the_machine_and_on_what_was_asked_for() -> None:
    cpu = settings(CONFIG, cuda=False, bf16=False, cores=4, fixed=[])
    assert cpu == [SDPA, BF16, {"trainer.matmul_precision": "medium"}, {"trainer.threads": 2}]
    old_gpu = settings(CONFIG, cuda=True, bf16=False, cores=4, fixed=[])
    assert old_gpu == [SDPA, {"trainer.precision": "16-mixed"}, {"trainer.matmul_precision": "high"}]
    assert settings(CONFIG, cuda=False, bf16=False, cores=1, fixed=["trainer.precision"])[1:] == cpu[2:3]
    half = {**CONFIG, "trainer": {**CONFIG["trainer"], "precision": "bf16-mixed", "compile": True}}
    assert settings(half, cuda=True, bf16=True, cores=4, fixed=[]) == [{"trainer.precision": "32-true"}]
    assert settings({**CONFIG, "model": {}}, cuda=False, bf16=False, cores=1, fixed=[]) == cpu[1:3]


def tried(changes: dict[str, Any], *ratios: float, stage: Any = "setting", **more: Any) -> Tried:
    return Tried(stage, changes, 1000.0 * max(ratios), list(ratios), **more)


def test_a_setting_pays_where_every_round_says_so() -> None:
    assert tried(BF16, GAIN, 1.5).pays
    assert not tried(BF16, 1.5, 1.5, 0.99).pays
    assert not tried(BF16, GAIN - 0.01, GAIN - 0.01).pays
    assert not tried(BF16, 2.0, note="far slower at first sight").pays


def test_of_settings_that_exclude_each_other_the_fastest_is_taken() -> None:
    medium = {"trainer.matmul_precision": "medium"}
    assert fastest([tried(BF16, 1.3), tried(medium, 1.2)]) == BF16
    both = BF16 | SDPA
    singles = [tried(BF16, 1.3), tried(SDPA, 1.2)]
    assert fastest([*singles, tried(both, 1.5, stage="together")]) == both
    assert fastest([*singles, tried(both, 1.25, stage="together")]) == BF16
    assert fastest([tried(SDPA, 0.5), tried({}, 1.0)]) == {}


def test_the_batch_size_is_only_chosen_where_any_will_do() -> None:
    found = [
        tried({"batch.size": 128}, 2.0, stage="size"),
        tried({"batch.accumulate": 2}, 1.2, stage="size"),
        tried({"batch.eval_size": 256}, 1.2, stage="evaluation"),
    ]
    assert choose(found, PRESENT, any_size=False) == {"batch.accumulate": 2, "batch.eval_size": 256}
    assert choose(found, PRESENT, any_size=True) == {"batch.size": 128, "batch.eval_size": 256}


def test_what_is_needed_to_fit_stays_chosen() -> None:
    present = Present("batch.size", 64, 1, 2, 64, 0, {"batch.accumulate": 4})
    assert present.at_once == 8
    assert parts_for(present, 8) == 4
    assert parts_for(present, 7) == 5
    assert choose([tried(BF16, 1.5)], present, any_size=False) == {"batch.accumulate": 4, **BF16}


@pytest.mark.parametrize(("tokens", "pays"), [(10_000, False), (1_000_000, True)])
def test_compiling_has_to_pay_back_within_the_run(tokens: int, pays: bool) -> None:
    """At 2,000 tokens/s, twice as many as before, 30 s are won back after 60,000 tokens."""
    compiled = tried({"trainer.compile": True}, 2.0, stage="compile", seconds=30.0)
    present = Present("batch.size", 32, 1, 1, 64, tokens)
    assert bool(choose([compiled], present, any_size=False)) == pays


@pytest.mark.parametrize("based_on", [None, "bbc_news"])
@pytest.mark.parametrize("chosen", [{}, {"batch.accumulate": 2, "trainer.compile": True, **BF16}])
def test_the_file_is_an_experiment(tmp_path: Path, based_on: str | None, chosen: dict[str, Any]) -> None:
    file = tmp_path / "experiment" / "mine.yaml"
    file.parent.mkdir()
    file.write_text(experiment(chosen, based_on, ["of a machine"]))
    assert file.read_text().startswith("# @package _global_\n# of a machine\n")
    config = compose(["experiment=mine"], config_dirs=[tmp_path])
    before = compose([] if based_on is None else [f"experiment={based_on}"])
    assert config.project == before.project
    for key in ("batch.accumulate", "trainer.compile", "trainer.precision"):
        group, name = key.split(".")
        assert config[group][name] == chosen.get(key, before[group][name])


def test_the_command_to_use_it_is_the_same_with_the_experiment() -> None:
    out = Path("local/experiment/tuned.yaml")
    given = ["model=gpt2", "batch.size=8", "experiment=bbc_news", "--trust-remote-code"]
    assert command_to_use(given, out, ["batch.size"]) == (
        "headway train model=gpt2 --trust-remote-code --config-dir local experiment=tuned"
    )
    assert command_to_use(["--config-dir", "mine"], Path("mine/experiment/a.yaml"), []) == (
        "headway train --config-dir mine experiment=a"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "tuned.yaml"], "--out=tuned.yaml: must be FOLDER/experiment/NAME.yaml"),
        (["--config-dir", "a", "--out", "b/experiment/x.yaml"], "with --config-dir a it must be a/experiment/"),
        (["--seconds", "0"], "--seconds=0: must be above 0"),
        (["--seconds", "soon"], "argument --seconds: invalid finite value: 'soon'"),
        (["-m", "seed=1,2"], "--multirun: one config is tuned at a time"),
        (["batch.sise=3"], "batch.sise"),
    ],
)
def test_a_wrong_command_line_fails_before_anything_is_measured(arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tune_batch(arguments)
    assert said in str(caught.value)


# --- the process that measures ends ----------------------------------------------------------------------------------

READY: dict[str, Any] = {"ready": {}}
HAS = {"present": {**vars(PRESENT), "base": {}}}
TRYING = {"trying": {"stage": "size", "changes": {"batch.size": 64}}}
MEASURED = {"tried": vars(tried(BF16, 1.5, 1.5))}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Any:
    """told(events, exit code): what the process says before it ends."""

    def tell(events: list[dict[str, Any]], code: int) -> tuning.Tuned:
        lines = [json.dumps({"event": "record", **event}).encode() for event in events]

        @contextlib.contextmanager
        def worker(_: Path) -> Iterator[Any]:
            yield SimpleNamespace(wait=lambda: code, pid=0), lines

        monkeypatch.setattr(tuning, "worker", worker)
        return tuning.tune(compose([]), [], 60.0, False, lambda *_: None)

    return tell


def test_a_kill_for_lack_of_memory_leaves_what_was_found(told: Any) -> None:
    found = told([READY, HAS, MEASURED, TRYING], -9)
    assert found.chosen == BF16
    assert (found.tried[-1].changes, found.tried[-1].note) == ({"batch.size": 64}, "ended by SIGKILL")
    out = io.StringIO()
    console = Console(file=out, width=120)
    for part in tuned_view(found):
        console.print(part)
    assert "trainer.precision=bf16-mixed" in out.getvalue()
    assert "ended by SIGKILL" in out.getvalue()


def test_what_the_config_asks_for_in_vain_is_said(told: Any) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        told([{"event": "end", "status": "failed", "cause": "no such file"}], 1)
    with pytest.raises(RunError, match="SIGSEGV"):
        told([READY], -11)
