"""`headway examples`: from run folders to the examples on which two groups differ, as text, JSON and CSV."""

import argparse
import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headway.commands.base import Command
from headway.commands.examples import add
from headway.compare.contrast import Contrast, examples_study
from headway.compare.measures import measures_of
from headway.errors import HeadwayError, RunError
from headway.store.filters import FilterError
from headway.store.history import HistoryWriter, Summary
from headway.store.index.store import Store
from headway.store.layout import predictions_file
from headway.store.predictions import write_predictions
from headway.store.writer import RunRecord, create_run

SIZE = 200
STEP = 20
Columns = dict[str, list[Any]]
Make = Callable[..., str]
Ask = Callable[..., Contrast]
HOSTILE = "=1+1 \x1b[31m[bold]red"


def labelled(right: float, seed: int, domain: str | None = None) -> Columns:
    """A share of `right` of the examples right, and all of one domain."""
    common = np.random.default_rng(0)
    gold, place = common.choice(["pos", "neg"], SIZE), common.choice(["news", "web", "mail"], SIZE)
    wrong = (np.random.default_rng([1, seed]).random(SIZE) > right) & (place != domain)
    said = np.where(wrong, np.where(gold == "pos", "neg", "pos"), gold)
    return {
        "id": [f"e{at:03}" for at in range(SIZE)],
        "text": [HOSTILE if at == 7 else f"text {'not' if at % 3 else 'very'} number {at}" for at in range(SIZE)],
        "meta.domain": place.tolist(),
        "meta.year": (2000 + common.integers(0, 20, SIZE)).tolist(),
        "gold": gold.tolist(),
        "prediction": said.tolist(),
        "confidence": [0.6 if one else 0.9 for one in wrong],
        "loss": [2.0 if one else 0.1 for one in wrong],
        "scores": [[0.5, 0.5]] * SIZE,
    }


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADWAY_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("HEADWAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "runs"


@pytest.fixture
def make(roots: Path) -> Make:
    """A run with these predictions and every metric that follows from them; its id."""

    def make_run(
        lr: float, seed: int, columns: Columns, *, name: str | None = None, project: str = "p", tags: Sequence[str] = ()
    ) -> str:
        config = f"seed: {seed}\nname: {name}\noptimizer:\n  lr: {lr}\n"
        path = create_run(
            roots, project=project, name=name, tags=list(tags), notes=None, config_yaml=config, config_hash="0" * 16,
            overrides=[], command=["headway"], seed=seed,
        )  # fmt: skip
        with HistoryWriter(path / "history.jsonl") as history:
            [measures] = measures_of([columns])
            history.log(STEP, {f"test/{key}": one.estimate for key, one in measures.items()})
        Summary.rebuild(path).write()
        order = np.random.default_rng(seed).permutation(len(columns["id"]))
        write_predictions(
            path / predictions_file("test", STEP), {key: [cells[at] for at in order] for key, cells in columns.items()}
        )
        record = RunRecord(path)
        record.set_status("running")
        record.set_status("finished")
        return path.name

    return make_run


@pytest.fixture
def ask(roots: Path) -> Ask:
    def ask_store(a: str, b: str, metric: str = "test/accuracy", **more: Any) -> Contrast:
        store = Store(roots)
        store.refresh()
        more = {"permutations": 200, **more}
        return examples_study(store, a.split(), b.split(), metric, **more)

    return ask_store


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add(Command(parser.add_subparsers()))
    options = parser.parse_args(["examples", *arguments])
    code: int = options.call(options)
    return code


def two(make: Make, seeds: int = 3) -> tuple[str, str]:
    """Names of two recipes; the second has all of the domain web right."""
    for seed in range(seeds):
        make(0.1, seed, labelled(0.7, seed), name="old")
        make(0.01, seed, labelled(0.7, seed + 50, "web"), name="new")
    return "old", "new"


def test_groups_of_seeds(make: Make, ask: Ask) -> None:
    found = ask(*two(make), slices=['not=word = "not"', "year > 2010 and domain = web"])
    assert (found.first.name, found.second.name, found.kind) == ("old", "new", "right")
    assert sum(found.changes.counts.values()) == SIZE
    assert found.changes.counts["fixed"] > found.changes.counts["broken"]
    assert found.mcnemar is None
    assert found.verdict.outcome == "better"
    assert [table.by for table in found.tables] == ["label", "length", "meta.domain", "meta.year", "slice"]
    [web] = [row for row in found.tables[2].rows if row.name == "domain web"]
    assert web.second == 1
    assert web.p_value is not None
    assert web.p_value < 0.05
    assert web.interval is not None
    assert web.interval.low > 0
    assert [row.name for row in found.tables[4].rows] == ["not", "year > 2010 and domain = web"]
    assert [one.name for one in found.concentration.found] == ["domain web"]
    assert found.concentration.found[0].expression == 'meta.domain = "web"'
    texts = zip(found.columns["id"], found.columns["text"], strict=True)
    assert all(text == labelled(0.7, 0)["text"][int(name[1:])] for name, text in texts), "rows go together"


def test_two_runs_and_their_table(make: Make, ask: Ask) -> None:
    first, second = labelled(0.6, 1), labelled(0.9, 2)
    found = ask(make(0.1, 0, first), make(0.01, 0, second))
    right = [[a == b for a, b in zip(one["gold"], one["prediction"], strict=True)] for one in (first, second)]
    fixed = [f"e{at:03}" for at in range(SIZE) if right[1][at] and not right[0][at]]
    assert found.changes.counts["fixed"] == len(fixed)
    assert sorted(found.columns["id"][at] for at in found.listed("fixed")) == fixed
    assert found.mcnemar is not None
    assert found.mcnemar.only_second == len(fixed)


def test_runs_that_differ_in_their_seed_only(make: Make, ask: Ask) -> None:
    runs = [make(0.1, seed, labelled(0.8, seed)) for seed in range(3)]
    found = ask(runs[2], f"{runs[0]} {runs[1]}")
    assert (found.first.name, found.first.ids) == ("A (seed 2)", [runs[2]])
    assert (found.second.name, found.second.seeds) == ("B (seed 0, 1)", [0, 1])
    assert found.verdict.outcome == "refused", "one run against two"
    assert all(row.p_value is None for table in found.tables for row in table.rows)


def test_a_metric_that_is_better_low(make: Make, ask: Ask) -> None:
    found = ask(*two(make), metric="test/loss")
    assert (found.kind, found.sign, found.score) == ("graded", -1, "loss of the example")
    assert found.changes.counts["improved"] > found.changes.counts["worsened"]
    [web] = found.concentration.found
    assert web.name == "domain web"
    assert web.difference < 0 < web.statistic, "lower and so better"


def test_a_metric_of_classes_has_a_line_for_each(make: Make, ask: Ask) -> None:
    found = ask(*two(make), metric="test/f1_macro")
    assert found.kind == "right"
    assert found.tables[0].metric == "f1"
    assert [row.name for row in found.tables[0].rows] == ["label neg", "label pos"]
    assert "domain web" in [one.name for one in found.concentration.found]


def test_slices_by_outcome_are_marked_and_not_searched(make: Make, ask: Ask) -> None:
    found = ask(*two(make), slices=["a.confidence < 0.8", "b.prediction = pos"])
    assert [note for note in found.notes if "a.confidence < 0.8" in note]
    assert [one.name for one in found.concentration.found] == ["domain web"]


def test_which_runs_are_meant(make: Make, ask: Ask) -> None:
    two(make, 2)
    make(0.2, 0, labelled(0.7, 9), name="old", project="q")
    with pytest.raises(RunError, match=r"^A names 2 groups of runs \(lr 0.2; lr 0.1\); narrow with --filter"):
        ask("old", "new")
    again = make(0.1, 0, labelled(0.1, 0), name="old", tags=["reproduction"])
    found = ask("old", "new", filter="project = p")
    assert found.first.name == "old"
    assert (len(found.first.ids), again in found.first.ids) == (2, False)
    assert ask(again, "new").first.ids == [again]
    assert len(ask("old", "new", over=["optimizer.lr"], filter="project = p").first.ids) == 2
    found = ask("", "", filter="project = p", by=["optimizer.lr"])
    assert (found.first.name, found.second.name) == ("lr 0.1", "lr 0.01")
    with pytest.raises(RunError, match=r"^the runs make 3 groups of runs \(.*\); name A and B"):
        ask("", "", filter="not exists(notes)")
    with pytest.raises(RunError, match="is in both A and B"):
        ask("new", "new")
    with pytest.raises(RunError, match="no run of new matches project = q"):
        ask("old", "new", filter="project = q")
    with pytest.raises(RunError, match="not found"):
        ask("old", "nwe", filter="project = p")


def test_what_cannot_be_paired_is_refused(make: Make, ask: Ask) -> None:
    make(0.1, 0, labelled(0.7, 0), name="old")
    other = labelled(0.7, 0)
    other["gold"][0] = {"pos": "neg", "neg": "pos"}[other["gold"][0]]
    make(0.2, 0, other, name="relabelled")
    make(0.3, 0, {key: cells[:10] for key, cells in labelled(0.7, 0).items()}, name="short")
    with pytest.raises(RunError, match="their test examples, or the gold answers to these, are not the same"):
        ask("old", "relabelled")
    with pytest.raises(RunError, match="too few examples"):
        ask("old", "short")
    with pytest.raises(RunError, match="did you mean test/accuracy"):
        ask("old", "relabelled", metric="test/acuracy")
    with pytest.raises(FilterError, match=r"slice lenght > 3: examples have no lenght; did you mean length\?"):
        ask(*two(make), slices=["lenght > 3"])
    with pytest.raises(ValueError, match="a level of 2"):
        ask("old", "new", level=2)


def test_as_text(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    names = two(make)
    assert run(*names, "--metric", "test/accuracy", "--limit", "0", "--slice", 'not=word = "not"') == 0
    out = capsys.readouterr().out
    assert "new is better than old in test/accuracy" in out
    assert "domain web (" in out
    assert "elsewhere" in out
    assert "A        " in out
    assert " 2/3" in out
    assert run(*names, "--metric", "test/accuracy", "--only", "all", "--sort", "id", "--limit", "10") == 0
    assert r"\u001b[31m[bold]red" in capsys.readouterr().out, "a text is neither markup nor a command to the terminal"
    assert run(*names, "--metric", "test/accuracy", "--only", "fixed", "--limit", "1") == 0
    assert "fixed: 1 of " in capsys.readouterr().out
    with pytest.raises(HeadwayError, match="no outcome improved of this metric; there are fixed"):
        run(*names, "--metric", "test/accuracy", "--only", "improved")
    with pytest.raises(HeadwayError, match="two groups of runs, A and B"):
        run("old", "--metric", "test/accuracy")


def test_as_json(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    names = two(make)
    assert (
        run(*names, "--metric", "test/accuracy", "--json", "--limit", "2", "--only", "fixed", "--slice", "length > 99")
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert {
        "metric",
        "kind",
        "a",
        "b",
        "counts",
        "verdict",
        "tables",
        "concentration",
        "cases",
        "notes",
    } <= found.keys()
    assert (found["shown"], len(found["cases"])) == (found["counts"]["fixed"], 2)
    case = found["cases"][0]
    assert case["outcome"] == "fixed"
    assert case["input"].keys() == {"text"}
    assert case["metadata"].keys() == {"meta.domain", "meta.year"}
    assert sum(one["runs"] for one in case["a"]["answers"]) == 3
    assert case["b"]["answers"][0]["text"] == case["gold"]
    assert -1 <= case["sure"] <= 1
    [empty] = found["tables"][-1]["slices"]
    assert (empty["n"], empty["a"], empty["difference"], empty["p_value"]) == (0, None, None, None)
    [slice_] = [one for one in found["concentration"]["slices"] if one["significant"]]
    assert (slice_["name"], slice_["b"]) == ("domain web", 1)
    assert len(found["concentration"]["sentences"]) == 2


def test_as_csv(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = labelled(0.7, 1), labelled(0.7, 1)
    first["prediction"][7] = "neg" if first["gold"][7] == "pos" else "pos"
    second["prediction"][7] = second["gold"][7]
    runs = [make(lr, 0, columns) for lr, columns in ((0.1, first), (0.2, second))]
    assert run(*runs, "--metric", "test/accuracy", "--csv") == 0
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["id"], row["outcome"], row["sure"]) == ("e007", "fixed", "1.0")
    assert row["text"].startswith("'=1+1"), "no formula for a spreadsheet"
    assert (row["a"], row["b"]) == (first["prediction"][7], second["gold"][7])


def test_tagged_sentences(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    def tagged(found: int) -> Columns:
        rows = range(40)
        gold = [["B-loc", "I-loc", "O"] if at % 2 else ["O", "B-per", "O"] for at in rows]
        return {
            "id": [f"e{at:02}" for at in rows],
            "tokens": [["New", "York", f"n{at}"] for at in rows],
            "gold": gold,
            "prediction": [tags if at < found else ["O", "O", "O"] for at, tags in zip(rows, gold, strict=True)],
            "confidence": [[0.5] * 3] * 40,
            "loss": [0.1] * 40,
        }

    runs = [make(lr, 0, tagged(found)) for lr, found in ((0.1, 10), (0.2, 30))]
    assert run(*runs, "--metric", "test/f1", "--limit", "1", "--sort", "id") == 0
    out = capsys.readouterr().out
    assert "fixed 20" in out
    assert "label loc" in out
    assert "A        missed New York n10" not in out
    assert "missed York [per]" in out
    assert "B        all right" in out


def test_generated_texts(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    def generated(right: int) -> Columns:
        golds = [f"this is sentence number {at} of many" for at in range(40)]
        return {
            "id": [f"e{at:02}" for at in range(40)],
            "text": [f"satz {at}" for at in range(40)],
            "gold": golds,
            "prediction": [gold if at < right else "no words in common" for at, gold in enumerate(golds)],
            "loss": [1.0] * 40,
            "tokens": [7] * 40,
        }

    runs = [make(lr, 0, generated(right)) for lr, right in ((0.1, 20), (0.2, 30))]
    assert run(*runs, "--metric", "test/bleu", "--limit", "1") == 0
    out = capsys.readouterr().out
    assert "improved 10" in out
    assert "(chrF 100)" in out
    assert "by chrF of the example" in out


def test_questions(make: Make, ask: Ask) -> None:
    def answered(right: int) -> Columns:
        golds = [[f"answer {at}"] * 3 if at % 4 else [] for at in range(60)]
        return {
            "id": [f"e{at:02}" for at in range(60)],
            "question": [f"what is number {at} ?" for at in range(60)],
            "context": [f"it is answer {at} ." for at in range(60)],
            "gold": golds,
            "prediction": [(gold or [""])[0] if at < right else "wrong" for at, gold in enumerate(golds)],
            "confidence": [0.5] * 60,
            "loss": [1.0] * 60,
        }

    runs = [make(lr, 0, answered(right)) for lr, right in ((0.1, 20), (0.2, 50))]
    found = ask(*runs, metric="test/f1")
    assert found.changes.counts == {"improved": 30, "worsened": 0, "same": 30}
    assert [row.name for row in found.tables[0].rows] == ["label answerable", "label no answer"]
    part = ask(*runs, metric="test/has_answer_f1")
    assert len(part.columns["id"]) == 45
    assert "45 of 60 examples count for test/has_answer_f1" in part.notes


def test_texts_without_answers(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Language models: a text is told better or worse, by words where it stands out."""

    def read(gain: float) -> Columns:
        return {
            "id": [f"e{at:02}" for at in range(80)],
            "text": [f"{'once' if at % 2 else 'then'} upon a time {at}" for at in range(80)],
            "loss": [3.0 + at % 7 / 10 - (gain if at % 2 else 0.0) for at in range(80)],
            "tokens": [10 + at % 3 for at in range(80)],
            "bytes": [40] * 80,
        }

    runs = [make(lr, 0, read(gain)) for lr, gain in ((0.1, 0.0), (0.2, 0.5))]
    for metric in ("perplexity", "bits_per_byte"):
        assert run(*runs, "--metric", f"test/{metric}", "--limit", "1") == 0
        out = capsys.readouterr().out
        assert "improved 40   worsened 0   same 40" in out
        assert "word once (40 examples)" in out.replace("word then", "word once"), (
            "of two words one is all but the other"
        )
        assert f"A        {metric} " in out


def test_scores_and_several_labels(make: Make, ask: Ask) -> None:
    gold = [at % 6 / 2 for at in range(60)]
    rows = {"id": [f"e{at:02}" for at in range(60)], "text": ["a text"] * 60, "gold": gold, "loss": [0.1] * 60}
    said = [[one + off * (1 if at % 2 else -1) for at, one in enumerate(gold)] for off in (0.8, 0.2)]
    found = ask(
        *(make(lr, 0, rows | {"prediction": one}) for lr, one in zip((0.1, 0.2), said, strict=True)), "test/pearson"
    )
    assert (found.score, found.sign) == ("absolute error", -1)
    assert found.changes.counts == {"improved": 60, "worsened": 0, "same": 0}
    assert [table.by for table in found.tables] == ["gold", "length"]
    labels = [["x"] if at % 2 else ["x", "y"] for at in range(60)]
    rows |= {"gold": labels, "scores": [[0.5, 0.5]] * 60}
    runs = [make(lr, 0, rows | {"prediction": one}) for lr, one in ((0.3, [["x"]] * 60), (0.4, [["y", "x"]] * 60))]
    found = ask(*runs, "test/exact_match")
    assert found.changes.counts == {"fixed": 30, "broken": 30, "both_wrong": 0, "both_right": 0, "split": 0}
    assert [(row.name, row.n) for row in found.tables[0].rows] == [("label x", 60), ("label y", 30)]
