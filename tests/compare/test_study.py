"""From run folders to verdicts, in Python and on the command line."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headway.cli import main
from headway.compare.study import Study, study
from headway.errors import RunError
from headway.store.filters import FilterError
from headway.store.history import HistoryWriter, Summary
from headway.store.index.store import Store
from headway.store.layout import predictions_file
from headway.store.predictions import write_predictions
from headway.store.writer import RunRecord, create_run

EXAMPLES = 300
STEP = 20
MakeRun = Callable[..., Path]


def answers(right: float, seed: int, names: str = "e") -> dict[str, list[Any]]:
    """A share of about `right` of the examples right; which are hard is the same for all runs."""
    draws = np.random.default_rng([seed, round(1000 * right)])
    gold = np.random.default_rng(0).choice(["pos", "neg"], EXAMPLES)
    hard = np.random.default_rng(1).normal(0, 0.1, EXAMPLES)
    wrong = draws.random(EXAMPLES) > right + hard
    order = draws.permutation(EXAMPLES)
    predicted = np.where(wrong, np.where(gold == "pos", "neg", "pos"), gold)
    return {
        "id": [f"{names}{at}" for at in order],
        "text": ["a text"] * EXAMPLES,
        "gold": gold[order].tolist(),
        "prediction": predicted[order].tolist(),
        "confidence": [0.9] * EXAMPLES,
        "loss": draws.exponential(size=EXAMPLES).tolist(),
        "scores": [[0.9, 0.1]] * EXAMPLES,
    }


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADWAY_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("HEADWAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "runs"


@pytest.fixture
def make(roots: Path) -> MakeRun:
    """A finished run that got `right` of its test examples right at STEP; earlier it had worse."""

    def make_run(
        lr: float,
        seed: int,
        right: float,
        *,
        name: str | None = None,
        data: str = "d" * 16,
        examples: str | None = "e",
        status: str = "finished",
        metric: bool = True,
        more: str = "",
    ) -> Path:
        config = f"seed: {seed}\nname: {name}\noptimizer:\n  lr: {lr}\n{more}"
        path = create_run(
            roots, project="p", name=name, tags=[], notes=None, config_yaml=config, config_hash="0" * 16,
            overrides=[], command=["headway"], seed=seed,
        )  # fmt: skip
        columns = answers(right, seed, examples or "e")
        pairs = zip(columns["gold"], columns["prediction"], strict=True)
        accuracy = sum(gold == predicted for gold, predicted in pairs) / EXAMPLES
        with HistoryWriter(path / "history.jsonl") as history:
            for step, value in ((10, accuracy - 0.1), (STEP, accuracy), (30, accuracy - 0.05)):
                history.log(
                    step, {"train/loss": 1.0, **({"test/accuracy": float(np.float32(value))} if metric else {})}
                )
        Summary.rebuild(path).write()
        if examples is not None:
            write_predictions(path / predictions_file("test", STEP), columns)
            write_predictions(path / predictions_file("test", 30), answers(0.1, seed))
        record = RunRecord(path)
        record.update(data={"fingerprint": data})
        record.set_status("running")
        record.set_status(status)
        return path

    return make_run


@pytest.fixture
def ask(roots: Path) -> Callable[..., Study]:
    def ask_store(*runs: str, metric: str = "test/accuracy", **more: Any) -> Study:
        store = Store(roots)
        store.refresh()
        return study(store, metric, runs, **more)

    return ask_store


Ask = Callable[..., Study]


def two_recipes(make: MakeRun, seeds: int = 3, **second: Any) -> list[str]:
    paths = [make(0.1, seed, 0.9) for seed in range(seeds)]
    paths += [make(0.01, seed, 0.75, **second) for seed in range(seeds)]
    return [path.name for path in paths]


def sentences(found: Study) -> Sequence[str]:
    return [one.sentence for one in found.comparison.verdicts]


def test_recipes_over_seeds_and_examples(make: MakeRun, ask: Ask) -> None:
    runs = two_recipes(make)
    for found in (ask(*runs), ask(filter="project = p"), ask()):
        [verdict] = found.comparison.verdicts
        assert (verdict.first, verdict.second, verdict.outcome) == ("lr 0.1", "lr 0.01", "better")
        assert verdict.finding is not None
        assert (verdict.finding.method, verdict.finding.examples) == ("hierarchical", EXAMPLES)
        assert found.notes == []
        assert verdict.notes == []
    [verdict] = ask(*runs[::-1]).comparison.verdicts
    assert (verdict.first, verdict.outcome) == ("lr 0.01", "worse"), "in the order that was asked"


def test_two_runs(make: MakeRun, ask: Ask) -> None:
    first, second = make(0.1, 0, 0.9), make(0.01, 0, 0.7)
    [verdict] = ask(first.name, second.name).comparison.verdicts
    assert verdict.outcome == "better"
    assert verdict.finding is not None
    assert verdict.finding.method == "paired"
    [refused] = ask(first.name, second.name, of_recipes=True).comparison.verdicts
    assert "one seed of each" in refused.sentence


def test_a_name_means_all_runs_of_it(make: MakeRun, ask: Ask) -> None:
    for seed in range(2):
        make(0.1, seed, 0.9, name="old")
        make(0.01, seed, 0.7, name="new")
    found = ask("new", "old")
    assert [len(group.ids) for group in found.groups] == [2, 2]
    assert [group.name for group in found.groups] == ["new", "old"]


def test_predictions_are_those_of_the_step(make: MakeRun, ask: Ask) -> None:
    two_recipes(make)
    last = ask(metric="last(test/accuracy)")
    assert "do not give the accuracy that was logged" in last.notes[0], "those of step 30 are of another model"
    assert {one.finding.method for one in last.comparison.verdicts if one.finding} == {"Welch"}
    least = ask(metric="min(test/accuracy)")
    assert "kept no predictions of test at that step" in least.notes[-1]


def test_without_predictions(make: MakeRun, ask: Ask) -> None:
    two_recipes(make, examples=None)
    found = ask()
    assert {one.finding.method for one in found.comparison.verdicts if one.finding} == {"Welch"}
    assert found.notes == ["3 of 6 runs kept no predictions of test at that step"]


def test_a_metric_without_a_measure(make: MakeRun, ask: Ask) -> None:
    two_recipes(make)
    found = ask(metric="last(train/loss)")
    assert "every seed gave the same value" in sentences(found)[0]
    assert not found.comparison.question.higher_is_better


def test_refusals(make: MakeRun, ask: Ask) -> None:
    two_recipes(make, data="x" * 16, examples=None)
    assert "different data (fingerprints dddddddddddd and xxxxxxxxxxxx)" in sentences(ask())[0]


def test_other_examples_are_refused_whatever_the_fingerprint(make: MakeRun, ask: Ask) -> None:
    two_recipes(make, examples="f")
    assert "test examples, or the gold answers" in sentences(ask())[0]


def test_other_training_data_and_the_same_test_set(make: MakeRun, ask: Ask) -> None:
    two_recipes(make, data="x" * 16)
    assert ask().comparison.verdicts[0].outcome == "better"


def test_what_cannot_be_asked(make: MakeRun, ask: Ask) -> None:
    with pytest.raises(RunError, match="there are no runs"):
        ask()
    runs = two_recipes(make)
    with pytest.raises(
        RunError, match=r"none of 6 runs has a finite value of test/acuracy; did you mean test/accuracy"
    ):
        ask(metric="test/acuracy")
    with pytest.raises(RunError, match="make one group"):
        ask(*runs[:3])
    with pytest.raises(RunError, match="not found"):
        ask(runs[0], "nothing")
    with pytest.raises(RunError, match="no run matches"):
        ask(filter="project = q")
    with pytest.raises(RunError, match="is no metric"):
        ask(metric="status")
    with pytest.raises(RunError, match="configuration key"):
        ask(by=["optimizer.lrr"])
    with pytest.raises(FilterError):
        ask(metric="test accuracy")


def test_missing_unfinished_and_repeated_runs_are_told(make: MakeRun, ask: Ask) -> None:
    two_recipes(make)
    make(0.1, 3, 0.9, metric=False, status="failed")
    make(0.01, 2, 0.75)
    make(0.01, 4, 0.75, status="diverged")
    found = ask()
    assert found.comparison.verdicts[0].notes == [
        "1 more runs of lr 0.1 have no value (failed): they are left out",
        "1 runs of lr 0.01 repeat a seed: the latest of each counts",
        "1 runs of lr 0.01 have not finished (diverged): it is of what they came to",
    ]
    assert [len(group.ids) for group in found.groups] == [3, 4]


def test_what_checks_found_in_the_test_set_is_said_beside_the_result(make: MakeRun, ask: Ask) -> None:
    told = ["5 texts of test are nearly the same as one of train", "81.0% of the labels of val are pos"]
    for lr in (0.1, 0.01):
        for seed in (0, 1):
            RunRecord(make(lr, seed, 0.9)).update(data={"checks": {"warnings": told}})
    assert ask(filter="project = p").notes == [f"data: {told[0]}"]


def test_a_reproduction_is_no_seed_of_its_own(make: MakeRun, ask: Ask) -> None:
    first, second = make(0.1, 0, 0.9), make(0.01, 0, 0.8)
    again = make(0.1, 0, 0.5)
    RunRecord(again).update(tags=["mine", "reproduction"])
    by_filter = ask(filter="project = p")
    assert [group.ids for group in by_filter.groups] == [[first.name], [second.name]]
    assert not any("repeat" in note for one in by_filter.comparison.verdicts for note in one.notes)
    by_name = ask(again.name, second.name)
    assert [group.ids for group in by_name.groups] == [[again.name], [second.name]]


def test_confounds_are_told(make: MakeRun, ask: Ask) -> None:
    for seed in range(2):
        make(0.1, seed, 0.9, more="model:\n  dropout: 0.1\n")
        make(0.01, seed, 0.75, more="model:\n  dropout: 0.3\n")
    assert ask().comparison.verdicts[0].notes[0].startswith("groups that differ in 2 things")
    assert ask(by=["optimizer.lr"]).comparison.verdicts[0].notes == [
        "dropout differs too (0.1 in lr 0.1, 0.3 in lr 0.01)"
    ]


def test_many_groups_leave_predictions_alone(make: MakeRun, ask: Ask) -> None:
    for number in range(11):
        for seed in range(2):
            make(0.1 + number, seed, 0.9, examples=None)
    found = ask()
    assert len(found.comparison.verdicts) == 10
    assert "predictions are not read" in found.notes[0]
    assert found.notes[1].startswith("55 pairs share the level 0.05")


def test_imports_nothing_heavy() -> None:
    code = (
        "import sys, headway.compare.study, headway.views.comparison\n"
        "print({'torch', 'transformers', 'torchmetrics', 'pandas'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command(make: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    runs = two_recipes(make)
    assert main(["compare", *runs, "--metric", "test/accuracy"]) == 0
    shown = capsys.readouterr().out
    for text in ("lr 0.1 is better than lr 0.01 in test/accuracy by", "A : B", "rank: one more than", "assumed: seeds"):
        assert text in shown
    assert main(["compare", "--filter", "", "--metric", "test/accuracy", "--margin", "0.5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdicts"][0]["outcome"] == "tied"
    assert [(place["rank"], place["n"]) for place in found["places"]] == [(1, 3), (1, 3)]
    assert found["groups"][0]["ids"] == runs[:3]
    assert main(["compare", *runs, "--metric", "test/accuracy", "--by", "optimizer", "--correction", "bh"]) == 0


def test_the_command_refuses_in_one_line(make: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    runs = two_recipes(make, 1, data="x", examples=None)
    for arguments, reason in (
        ([*runs, "--metric", "test/accuracy"], "different data"),
        ([*runs, "--metric", "nothing"], "none of 2 runs has"),
        (["--metric", "test/accuracy"], "takes runs, or --filter"),
        ([*runs, "--metric", "test/accuracy", "--level", "2"], "a level of 2.0"),
    ):
        assert main(["compare", *arguments]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert reason in shown.err
        assert shown.err.count("\n") == 1


def test_hostile_names_are_text(make: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(2):
        make(0.1, seed, 0.9, more='text: "[red]\\e[2J a"\n')
        make(0.1, seed, 0.7, more="text: plain\n")
    assert main(["compare", "--filter", "", "--metric", "test/accuracy"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "[red]" in shown


def test_archived_runs_are_compared_when_they_are_named(make: MakeRun, ask: Ask, roots: Path) -> None:
    runs = two_recipes(make, 1)
    for run in runs:
        (roots / "p" / run / "marks.json").write_text('{"format": 1, "archived": true}')
    assert len(ask(*runs).groups) == 2
    with pytest.raises(RunError, match="no runs"):
        ask()
    shutil.rmtree(roots / "p" / runs[0])
    with pytest.raises(RunError, match="not found"):
        ask(*runs)
