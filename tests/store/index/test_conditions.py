"""What a filter means, run by run; runs a, b, c and d are in conftest.py."""

import random
import sqlite3
from datetime import datetime

import pytest

from headway.store.filters import FilterError, parse, parse_sort
from headway.store.index.conditions import condition, order_by

DAY = 86400.0
NOON = datetime(2026, 11, 22, 12).timestamp()  # of this machine's zone


def select(index: sqlite3.Connection, filter: str, sort: str = "", now: float = NOON) -> str:
    where, order = condition(parse(filter), now), order_by(parse_sort(sort))
    statement = f"SELECT id FROM runs WHERE {where.text} ORDER BY {order.text}"
    return "".join(id for (id,) in index.execute(statement, where.values + order.values))


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("filter", "runs"),
    [
        ("", "dcba"),
        ("id = a", "a"),
        ("id in (a, d, zzz)", "da"),
        ("id not in (a, d)", "cb"),
        ("not (id = a or id = b)", "dc"),
        ("project = other or id = a and seed = 1", "d"),
        ("(project = other or id = a) and seed = 0", "a"),
        # missing values: two-valued logic
        ("seed = 0", "ca"),
        ("seed != 0", "db"),
        ("not seed = 0", "db"),
        ("not not seed = 0", "ca"),
        ("seed < 1", "ca"),
        ("seed >= 1", "b"),
        ("seed = null", "d"),
        ("seed != null", "cba"),
        ("exists(seed)", "cba"),
        ("name = null", "dc"),
        # texts
        ('name = "first 100%"', "a"),
        ("name = second", ""),
        ("name ~ second", "b"),
        ('name ~ "0%"', "a"),
        ("name ~ %", "a"),
        ("name ~ f*1", "a"),
        ("name ~ *", "ba"),
        ("name !~ first", "dcb"),
        ("notes ~ it_b", "c"),
        ("notes ~ itxb", ""),
        ("name > G", "ba"),
        ("status = failed", "c"),
        ("status != failed", "dba"),
        ("status in (failed, crashed)", "c"),
        ("commit ~ c0f and host = h1 and data = f1 and recipe = r1 and steps = 10", "ba"),
        # tags
        ("tag = final", "a"),
        ("tag = FINAL", "b"),
        ("tags ~ final", "ba"),
        ("tag != final", "dcb"),
        ("tag = é", "b"),
        ("tag in (é, final)", "ba"),
        ("tag = 'x\"final'", "a"),
        ("tag = null", "dc"),
        ("exists(tag)", "ba"),
        # flags and times
        ("archived = true", "d"),
        ("archived = false", "cba"),
        ("seconds > 59", "ba"),
        ("seconds >= 1h", "b"),
        ("seconds < 2m", "a"),
        # configuration
        ("config.optimizer.lr < 2e-5", "ba"),
        ("config.optimizer.lr = 0.00003", "c"),
        ("config.optimizer.lr != 3e-5", "dba"),
        ("config.model.path = lstm", "c"),
        ("config.model.path ~ BERT_b", "ba"),
        ("config.model.path ~ bertxb", ""),
        ("config.size = 16", "ba"),
        ('config.size = "16"', "cba"),
        ("config.trainer.test = true", "ba"),
        ("config.trainer.test = false", ""),
        ("config.data.fold = null", "dcba"),
        ("config.optimizer.lr = null", "d"),
        ("exists(config.optimizer.lr)", "cba"),
        ("config.nothing = 1", ""),
        ("config.optimizer.lr in (1e-5, 3e-5) and config.seed = 0", "ca"),
        # metrics
        ("val/loss < 0.2", "b"),
        ("last(val/loss) = 0.5 and min(val/loss) = 0.25 and max(val/loss) = 2", "ba"),
        ('metric."val/loss".max > 1', "ba"),
        ("val/acc > 0.5", "a"),
        ("val/loss = null", "dc"),
        ("exists(val/loss)", "ba"),
        ("val/loss != 0.25", "dcb"),
        # texts alone
        ("LSTM", "c"),
        ("optimizer seed=1".replace("=", "*"), "b"),
        ("it_b", "c"),
        ("É", "b"),
        ("not lstm", "dba"),
        # what a user typed stays a value
        ('name = "x\' OR 1=1 --"', ""),
        ('config."x\') OR 1=1 --" = 1', ""),
    ],
)
def test_runs_of_a_filter(index: sqlite3.Connection, filter: str, runs: str) -> None:
    assert select(index, filter) == runs


@pytest.mark.parametrize(
    ("filter", "ages"),
    [
        ("created > 1d", [0.1, 0.6]),
        ("created <= 1d", [1.1, 40]),
        ("created = 2026-11-22", [0.1]),
        ("created != 2026-11-22", [0.6, 1.1, 40]),
        ("created >= 2026-11-22", [0.1]),
        ("created > 2026-11-21", [0.1]),
        ("created <= 2026-11-21", [0.6, 1.1, 40]),
        ("created < 2026-11-21", [40]),
        ("created < 2026-11-21T23:59:59", [0.6, 1.1, 40]),
        ("created > 2w and created < 25h", [1.1]),
    ],
)
def test_created(index: sqlite3.Connection, add_run, filter: str, ages: list[float]) -> None:
    for age in (0.1, 0.6, 1.1, 40):
        add_run(f"{age:04.1f}", created=NOON - age * DAY)
    add_run("none")
    statement = condition(parse(filter), NOON)
    found = [id for (id,) in index.execute(f"SELECT id FROM runs WHERE {statement.text}", statement.values)]
    assert found == [f"{age:04.1f}" for age in ages] + ["none"] * ("!=" in filter)


@pytest.mark.parametrize(
    ("filter", "position", "says"),
    [
        ("seed = x", 7, "seed is compared with a number"),
        ("seed ~ 1", 7, "seed is compared by"),
        ("archived = 3", 11, "true or false"),
        ("seconds > soon", 10, "seconds, or a time such as"),
        ("created > soon", 10, "a date (2026-11-22)"),
        ("created > 2026-13-01", 10, "a date (2026-11-22)"),
        ("created > 999999999w", 10, "a date (2026-11-22)"),
        ("created = 7d", 10, "a time ago is compared by"),
        ("tag < a", 6, "tag is compared by"),
        ("status = finishd", 9, "no status finishd; there are created, running"),
        ("val/loss = low", 11, "val/loss is compared with a number"),
        ("val/loss ~ 1", 11, "val/loss is compared with a number"),
        ("name < null", 7, "null can only be compared with"),
        ("name ~ " + "*a" * 101, 7, "202 characters to look for; at most 200"),
        ("x" * 201, 0, "201 characters to look for"),
    ],
)
def test_a_value_must_suit_its_key(filter: str, position: int, says: str) -> None:
    with pytest.raises(FilterError) as raised:
        condition(parse(filter), NOON)
    assert says in raised.value.message
    assert raised.value.position == position


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("sort", "runs"),
    [
        ("", "dcba"),
        ("created", "abcd"),
        ("-created", "dcba"),
        ("-project,created", "abcd"),
        ("seed", "cabd"),  # equal ones: the newest first; missing ones last, either way
        ("-seed", "bcad"),
        ("val/loss", "badc"),
        ("-val/loss", "abdc"),
        ("-config.optimizer.lr,id", "cabd"),
        ("config.size,id", "abcd"),  # numbers before texts
        ("config.model.path,-id", "bacd"),
    ],
)
def test_runs_in_order(index: sqlite3.Connection, sort: str, runs: str) -> None:
    assert select(index, "", sort) == runs


def test_the_largest_filter_is_a_statement_that_sqlite_takes(index: sqlite3.Connection) -> None:
    for filter in (
        " or ".join(["a"] * 500),
        f"id in ({','.join(['a'] * 500)})",
        "not (" * 49 + " ".join(f"seed={number}" for number in range(500)) + ")" * 49,
        " or ".join(["config.a = 1"] * 500),
    ):
        assert select(index, filter, ",".join(["val/loss"] * 20)) == ""


@pytest.mark.usefixtures("four")
def test_any_filter_gives_a_statement_that_sqlite_takes(index: sqlite3.Connection) -> None:
    draw = random.Random(1)
    atoms = ["seed = 1", "name ~ a*b", "tag != x", "config.a < 2", "last(val/loss) > 1", "exists(config.b)", "word"]
    atoms += ["created > 7d", "archived = false", "val/acc = null", "id in (a, b)", '"two words"', "not x"]
    for _ in range(300):
        text = draw.choice(atoms)
        for _ in range(draw.randint(0, 8)):
            text = draw.choice(
                [f"({text}) and {draw.choice(atoms)}", f"{text} or {draw.choice(atoms)}", f"not ({text})"]
            )
        inside, outside = select(index, text), select(index, f"not ({text})")
        assert sorted(inside + outside) == list("abcd")  # true or false for each run, never neither
