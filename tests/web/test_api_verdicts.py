import json
import shlex
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from headway.compare import study as studies
from headway.compare.leaderboard import Comparison, Place
from headway.compare.verdict import Question, Verdict
from headway.store import layout
from headway.store.history import HistoryWriter, Summary
from headway.store.marks import write_marks
from headway.web import verdicts
from headway.web.verdicts import MOST_NAMED, headline, usual

LOSSES = {0.1: (0.10, 0.12, 0.11), 0.2: (0.30, 0.33, 0.31)}
METRIC = "val/accuracy"


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    verdicts.KEPT.clear()


@pytest.fixture
def ids(make_run: Any) -> list[str]:
    """Three seeds at each of two learning rates; the first is better."""
    return [
        make_run(
            losses=(loss,),
            predictions=None,
            seed=seed,
            name=f"lr {rate}",
            config_yaml=f"seed: {seed}\nname: lr {rate}\noptimizer:\n  lr: {rate}\n",
        ).name
        for rate, losses in LOSSES.items()
        for seed, loss in enumerate(losses)
    ]


@pytest.fixture
def client(ids: list[str], open_dashboard: Any) -> Any:
    assert ids  # the dashboard finds them when it opens
    return open_dashboard()


def ask(client: Any, **given: Any) -> Any:
    return client.get("/api/verdicts", params={"metric": METRIC} | given)


def test_a_verdict_with_the_values_that_it_rests_on(client: Any, ids: list[str]) -> None:
    found = ask(client, runs=",".join(ids)).json()
    [verdict] = found["verdicts"]
    assert (verdict["first"], verdict["second"], verdict["outcome"]) == ("lr 0.1", "lr 0.2", "better")
    assert [(place["rank"], place["name"], place["n"]) for place in found["places"]] == [
        (1, "lr 0.1", 3),
        (2, "lr 0.2", 3),
    ]
    assert [group["ids"] for group in found["groups"]] == [ids[:3], ids[3:]]
    assert found["groups"][0]["seeds"] == [0, 1, 2]
    assert found["groups"][0]["values"] == pytest.approx([0.90, 0.88, 0.89])
    assert found["headline"] == "lr 0.1 is better than lr 0.2."
    assert found["question"]["level"] == 0.05
    assert ask(client, f="project = reviews").json()["verdicts"] == found["verdicts"]


def test_the_command_line_says_the_same(client: Any, ids: list[str], roots: Path, capsys: Any) -> None:
    from headway.cli import main

    found = ask(client, runs=",".join(ids), margin="0.5", level="0.01", correction="bh", by="optimizer.lr").json()
    command = shlex.split(found["commands"]["compare"])
    assert main([*command[1:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdicts"] == found["verdicts"]
    assert found["verdicts"][0]["outcome"] == "tied"
    assert command[command.index("--runs-dir") + 1] == str(roots.resolve())
    by_filter = ask(client, f="project = reviews").json()["commands"]
    assert shlex.split(by_filter["report"])[:4] == ["headway", "report", "--filter", "project = reviews"]


def test_a_second_look_is_not_computed_again_until_a_run_changes(
    client: Any, ids: list[str], roots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = studies.study
    monkeypatch.setattr(studies, "study", lambda *given, **named: asked.append(1) or real(*given, **named))
    first = ask(client, runs=",".join(ids)).content
    assert ask(client, runs=",".join(ids)).content == first
    assert len(asked) == 1
    ask(client, runs=",".join(ids), margin="0.1")
    assert len(asked) == 2
    path = roots / "reviews" / ids[0]
    with HistoryWriter(path / "history.jsonl") as history:
        history.log(2, {METRIC: 0.95})
    Summary.rebuild(path).write()
    client.app.app.state.dashboard.live.look()
    assert 0.95 in ask(client, runs=",".join(ids)).json()["groups"][0]["values"]
    assert len(asked) == 3


def test_others_are_answered_meanwhile_and_the_same_question_is_computed_once(
    client: Any, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, end, asked = threading.Event(), threading.Event(), []
    real = studies.study

    def slow(*given: Any, **named: Any) -> Any:
        asked.append(1)
        begun.set()
        assert end.wait(60)
        return real(*given, **named)

    monkeypatch.setattr(studies, "study", slow)
    with ThreadPoolExecutor(60) as threads:
        try:
            waiting = [threads.submit(ask, client, runs=",".join(ids)) for _ in range(60)]
            assert begun.wait(60)
            assert client.get("/api/meta").status_code == 200
            assert client.get("/api/verdicts/choices", params={"runs": ",".join(ids)}).status_code == 200
        finally:
            end.set()
        assert {one.result(60).status_code for one in waiting} == {200}
    assert len(asked) == 1


REFUSED = [
    ({}, 400, "runs, or a filter, and not both"),
    ({"runs": "x", "f": "seed = 1"}, 400, "runs, or a filter, and not both"),
    ({"runs": "20200101-000000-aaaaaa"}, 404, "not found"),
    ({"f": "seed = 1", "metric": ""}, 400, "metric"),
    ({"f": "project = reviews", "metric": "val/accurcy"}, 400, "did you mean val/accuracy"),
    ({"f": "project = reviews", "metric": "seed"}, 400, "is no metric"),
    ({"f": "project = reviews", "margin": "-1"}, 400, "margin"),
    ({"f": "project = reviews", "margin": "wide"}, 400, "margin"),
    ({"f": "project = reviews", "level": "0.7"}, 400, "level"),
    ({"f": "project = reviews", "correction": "none"}, 400, "correction"),
    ({"f": "project = reviews", "by": "optimizer.rate"}, 400, "optimizer.rate"),
    ({"f": "name = 'lr 0.1'"}, 400, "make one group"),
    ({"f": "seed = 9"}, 400, "no run matches"),
    ({"runs": ",".join(f"r{number}" for number in range(MOST_NAMED + 1))}, 400, f"at most {MOST_NAMED}"),
]


def test_what_cannot_be_asked(client: Any) -> None:
    for given, status, message in REFUSED:
        answer = ask(client, **given)
        error = answer.json()["error"]
        assert (answer.status_code, error["status"]) == (status, status), given
        assert message in error["message"], given
    assert ask(client, f="seed = 1 and x <").json()["error"]["position"] == 16


def test_more_runs_than_are_compared(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "MOST_RUNS", 5)
    assert "6 runs match" in ask(client, f="project = reviews").json()["error"]["message"]


def test_named_runs_count_when_they_are_archived(client: Any, ids: list[str], roots: Path) -> None:
    write_marks(roots / "reviews" / ids[0], archived=True)
    client.app.app.state.dashboard.live.look()
    assert len(ask(client, runs=",".join(ids)).json()["groups"][0]["ids"]) == 3
    assert len(ask(client, f="project = reviews").json()["groups"][0]["ids"]) == 2


def test_a_reproduction_counts_where_it_is_named(client: Any, ids: list[str], roots: Path) -> None:
    write_marks(roots / "reviews" / ids[0], add_tags=[layout.REPRODUCTION])
    client.app.app.state.dashboard.live.look()
    assert ids[0] in ask(client, runs=",".join(ids)).json()["groups"][0]["ids"]
    assert ids[0] not in ask(client, f="project = reviews").json()["groups"][0]["ids"]


def test_what_can_be_compared(client: Any, ids: list[str]) -> None:
    found = client.get("/api/verdicts/choices", params={"runs": ",".join(ids)}).json()
    assert sorted(found["runs"]) == sorted(ids)
    assert (found["recipes"], found["metric"]) == (2, METRIC)
    assert found["metrics"][0] == {"key": METRIC, "runs": 6, "mode": "max"}
    assert [key["key"] for key in found["keys"]] == ["config.optimizer.lr"]


def place(name: str, rank: int | None) -> Place:
    return Place(rank, name, 2, 0.5, 0.1, None, 0.5, 0.5)


@pytest.mark.parametrize(
    ("ranks", "found", "expected"),
    [
        ((1, 2), {"ab": "better"}, "a is better than b."),
        ((1, 1), {"ab": "tied"}, "a and b are tied."),
        ((1, 1), {"ab": "too little data"}, "Too little data to tell a and b apart."),
        ((None, None), {"ab": "refused"}, "No verdict: nothing here can be compared."),
        ((1, 2, 2), {"ab": "better", "ca": "worse", "bc": "tied"}, "a is best: shown to be better than all others."),
        (
            (1, 1, 2),
            {"ab": "tied", "ac": "better", "bc": "better"},
            "2 of 3 groups share the first place: none is shown to be worse.",
        ),
        (
            (1, 1, 2),
            {"ab": "refused", "ac": "better", "bc": "refused"},
            "No single ranking: 2 of 3 pairs cannot be compared. Ranks hold among the others.",
        ),
        ((1, 1, 1), {"ab": "tied", "ac": "tied", "bc": "tied"}, "No difference between these 3 groups is shown."),
        (
            (1, 2, None),
            {"ab": "better", "ac": "refused", "bc": "refused"},
            "a is best: shown to be better than 1 of 2 others. 1 group could not be tested.",
        ),
    ],
)
def test_the_headline(ranks: tuple[int | None, ...], found: dict[str, Any], expected: str) -> None:
    places = [place(name, rank) for name, rank in zip("abc", ranks, strict=False)]
    told = [Verdict(*pair, outcome, "", [], []) for pair, outcome in found.items()]
    assert headline(Comparison(Question("test/f1"), places, told)) == expected


@pytest.mark.parametrize(
    ("metrics", "monitor", "expected"),
    [
        ({"val/f1": 4, "test/f1": 4, "test/loss": 4}, "val/f1", "test/f1"),
        ({"val/f1": 4, "test/f1": 2, "test/loss": 4}, "val/f1", "val/f1"),
        ({"train/loss": 4, "val/f1": 4, "test/loss": 4}, None, "test/loss"),
        ({"train/loss": 4, "val/f1": 4}, "val/other", "val/f1"),
        ({}, "val/f1", None),
    ],
)
def test_the_usual_metric(metrics: dict[str, int], monitor: str | None, expected: str | None) -> None:
    assert usual(metrics, monitor) == expected
