"""Runs to groups, and what sets groups apart."""

from typing import Any

import pytest

from headway.compare.groups import Group, Record, confounds, groups_of, pooled, several
from headway.errors import RunError


def record(id: str, seed: int = 0, data: str = "d", has_value: bool = True, **config: Any) -> Record:
    flat = {key.replace("__", "."): value for key, value in config.items()}
    return Record(id, {"seed": seed, "name": id, **flat}, seed, data, has_value)


def grid() -> list[Record]:
    return [
        record(f"r{number:02}", seed, optimizer__lr=lr, model__dropout=dropout)
        for number, (lr, dropout, seed) in enumerate(
            (lr, dropout, seed) for lr in (0.1, 0.01) for dropout in (0.0, 0.3) for seed in (0, 1, 2)
        )
    ]


def named(groups: list[Group]) -> dict[str, list[str]]:
    return {group.name: group.ids for group in groups}


def test_seeds_of_one_recipe_are_a_group() -> None:
    groups = groups_of(grid()[::-1])
    assert named(groups) == {
        "lr 0.1, dropout 0.0": ["r00", "r01", "r02"],
        "lr 0.1, dropout 0.3": ["r03", "r04", "r05"],
        "lr 0.01, dropout 0.0": ["r06", "r07", "r08"],
        "lr 0.01, dropout 0.3": ["r09", "r10", "r11"],
    }
    assert groups[0].seeds == [0, 1, 2]
    assert groups[0].data == ["d"] * 3


@pytest.mark.parametrize("key", ["optimizer.lr", "config.optimizer.lr", "optimizer"])
def test_by_a_key_or_a_section(key: str) -> None:
    groups = groups_of(grid(), by=[key])
    assert {name: len(ids) for name, ids in named(groups).items()} == {"lr 0.1": 6, "lr 0.01": 6}
    assert pooled(groups[0]) == ["lr 0.1 takes together runs that differ in more than the seed (dropout 0.0 and 0.3)"]
    assert confounds(groups, key) == [], "both have both dropouts, equally often"


def test_over_a_key() -> None:
    groups = groups_of(grid(), over=["model.dropout"])
    assert {name: len(ids) for name, ids in named(groups).items()} == {"lr 0.1": 6, "lr 0.01": 6}


def test_confounds_are_told() -> None:
    records = [one for one in grid() if one.config["optimizer.lr"] == 0.1 or one.config["model.dropout"] == 0.3]
    groups = groups_of(records, by=["optimizer.lr"])
    assert confounds(groups, "optimizer.lr") == ["dropout differs too (0.0 and 0.3 in lr 0.1, 0.3 in lr 0.01)"]
    assert confounds(groups, ["optimizer", "model"]) == []


def test_several_differences_are_told() -> None:
    groups = groups_of(grid())
    assert several([groups[0], groups[1]]) == []
    [told] = several([groups[0], groups[3]])
    assert told == "groups that differ in 2 things (lr, dropout) do not tell which of these makes the difference"


def test_another_class_is_one_difference() -> None:
    records = [
        record("a", name=None, model___target_="x.Recurrent", model__layers=2, model__hidden=8),
        record("b", name=None, model___target_="x.Averaged", model__pool="mean"),
    ]
    groups = groups_of(records)
    assert [group.name for group in groups] == ["Recurrent", "Averaged"]
    assert several(groups) == []


def test_groups_are_called_what_their_runs_are() -> None:
    def records(*projects: str) -> list[Record]:
        return [
            Record(f"{project}{name}{seed}", {"name": name, "project": project, "a": name}, seed)
            for project in projects
            for name in ("bert", "gpt")
            for seed in (0, 1)
        ]

    assert [group.name for group in groups_of(records("p"))] == ["bert", "gpt"]
    assert [group.name for group in groups_of(records("p", "q"))] == ["p/bert", "p/gpt", "q/bert", "q/gpt"]
    assert [group.name for group in groups_of(records("p"), by=["a"])] == ["a bert", "a gpt"], "as it was asked"


def test_equal_ends_of_keys_are_told_apart_and_long_names_cut() -> None:
    groups = groups_of([record("a", name=None, x__lr=1, y__lr=2), record("b", name=None, x__lr=2, y__lr=1)])
    assert [group.name for group in groups] == ["x.lr 1, y.lr 2", "x.lr 2, y.lr 1"]
    cut = groups_of([record("a", name=None, path="p" * 100 + "a"), record("b", name=None, path="p" * 100 + "b")])
    assert [group.name[-5:] for group in cut] == ["… (1)", "… (2)"]


def test_a_repeated_seed_counts_once_and_the_latest() -> None:
    [group] = groups_of([record("a", 0, lr=1), record("b", 0, lr=1), record("c", 1, lr=1)])
    assert (group.ids, group.seeds, group.repeats) == (["b", "c"], [0, 1], ["a"])


def test_a_run_without_the_metric_is_no_repeat() -> None:
    [group] = groups_of([record("a", 0), record("b", 0, has_value=False), record("c", 1, has_value=False)])
    assert (group.ids, group.missing, group.repeats) == (["a"], ["b", "c"], [])


def test_values_that_look_alike_and_missing_ones() -> None:
    groups = groups_of([record("a", lr=None), record("b"), record("c", lr=1)])
    assert named(groups) == {"lr none": ["b"], "lr 1": ["c"]}


def test_an_unknown_key() -> None:
    with pytest.raises(RunError, match=r"did you mean optimizer\.lr\?"):
        groups_of(grid(), by=["optimiser.lr"])
    with pytest.raises(RunError, match="headway show"):
        groups_of(grid(), over=["zzz"])
