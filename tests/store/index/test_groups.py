import sqlite3
import statistics

import pytest

from headway.store.filters import FilterError
from headway.store.index.groups import Shared, Spread, group_runs
from headway.store.index.queries import ask

pytestmark = pytest.mark.usefixtures("four")


def test_everything_but_the_seed(index: sqlite3.Connection) -> None:
    columns = ["val/loss", "config.model.path", "config.seed", "config.data.fold", "name"]
    first, second = group_runs(index, ask(index, "", "-val/loss"), columns, "recipe")
    assert (first.key, first.title, first.n) == ([("recipe", "r1")], "optimizer.lr=1e-5", 2)
    assert (first.ids, first.statuses) == (["a", "b"], {"finished": 2})
    losses = [0.25, 0.125]
    assert first.cells == [
        Spread(2, statistics.mean(losses), statistics.stdev(losses), 0.125, 0.25),
        Shared("bert_base"),
        Spread(2, 0.5, pytest.approx(0.5**0.5), 0, 1),
        Shared(None),
        None,
    ]
    assert (second.title, second.n, second.statuses) == ("model=lstm", 1, {"failed": 1})
    assert second.cells == [Shared(None), Shared("lstm"), Spread(1, 0, None, 0, 0), Shared(None), Shared(None)]


def test_by_any_keys(index: sqlite3.Connection) -> None:
    groups = group_runs(index, ask(index, archived=True), [], ["config.trainer.test", "config.seed", "status"])
    assert [(group.title, group.ids) for group in groups] == [
        ("trainer.test none, seed none, status finished", ["d"]),
        ("trainer.test none, seed 0, status failed", ["c"]),
        ("trainer.test True, seed 1, status finished", ["b"]),
        ("trainer.test True, seed 0, status finished", ["a"]),
    ]
    assert groups[2].key == [("config.trainer.test", True), ("config.seed", 1), ("status", "finished")]


def test_a_number_and_a_text_of_the_same_spelling_are_two_groups(index: sqlite3.Connection) -> None:
    groups = group_runs(index, ask(index), [], ["config.size"])
    assert [(group.key[0][1], group.ids) for group in groups] == [("16", ["c"]), (16, ["b", "a"])]


def test_true_and_one_are_two_groups(index: sqlite3.Connection, add_run) -> None:
    for id, value in (("x", True), ("y", 1)):
        add_run(id, {"flag": value})
    groups = group_runs(index, ask(index, "exists(config.flag)"), [], ["config.flag"])
    assert sorted(str(group.key[0][1]) for group in groups) == ["1", "True"]


@pytest.mark.parametrize(
    ("sort", "titles"),
    [
        ("val/acc", ["x 2.0", "x 3.0", "x 1.0", "x none"]),
        ("-val/acc", ["x 1.0", "x 3.0", "x 2.0", "x none"]),
        ("notes,-val/acc", ["x 3.0", "x 1.0", "x 2.0", "x none"]),
    ],
)
def test_groups_are_ordered_by_their_means(index: sqlite3.Connection, add_run, sort: str, titles: list[str]) -> None:
    for number, (x, value) in enumerate([(1.5, 9), (1.5, 1), (2.5, 2), (2.5, 4), (3.5, 3.5)]):
        add_run(f"g{number}", {"x": x - 0.5}, {"val/acc": value}, project="g", notes="n" if x == 3.5 else None)
    add_run("none", project="g")
    groups = group_runs(index, ask(index, "project = g", sort), [], ["config.x"])
    assert [group.title for group in groups] == titles


def test_a_group_of_what_no_run_has_is_an_error(index: sqlite3.Connection) -> None:
    with pytest.raises(FilterError, match=r"did you mean config\.size"):
        group_runs(index, ask(index), [], ["config.sise"])
