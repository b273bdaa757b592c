import json
import sqlite3

import pytest

from headway.store.filters import FilterError
from headway.store.index.queries import Row, ask, ids, matching, table

pytestmark = pytest.mark.usefixtures("four")


def test_a_row_and_its_cells(index: sqlite3.Connection) -> None:
    columns = ["config.optimizer.lr", "config.size", "config.trainer.test", "config.data.fold", "config.model.path"]
    columns += ["val/loss", "last(val/loss)", "val/acc", "tag", "archived", "host", "notes"]
    found = table(index, ask(index, "id = a"), columns)
    assert (found.total, found.all, found.columns) == (1, 4, columns)
    assert found.rows == [
        Row(
            *("a", "first 100%", "p", "finished", ["final", 'x"final'], None, False, None, 60.0, 10, 10, 0, "r1"),
            cells=[1e-5, 16, True, None, "bert_base", 0.25, 0.5, 0.75, 'final, x"final', False, "h1", None],
        )
    ]
    assert [type(cell) for cell in found.rows[0].cells[:3]] == [float, int, bool]


def test_a_text_that_looks_like_a_number_stays_a_text(index: sqlite3.Connection) -> None:
    [row] = table(index, ask(index, "id = c"), ["config.size", "last(val/loss)", "notes"]).rows
    assert row.cells == ["16", None, "It_broke"]


def test_pages(index: sqlite3.Connection) -> None:
    for offset, limit, expected in ((0, 2, "dc"), (1, 2, "cb"), (3, 9, "a"), (9, 9, ""), (1, None, "cba"), (0, 0, "")):
        found = table(index, ask(index, archived=True), ["config.seed"], offset, limit)
        assert "".join(row.id for row in found.rows) == expected
        assert (found.total, found.all) == (4, 4)


def test_archived_runs_are_left_out_unless_they_are_asked_for(index: sqlite3.Connection) -> None:
    assert ids(index, ask(index)) == ["c", "b", "a"]
    assert ids(index, ask(index, archived=True), 2) == ["d", "c"]
    assert ids(index, ask(index, "archived = true")) == ["d"]
    assert ids(index, ask(index, "project = other or id = a")) == ["a"]  # the whole filter, not its last part


def test_ids_and_row_keys_are_in_the_same_order(index: sqlite3.Connection) -> None:
    asked = ask(index, "", "val/loss", archived=True)
    assert ids(index, asked) == ["b", "a", "d", "c"]
    assert matching(index, asked) == [2, 1, 4, 3]


@pytest.mark.parametrize(
    ("filter", "sort", "columns", "says"),
    [
        ("val/los > 1", "", [], "no run has val/los; did you mean val/loss?"),
        ("seed = 1 and exists(config.optimiser.lr)", "", [], "did you mean config.optimizer.lr?"),
        ("", "-lr", [], "no run has lr; did you mean config.optimizer.lr?"),
        ("", "", ["val/loss", "config.seeed"], "did you mean config.seed?"),
        ("optimizer.lr = 1", "", [], "did you mean config.optimizer.lr?"),
        ("config.val/loss = 1", "", [], "no run has config.val/loss"),  # a metric's name is no configuration key
        ("", "", ["a b"], "expected `and`, `or` or the end"),
        ("", "", ["seed"] * 501, "501 columns; at most 500"),
    ],
)
def test_a_key_that_no_run_has_is_an_error(
    index: sqlite3.Connection, filter: str, sort: str, columns: list[str], says: str
) -> None:
    with pytest.raises(FilterError, match=says.replace("?", r"\?")):
        table(index, ask(index, filter, sort), columns)


def test_of_an_empty_index_nothing_is_known_yet(index: sqlite3.Connection) -> None:
    index.executescript("DELETE FROM runs; DELETE FROM config; DELETE FROM metrics")
    assert table(index, ask(index, "val/accuracy > 1", "-config.a"), ["config.b"]).rows == []


def test_many_runs_give_the_same_cells_as_few(index: sqlite3.Connection, add_run) -> None:
    for number in range(1200):
        add_run(f"n{number:04}", {"size": number % 7, "name": f"v{number % 3}"}, {"val/acc": number / 4})
    columns = ["config.size", "config.name", "val/acc", "max(val/acc)", "config.optimizer.lr"]
    whole = table(index, ask(index, "", "id"), columns)
    assert whole.total == 1203
    assert [(row.id, row.cells) for row in whole.rows[:2]] == [
        ("a", [16, None, 0.75, 0.75, 1e-5]),
        ("b", [16, None, 0.25, 0.25, 1e-5]),
    ]
    assert [row.cells for row in whole.rows[3:]] == [[n % 7, f"v{n % 3}", n / 4, n / 4, None] for n in range(1200)]
    assert table(index, ask(index, "", "id"), columns, 500, 9).rows == whole.rows[500:509]


def test_rows_are_plain_values(index: sqlite3.Connection) -> None:
    found = table(index, ask(index, archived=True), ["val/loss", "config.size", "tag"])
    assert json.loads(json.dumps([vars(row) for row in found.rows], allow_nan=False))[0]["id"] == "d"
