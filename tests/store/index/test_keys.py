import sqlite3

import pytest

from headway.store.index.keys import ConfigKey, config_keys, metric_keys
from headway.store.index.queries import ask


@pytest.mark.usefixtures("four")
def test_the_keys_that_differ_come_first(index: sqlite3.Connection) -> None:
    assert config_keys(index, ask(index)) == [
        ConfigKey("config.model.path", "text", 2, 3, ["bert_base", "lstm"]),
        ConfigKey("config.optimizer.lr", "number", 2, 3, [1e-5, 3e-5]),
        ConfigKey("config.seed", "number", 2, 3, [0, 1]),
        ConfigKey("config.data.fold", "text", 1, 2, [None]),
        ConfigKey("config.size", "number", 1, 3, [16]),
        ConfigKey("config.trainer.test", "bool", 1, 2, [True]),
    ]


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("filter", "differing"), [("recipe = r1", ["config.seed"]), ("id = a", []), ("id in (a, c)", ["model.path", "lr"])]
)
def test_keys_of_a_filter(index: sqlite3.Connection, filter: str, differing: list[str]) -> None:
    found = [key.key for key in config_keys(index, ask(index, filter)) if key.distinct > 1]
    assert [key.rpartition(".")[2] for key in found] == [key.rpartition(".")[2] for key in differing]


@pytest.mark.usefixtures("four")
def test_no_runs_have_no_keys(index: sqlite3.Connection) -> None:
    for filter in ("id = zzz", "archived = true"):
        assert config_keys(index, ask(index, filter)) == []
        assert metric_keys(index, ask(index, filter)) == []


def test_at_most_eight_values_the_most_frequent(index: sqlite3.Connection, add_run) -> None:
    for number in range(60):
        add_run(f"n{number:02}", {"lr": number if number < 40 else 7, "same": "x"}, {"val/loss": 1.0})
    lr, same = config_keys(index, ask(index))
    assert (lr.distinct, lr.runs, len(lr.values)) == (40, 60, 8)
    assert 7 in lr.values
    assert (same.distinct, same.runs) == (1, 60)
    lr, same = config_keys(index, ask(index, "config.lr < 3"))
    assert (lr.distinct, lr.runs, lr.values) == (3, 3, [0, 1, 2])
    assert (same.distinct, same.runs, same.values) == (1, 3, ["x"])


def test_keys_of_many_kinds_can_be_listed(index: sqlite3.Connection, add_run) -> None:
    for number, value in enumerate([True, 1, 1.5, "text", "1", None, [1, 2]]):
        add_run(f"n{number}", {"mixed": value})
    [key] = config_keys(index, ask(index))
    assert (key.kind, key.distinct) == ("text", 6)  # 1 and "1" are written alike


@pytest.mark.usefixtures("four")
def test_metrics(index: sqlite3.Connection) -> None:
    found = {metric.key: (metric.runs, metric.mode) for metric in metric_keys(index, ask(index))}
    assert found == {"val/acc": (2, "max"), "val/loss": (3, "min")}
    assert [metric.key for metric in metric_keys(index, ask(index, "val/acc > 0.5"))] == ["val/acc", "val/loss"]
