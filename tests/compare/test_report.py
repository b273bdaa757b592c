"""The table of a paper: what is bold, tied or untested, what its footnotes say, and from which runs it is made."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headway.compare.columns import Column, column
from headway.compare.evidence import Evidence, Measured
from headway.compare.footnotes import Footnote, footnotes, letters
from headway.compare.groups import Group
from headway.compare.measures import Measure
from headway.compare.report import Report, report
from headway.compare.verdict import Question
from headway.errors import RunError
from headway.store.history import HistoryWriter, Summary
from headway.store.index.store import Store
from headway.store.writer import RunRecord, create_run

QUESTION = Question("test/accuracy")


def evidence(
    groups: dict[str, Sequence[float]],
    *,
    metric: str = "test/accuracy",
    data: dict[str, str] | None = None,
    **more: Any,
) -> Evidence:
    """Of groups by their values, which have no predictions."""
    found, measured = [], {}
    for name, values in groups.items():
        ids = [f"{name}-{seed}" for seed in range(len(values))]
        measured |= {run: Measured(value, (1,), "max") for run, value in zip(ids, values, strict=True)}
        prints: list[str | None] = [(data or {}).get(name, "d" * 64)] * len(ids)
        found.append(Group(name, ids, list(range(len(ids))), prints, {"lr": [name] * len(ids)}, [], []))
    told: dict[str, Any] = {"higher_is_better": True, "measures": {}, "digests": {}, "steps": {}, "notes": []}
    statuses = dict.fromkeys(measured, "finished")
    return Evidence(
        **{**told, "statuses": statuses, **more},
        metric=metric,
        split=metric.rpartition("/")[0],
        groups=found,
        measured=measured,
    )


def marks(one: Column) -> dict[str, str]:
    return {name: cell.mark for name, cell in one.cells.items()}


def spread(mean: float, by: float = 0.001) -> list[float]:
    return [mean - by, mean, mean + by]


# --- marks -----------------------------------------------------------------------------------------------------------


def test_the_best_is_marked_where_all_others_are_shown_to_be_worse() -> None:
    found = column(evidence({"b": spread(0.8), "a": spread(0.9), "c": spread(0.7)}), "", QUESTION, {})
    assert marks(found) == {"a": "best", "b": "", "c": ""}
    low = column(evidence({"b": spread(0.8), "a": spread(0.9)}, higher_is_better=False), "", QUESTION, {})
    assert marks(low) == {"b": "best", "a": ""}


def test_what_is_not_shown_to_be_worse_is_tied_wherever_it_stands() -> None:
    """The last has the least mean and a wide interval; the one before it is clearly worse than the best."""
    found = column(evidence({"a": spread(0.9), "b": spread(0.8), "c": [0.5, 0.7, 0.9]}), "", QUESTION, {})
    assert marks(found) == {"a": "tied", "b": "", "c": "tied"}


def test_a_stricter_level_takes_the_bold_away() -> None:
    runs = {"a": [0.90, 0.91, 0.92], "b": [0.86, 0.87, 0.89]}
    assert marks(column(evidence(runs), "", QUESTION, {})) == {"a": "best", "b": ""}
    strict = Question("test/accuracy", level=0.001)
    assert marks(column(evidence(runs), "", strict, {})) == {"a": "tied", "b": "tied"}


def test_equal_within_a_margin_is_a_tie_even_where_the_difference_is_real() -> None:
    runs = {"a": spread(0.9, 0.0001), "b": spread(0.899, 0.0001)}
    assert marks(column(evidence(runs), "", QUESTION, {})) == {"a": "best", "b": ""}
    within = Question("test/accuracy", margin=0.01)
    assert marks(column(evidence(runs), "", within, {})) == {"a": "tied", "b": "tied"}


def test_what_could_not_be_tested_says_why_and_takes_the_bold_away() -> None:
    found = column(evidence({"a": spread(0.9), "b": spread(0.8), "c": [0.95]}), "", QUESTION, {})
    assert marks(found) == {"c": "untested", "a": "", "b": ""}, "the best of those that could be tested leads"
    assert found.cells["c"].reason.startswith("c has one run and a 3; what differs between seeds")
    assert letters([found]) == {found.cells["c"].reason: "a"}
    said = texts(found)
    assert said[0].startswith("No verdict against the best: c has one run and a 3")
    assert any(text.startswith("Where n = 1 the value is of a single run; it has no interval") for text in said)


def test_a_column_without_any_verdict_has_no_mark_of_the_best() -> None:
    other = column(evidence({"a": spread(0.9), "b": spread(0.8)}, data={"b": "x" * 64}), "", QUESTION, {})
    assert marks(other) == {"a": "", "b": "untested"}
    assert "different data" in other.cells["b"].reason
    assert "Nothing was tested, so nothing is bold." in texts(other)
    alone = column(evidence({"a": spread(0.9)}), "", QUESTION, {})
    assert marks(alone) == {"a": ""}
    assert alone.notes == ["there is one group, and nothing to compare it with"]


def test_many_groups_are_tested_against_the_best() -> None:
    groups = {f"g{number:02}": spread(0.9 - number / 20) for number in range(12)}
    found = column(evidence(groups), "", QUESTION, {})
    assert marks(found)["g00"] == "best"
    assert any("66 pairs share the level" in note for note in found.notes)
    assert "by Holm over 66 pairs" in " ".join(texts(found))


# --- cells and notes -------------------------------------------------------------------------------------------------


def test_cells_keep_each_run_and_rows_take_the_names_of_runs() -> None:
    found = column(evidence({"x": [0.9, 0.7]}), "sst2", QUESTION, {"x-0": "minilm", "x-1": "minilm"})
    cell = found.cells["minilm"]
    assert (cell.runs, cell.seeds, cell.values) == (["x-0", "x-1"], [0, 1], [0.9, 0.7])
    assert (cell.mean, cell.best, cell.worst) == (pytest.approx(0.8), 0.9, 0.7)
    assert found.label == "sst2 test/accuracy"


def test_seeds_of_equal_value_have_no_interval() -> None:
    found = column(evidence({"a": [0.9, 0.9], "b": spread(0.8)}), "", QUESTION, {})
    assert found.cells["a"].interval is None
    assert "every seed of a gave the same value, so that it has no interval" in found.notes


def test_notes_of_validation_and_of_unfinished_runs() -> None:
    runs = evidence({"a": spread(0.9), "b": spread(0.8)}, metric="val/accuracy")
    runs.statuses["a-0"] = "diverged"
    found = column(runs, "", QUESTION, {})
    assert "1 runs of a have not finished (diverged): it is of what they came to" in found.notes
    assert any(note.startswith("the validation split chose checkpoints") for note in found.notes)


def texts(*columns: Column, question: Question = QUESTION) -> list[str]:
    rows = list(dict.fromkeys(name for one in columns for name in one.cells))
    return [note.text for note in footnotes(columns, rows, question, letters(columns))]


def answers(right: float, seed: int) -> Measure:
    """The accuracy of a run on 200 examples."""
    correct = np.random.default_rng(seed).random(200) < right
    return Measure("accuracy", np.stack([correct, np.ones(200)], 1), lambda sums: sums[..., 0] / sums[..., 1])


def test_footnotes_state_test_correction_seeds_and_examples() -> None:
    measures = {f"{name}-{seed}": answers(right, seed) for name, right in (("a", 0.9), ("b", 0.7)) for seed in range(3)}
    values = {name: [measures[f"{name}-{seed}"].estimate for seed in range(3)] for name in ("a", "b")}
    digests = dict.fromkeys(measures, "same")
    found = column(evidence(values, measures=measures, digests=digests), "", QUESTION, {})
    said = footnotes([found], ["a", "b"], QUESTION, {})
    assert said[0] == Footnote("bold", "Shown to be better than all others of its column, at level 0.05.")
    assert [note.text for note in said[1:]] == [
        "Means over seeds, ± half of the 95% interval of the mean over seeds (Student's t).",
        "Differences are tested by a hierarchical bootstrap over seeds and test examples together, referred to "
        "Student's t.",
        "Seeds of every group: 0 to 2.",
        "200 test examples, data fingerprint dddddddddddd.",
    ]


def test_single_runs_are_said_to_be_of_other_examples_only() -> None:
    measures = {"a-0": answers(0.9, 0), "b-0": answers(0.7, 1)}
    values = {"a": [measures["a-0"].estimate], "b": [measures["b-0"].estimate]}
    found = column(evidence(values, measures=measures, digests=dict.fromkeys(measures, "same")), "", QUESTION, {})
    said = " ".join(texts(found))
    assert "Each value is of a single run; its 95% interval is over test examples (BCa bootstrap)." in said
    assert "paired bootstrap and permutation over test examples, and speak of these single runs" in said
    assert "Means over seeds" not in said
    assert found.cells["a"].interval is not None


def test_footnotes_name_the_columns_that_they_are_of() -> None:
    """By the value where it holds for all of its columns, by metric where it does not; not at all where it is all."""
    three = {"a": spread(0.9), "b": spread(0.8), "c": spread(0.7)}
    two = {"a": [0.9, 0.91], "b": [0.7, 0.71]}
    columns = [
        column(evidence(groups, metric=metric, data=data), value, QUESTION, {})
        for value, groups, data in (("sst2", three, None), ("mrpc", two, {"a": "m" * 64, "b": "m" * 64}))
        for metric in ("test/accuracy", "test/f1")
    ]
    said = texts(*columns)
    assert (
        "sst2: Differences are tested by Welch's t test over seeds; p-values are corrected by Holm over 3 pairs."
        in said
    )
    assert "mrpc: Differences are tested by Welch's t test over seeds." in said
    assert "sst2: Data fingerprint dddddddddddd." in said
    assert "Seeds: a 0 to 2 (sst2), 0 and 1 (mrpc); b 0 to 2 (sst2), 0 and 1 (mrpc); c 0 to 2." in said
    assert sum(text.startswith("Means over seeds") for text in said) == 1


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        ([3, 1, 2], "1 to 3"),
        ([1, 5], "1 and 5"),
        ([1, 5, 9], "1, 5 and 9"),
        ([0, 0, 1, 1, 2, 2], "0 to 2, 2 runs of each"),
        ([0, 0, 1], "0 and 1, some in several runs"),
        ([0, 4, None], "0 and 4 and some not recorded"),
        ([None, None], "not recorded"),
    ],
)
def test_seeds_in_words(seeds: list[int | None], text: str) -> None:
    found = column(evidence({"a": [0.1] * len(seeds)}), "", QUESTION, {})
    found.cells["a"].seeds[:] = seeds
    assert f"Seeds of every group: {text}." in texts(found)


def test_the_tie_says_its_margin_and_the_correction_its_name() -> None:
    question = Question("test/accuracy", margin=0.5, correction="bh")
    said = texts(
        column(evidence({"a": spread(0.9), "b": spread(0.8), "c": spread(0.7)}), "", question, {}), question=question
    )
    assert said[0].endswith("at level 0.05, or shown to be the same within 0.5.")
    assert "by Benjamini-Hochberg over 3 pairs" in " ".join(said)


# --- from runs -------------------------------------------------------------------------------------------------------

MakeRun = Callable[..., str]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    monkeypatch.setenv("HEADWAY_CACHE", str(tmp_path / "cache"))

    def make_run(
        name: str | None, project: str, seed: int, value: float | None, lr: float = 0.1, more: str = ""
    ) -> str:
        config = f"project: {project}\nseed: {seed}\nname: {name}\noptimizer:\n  lr: {lr}\n{more}"
        path = create_run(
            tmp_path / "runs", project=project, name=name, tags=[], notes=None, config_yaml=config,
            config_hash="0" * 16, overrides=[f"name={name}", "data.path=a b.csv", f"seed={seed}"],
            command=["headway"], seed=seed,
        )  # fmt: skip
        with HistoryWriter(path / "history.jsonl") as history:
            history.log(10, {"train/loss": 1.0, **({} if value is None else {"test/accuracy": value})})
        Summary.rebuild(path).write()
        record = RunRecord(path)
        record.update(data={"fingerprint": project * 16})
        record.meta["git"], record.meta["versions"] = {"commit": "c0ffee" * 6, "dirty": seed == 1}, {"torch": "2.13"}
        record.set_status("finished")
        return path.name

    return make_run


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Report]:
    def ask_store(*runs: str, metrics: Sequence[str] = ("test/accuracy",), **more: Any) -> Report:
        store = Store(tmp_path / "runs")
        store.refresh()
        return report(store, metrics, runs, **more)

    return ask_store


def two_methods(make: MakeRun) -> None:
    for seed in range(2):
        for project, less in (("sst2", 0.0), ("mrpc", 0.2)):
            make("old", project, seed, 0.70 - less + seed / 1000, lr=0.1)
            make("new", project, seed, 0.80 - less + seed / 1000, lr=0.2)


def test_a_column_for_each_value_and_a_row_for_each_name(make: MakeRun, ask: Callable[..., Report]) -> None:
    two_methods(make)
    make("other", "sst2", 0, 0.1, lr=0.3)
    found = ask("old", "new", "other", per="project")
    assert [one.label for one in found.columns] == ["sst2 test/accuracy", "mrpc test/accuracy"]
    assert found.rows == ["old", "new", "other"], "as they were named"
    sst2, mrpc = found.columns
    assert mrpc.cells["new"].mean == pytest.approx(0.6005)
    assert marks(mrpc) == {"new": "best", "old": ""}
    assert "other" not in mrpc.cells
    assert marks(sst2)["other"] == "untested"
    assert ask(filter="", per="project").rows == ["new", "old", "other"], "the best of the first column first"


@pytest.mark.parametrize("per", ["optimizer.lr", "config.optimizer.lr", "optimizer"])
def test_columns_by_a_configuration_key_or_a_section(make: MakeRun, ask: Callable[..., Report], per: str) -> None:
    for seed in range(2):
        for lr in (0.2, 0.1):
            make("old", "p", seed, 0.7, lr=lr)
            make("new", "p", seed, 0.8, lr=lr, more="deep: true\n")
    found = ask(filter="project = p or project = q", per=per)
    name = per.rpartition(".")[2]
    assert [(one.value, sorted(one.cells)) for one in found.columns] == [
        (f"{name} 0.1", ["new", "old"]),
        (f"{name} 0.2", ["new", "old"]),
    ]


def test_columns_by_a_text_that_is_no_plain_word(make: MakeRun, ask: Callable[..., Report]) -> None:
    for seed in range(2):
        for path in ('a "b" c', "x or y"):
            make("old", "p", seed, 0.7, more=f"data:\n  path: '{path}'\n", lr=0.1)
            make("new", "p", seed, 0.8, more=f"data:\n  path: '{path}'\n", lr=0.2)
    found = ask(per="data.path")
    assert {one.value: len(one.cells) for one in found.columns} == {'a "b" c': 2, "x or y": 2}


def test_names_of_runs_are_rows_only_where_they_tell_groups_apart(make: MakeRun, ask: Callable[..., Report]) -> None:
    two_methods(make)
    assert ask(filter="project = sst2").rows == ["new", "old"]
    assert ask(filter="project = sst2", by=["optimizer.lr"]).rows == ["lr 0.2", "lr 0.1"]
    for seed in range(2):
        make("old", "sst2", seed, 0.5, lr=0.4)
    assert ask(filter="project = sst2").rows == ["lr 0.2", "lr 0.1", "lr 0.4"]


def test_a_metric_that_is_missing_in_one_column(make: MakeRun, ask: Callable[..., Report]) -> None:
    two_methods(make)
    make("new", "empty", 0, None)
    found = ask("old", "new", per="project")
    assert [len(one.cells) for one in found.columns] == [2, 2, 0]
    assert any(
        note.text.startswith("empty test/accuracy: None of 1 runs") or note.text.startswith("empty: None of 1 runs")
        for note in found.footnotes
    )
    with pytest.raises(RunError, match="has a finite value of test/nothing"):
        ask("old", "new", per="project", metrics=["test/accuracy", "test/nothing"])


def test_each_number_has_the_command_that_made_it(make: MakeRun, ask: Callable[..., Report]) -> None:
    two_methods(make)
    found = ask("old", "new", per="project", command="headway report old new")
    assert found.command == "headway report old new"
    assert len(found.sources) == 8
    assert {one.run for one in found.sources} == {
        run for one in found.columns for cell in one.cells.values() for run in cell.runs
    }
    first, second = (one for one in found.sources if (one.row, one.value) == ("old", "sst2"))
    assert first.command == "headway train name=old 'data.path=a b.csv' seed=0"
    assert second.command == "headway train name=old 'data.path=a b.csv' seed=1"
    assert (first.commit, first.dirty, second.dirty) == ("c0ffee" * 6, False, True)
    assert (first.seed, first.status, first.versions) == (0, "finished", {"torch": "2.13"})


def test_archived_runs_count_when_they_are_named(make: MakeRun, ask: Callable[..., Report], tmp_path: Path) -> None:
    runs = [make(name, "p", seed, 0.7 + seed / 100, lr=lr) for name, lr in (("a", 0.1), ("b", 0.2)) for seed in (0, 1)]
    for run in runs:
        (tmp_path / "runs" / "p" / run / "marks.json").write_text('{"format": 1, "archived": true}')
    assert ask(*runs).rows == ["a", "b"]
    assert ask(*runs, per="project").columns[0].value == "p"


def test_what_cannot_be_reported(make: MakeRun, ask: Callable[..., Report]) -> None:
    two_methods(make)
    for more, reason in (
        ({"filter": "project = q", "per": "project"}, "no run matches project = q"),
        ({"filter": "project = q"}, "no run matches"),
        ({"per": "data.pth"}, "no run has the field or configuration key 'data.pth'"),
        ({"metrics": ["test/acuracy"]}, "did you mean test/accuracy"),
        ({"by": ["optimizer.lrr"]}, "configuration key 'optimizer.lrr'"),
    ):
        with pytest.raises(RunError, match=reason):
            ask(**more)
    with pytest.raises(ValueError, match="a level of 2"):
        ask(level=2)


def test_all_of_it_is_data(make: MakeRun, ask: Callable[..., Report]) -> None:
    two_methods(make)
    found = ask("old", "new", per="project")
    data = json.loads(json.dumps(asdict(found)))
    cell = found.columns[0].cells["new"]
    assert data["columns"][0]["cells"]["new"] == asdict(cell)
    assert data["sources"] == [asdict(one) for one in found.sources]
    assert [note["text"] for note in data["footnotes"]] == [note.text for note in found.footnotes]
