"""`headway dynamics` and `headway labels`: from prediction files to what is printed, listed and drawn."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from headway import cli
from headway.commands import dynamics, labels
from headway.store.history import HistoryWriter, Summary
from headway.store.layout import predictions_file
from headway.store.predictions import write_predictions
from headway.store.writer import RunRecord, create_run

CLASSES = ["neg", "pos"]
EXAMPLES = 60
Make = Callable[..., str]
Main = Callable[..., int]
Columns = dict[str, Any]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Main:
    monkeypatch.setenv("HEADWAY_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(cli, "COMMANDS", (dynamics, labels))
    return lambda *arguments: cli.main(arguments)


def classified(gold: Sequence[str], positive: Sequence[float], names: str = "e") -> Columns:
    """positive: the probability of "pos"."""
    own = [p if label == "pos" else 1 - p for label, p in zip(gold, positive, strict=True)]
    return {
        "id": [f"{names}{at}" for at in range(len(gold))],
        "text": [f"text {at}" for at in range(len(gold))],
        "gold": list(gold),
        "prediction": [CLASSES[p > 0.5] for p in positive],
        "confidence": [max(p, 1 - p) for p in positive],
        "loss": (-np.log(own)).tolist(),
        "scores": [[1 - p, p] for p in positive],
    }


def look(step: int, seed: int = 0, names: str = "e") -> Columns:
    """60 examples, surer at each step; the first two are labelled wrong."""
    truth = np.arange(EXAMPLES) % 2
    sure = np.random.default_rng([step, seed]).uniform(0.5, 0.6, EXAMPLES) + 0.1 * step
    given = [CLASSES[1 - one if at < 2 else one] for at, one in enumerate(truth)]
    return classified(given, np.where(truth == 1, sure, 1 - sure).tolist(), names)


def held_out(numbers: Sequence[int] = range(EXAMPLES), sure: float = 0.9) -> Columns:
    """Of 60 examples these; every one is classified right, e4 and e7 are labelled wrong."""
    truth = [number % 2 for number in numbers]
    given = [CLASSES[1 - one if number in (4, 7) else one] for number, one in zip(numbers, truth, strict=True)]
    draws = [sure + 0.001 * (number % 10) for number in numbers]
    columns = classified(given, [p if one else 1 - p for p, one in zip(draws, truth, strict=True)])
    return {**columns, "id": [f"e{number}" for number in numbers]}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A run with predictions, split -> step -> columns: by default of train and val at steps 1, 2 and 3."""

    def make_run(
        predicted: dict[str, dict[int, Columns]] | None = None,
        *,
        seed: int = 0,
        name: str | None = None,
        classes: Sequence[str] | None = CLASSES,
    ) -> str:
        path = create_run(
            tmp_path / "runs", project="p", name=name, tags=[], notes=None, config_yaml=f"seed: {seed}\n",
            config_hash="0" * 16, overrides=[], command=["headway"], seed=seed,
        )  # fmt: skip
        usual = {step: look(step, seed) for step in (1, 2, 3)}
        for split, steps in (predicted or {"train": usual, "val": usual}).items():
            for step, columns in steps.items():
                write_predictions(path / predictions_file(split, step), columns)
        with HistoryWriter(path / "history.jsonl") as history:
            for step, value in ((1, 0.5), (2, 0.9), (3, 0.8)):
                history.log(step, {"val/accuracy": value})
        Summary.rebuild(path).write()
        RunRecord(path).update(data={"labels": classes}, monitor={"metric": "val/accuracy", "mode": "max"})
        return path.name

    return make_run


@pytest.fixture
def answer(main: Main, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """What a command gives as JSON."""

    def ask(*arguments: str) -> Any:
        assert main(*arguments, "--json") == 0
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def refusal(main: Main, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line in which a command says no."""

    def ask(*arguments: str) -> str:
        assert main(*arguments) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        return shown.err

    return ask


Ask = Callable[..., Any]


# --- dynamics --------------------------------------------------------------------------------------------------------


def test_the_course_of_each_example(make: Make, answer: Ask) -> None:
    run = make()
    found = answer("dynamics", run, "--sort", "hard", "--limit", "5")
    assert found["runs"] == [{"id": run, "steps": [1, 2, 3]}]
    assert found["examples"] == EXAMPLES
    assert [one["examples"] for one in found["regions"]] == [20, 20, 20]
    assert sum(one["never_learned"] for one in found["regions"]) == 2
    assert {row["id"] for row in found["rows"][:2]} == {"e0", "e1"}
    for row in found["rows"]:
        number = int(row["id"][1:])
        own = [look(step)["scores"][number][CLASSES.index(row["gold"])] for step in (1, 2, 3)]
        assert row["confidence"] == pytest.approx(np.mean(own)), "the score of the gold label"
        assert row["variability"] == pytest.approx(np.std(own))
        assert row["text"] == f"text {number}"
    assert (found["rows"][0]["correctness"], found["rows"][0]["forgotten"]) == (0, "Infinity")


def test_what_is_printed(main: Main, make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    run = make()
    assert main("dynamics", run, "--split", "val", "--sort", "forgotten", "--limit", "3") == 0
    shown = capsys.readouterr().out
    assert f"val of run {run}: {EXAMPLES} examples at 3 validations" in shown
    assert shown.count("never right") == 2
    assert "█" in shown, "the map"


def test_several_runs_are_averaged(make: Make, answer: Ask) -> None:
    single = []
    for seed in (0, 1):
        rows = answer("dynamics", make(seed=seed, name="twice"), "--limit", "0")["rows"]
        single.append({row["id"]: row for row in rows})
    found = answer("dynamics", "twice", "--limit", "0")
    assert len(found["runs"]) == 2, "a name that runs share means all of them"
    for row in found["rows"]:
        for name in ("confidence", "variability", "correctness"):
            assert row[name] == pytest.approx(np.mean([one[row["id"]][name] for one in single]))


def test_rows_are_matched_by_id(make: Make, answer: Ask) -> None:
    usual = {step: look(step) for step in (1, 2, 3)}
    turned = {name: values[::-1] for name, values in usual[2].items()}
    first, second = (
        answer("dynamics", make({"train": predicted}), "--limit", "0")["rows"]
        for predicted in (usual, {**usual, 2: turned})
    )
    assert first == second


def test_tasks_without_scores(main: Main, make: Make, answer: Ask, refusal: Ask, capsys: Any) -> None:
    """Tagging: the geometric mean of the words' probabilities; not generated: neither right nor wrong."""
    tagged = {
        "id": ["a", "b", "c"],
        "tokens": [["Ann"], ["Bo", "b"], ["c"]],
        "gold": [["B-PER"], ["B-PER", "O"], ["O"]],
        "prediction": [["B-PER"], ["O", "O"], ["O"]],
        "loss": [0.1, 0.7, 0.2],
    }
    row = answer("dynamics", make({"train": {1: tagged, 2: tagged}}), "--sort", "hard")["rows"][0]
    assert (row["id"], row["correctness"]) == ("b", 0)
    assert row["confidence"] == pytest.approx(np.exp(-0.7))
    generated = {"id": ["a", "b"], "text": ["x", "y"], "gold": ["u", "v"], "loss": [0.1, 0.2], "tokens": [3, 4]}
    run = make({"train": {1: generated, 2: generated}})
    assert main("dynamics", run) == 0
    shown = capsys.readouterr().out
    assert "nan" not in shown
    assert "|" not in shown, "the number of tokens is no text"
    assert "neither right nor wrong" in refusal("dynamics", run, "--sort", "forgotten")


def test_labels_of_several_may_stand_in_any_order(make: Make, answer: Ask) -> None:
    several = {
        "id": ["a", "b"],
        "text": ["x", "y"],
        "gold": [["u", "v"], ["u"]],
        "prediction": [["v", "u"], ["u", "v"]],
        "loss": [0.1, 0.9],
        "scores": [[0.9, 0.9], [0.9, 0.6]],
    }
    rows = answer("dynamics", make({"train": {1: several, 2: several}}))["rows"]
    assert {row["id"]: row["correctness"] for row in rows} == {"a": 1, "b": 0}


def test_questions_are_right_as_squad_counts_them(make: Make, answer: Ask) -> None:
    asked = {
        "id": ["a", "b", "c"],
        "question": ["who", "what", "why"],
        "context": ["the cat"] * 3,
        "gold": [["cat"], ["dog"], []],
        "prediction": ["The cat", "cat", ""],
        "loss": [0.1, 0.2, 0.3],
    }
    rows = answer("dynamics", make({"train": {1: asked, 2: asked}}))["rows"]
    assert {row["id"]: row["correctness"] for row in rows} == {"a": 1, "b": 0, "c": 1}


def test_what_dynamics_refuses(make: Make, refusal: Ask, tmp_path: Path) -> None:
    run = make()
    assert "trainer.train_predictions=true" in refusal("dynamics", run, "--split", "test")
    other = make({"train": {1: look(1), 2: look(2, names="f")}})
    assert "other examples" in refusal("dynamics", other)
    relabelled = make({"train": {step: {**look(step), "gold": look(step)["gold"][::-1]} for step in (1, 2)}})
    assert "or gold answers" in refusal("dynamics", run, relabelled)
    scored = {"id": ["a"], "text": ["x"], "gold": [1.5], "prediction": [1.0], "loss": [0.25]}
    assert "no probability" in refusal("dynamics", make({"train": {1: scored, 2: scored}}))
    assert "must end in .svg" in refusal("dynamics", run, "--figure", "map.gif")
    assert "cannot be written" in refusal("dynamics", run, "--figure", str(tmp_path / "nowhere" / "map.svg"))


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_the_same_figure_each_time(main: Main, make: Make, tmp_path: Path, kind: str) -> None:
    run = make(name="50 % <b>$x$</b>")
    files = [tmp_path / f"{number}.{kind}" for number in range(2)]
    for file in files:
        assert main("dynamics", run, "--figure", str(file)) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert len(files[0].read_bytes()) > 2000


def test_a_figure_that_cannot_be_finished_leaves_the_one_before(
    answer: Ask, make: Make, refusal: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Figure, file: IO[bytes], **__: Any) -> None:
        file.write(b"<svg")
        raise OSError(28, "No space left on device")

    run, file = make(), tmp_path / "map.svg"
    answer("dynamics", run, "--figure", str(file))
    whole, names = file.read_bytes(), sorted(tmp_path.iterdir())
    monkeypatch.setattr(Figure, "savefig", full)
    assert "No space left" in refusal("dynamics", run, "--figure", str(file))
    assert (file.read_bytes(), sorted(tmp_path.iterdir())) == (whole, names)


# --- labels ----------------------------------------------------------------------------------------------------------


def test_wrong_labels_are_listed(main: Main, make: Make, answer: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    run = make({"test": {3: held_out()}})
    found = answer("labels", run)
    assert (found["examples"], found["estimate"], found["flagged"], found["disagree"]) == (EXAMPLES, 2, 2, 2)
    assert found["counts"] == [[29, 1], [1, 29]]
    listed = [(row["id"], row["given"], row["likely"]) for row in found["rows"]]
    assert listed == [("e7", "neg", "pos"), ("e4", "pos", "neg")]
    assert found["rows"][0]["margin"] == pytest.approx(0.093 - 0.907)
    for by in ("class", "both", "confident"):
        assert answer("labels", run, "--by", by)["flagged"] == 2
    assert main("labels", run, "--limit", "1") == 0
    shown = capsys.readouterr().out
    assert "of 60 labels about 2 (3.3%) are wrong; 2 differ from the prediction, 2 of them are flagged" in shown
    assert ("e7" in shown, "e4" in shown) == (True, False)


def test_runs_are_averaged_and_put_together(make: Make, answer: Ask) -> None:
    first = make({"val": {3: held_out(range(40), sure=0.89)}})
    second = make({"val": {3: held_out(range(6, 60), sure=0.9)}})
    found = answer("labels", first, second, "--split", "val", "--limit", "0")
    assert found["examples"] == EXAMPLES
    assert found["notes"][0] == "examples were predicted 1 to 2 times; the mean of each is used"
    assert {row["id"]: row["likely_probability"] for row in found["rows"]} == pytest.approx({"e4": 0.894, "e7": 0.902})


def test_which_steps_are_read(make: Make, answer: Ask) -> None:
    """Of a validation the best one; of the training split all."""
    steps = {2: held_out(sure=0.8), 3: held_out(sure=0.9)}
    found = answer("labels", make({"val": steps}), "--split", "val")
    assert found["rows"][0]["likely_probability"] == pytest.approx(0.807)
    found = answer("labels", make({"train": steps}), "--split", "train")
    assert found["rows"][0]["likely_probability"] == pytest.approx(0.857)
    assert "trained on these examples" in found["notes"][0]


def test_many_labels_are_listed_in_pairs(main: Main, make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"class {number}" for number in range(13)]
    given = [names[0], *names] * 5
    scores = [[0.88 if name == own else 0.01 for name in names] for own in [names[1], *names] * 5]
    columns = {"id": [str(at) for at in range(70)], "text": ["x"] * 70, "gold": given, "scores": scores}
    assert main("labels", make({"test": {3: columns}}, classes=names)) == 0
    shown = capsys.readouterr().out
    assert "class 0 is class 1: 5" in shown
    assert "given label in rows" not in shown


def test_a_model_that_cannot_tell_is_said_to(main: Main, make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(0)
    gold = [CLASSES[one] for one in draw.integers(0, 2, EXAMPLES)]
    sure = draw.choice([0.02, 0.98], EXAMPLES).tolist()
    assert main("labels", make({"test": {3: classified(gold, sure)}})) == 0
    assert "mind: nearly all labels" in capsys.readouterr().out


def test_other_peoples_texts_are_text(main: Main, make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    columns = held_out()
    columns["text"][7] = "=HYPERLINK(1)\x1b[2J[red]"
    run = make({"test": {2: columns, 3: columns}})
    for command in (["labels"], ["dynamics", "--split", "test", "--limit", "0"]):
        assert main(*command, run, "--csv") == 0
        rows = {row["id"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
        assert rows["e7"]["text"].startswith("'=HYPERLINK")
        assert main(*command, run) == 0
        assert "=HYPERLINK(1)\\u001b[2J[red]" in capsys.readouterr().out


def test_what_labels_refuses(make: Make, refusal: Ask) -> None:
    run = make({"test": {3: held_out()}})
    assert "no predictions of val; recorded are: test at step 3" in refusal("labels", run, "--split", "val")
    assert "has no labels" in refusal("labels", make({"test": {3: held_out()}}, classes=None))
    assert "has other labels" in refusal("labels", run, make({"test": {3: held_out()}}, classes=["pos", "neg"]))
    contrary = make({"test": {3: {**held_out(), "gold": held_out()["gold"][::-1]}}})
    assert "another label in another run" in refusal("labels", run, contrary)
    tagged = {"id": ["a"], "tokens": [["x"]], "gold": [["O"]], "prediction": [["O"]], "loss": [0.1]}
    several = {"id": ["a"], "gold": [["pos"]], "prediction": [["pos"]], "scores": [[0.1, 0.9]]}
    for columns in (tagged, several):
        assert "task=classification" in refusal("labels", make({"test": {3: columns}}))
    assert "have one label" in refusal("labels", make({"test": {3: classified(["pos"] * 5, [0.9] * 5)}}))
