from typing import Any

import pytest

from headway.compare import contrast as contrasts
from headway.store.history import HistoryWriter, Summary
from headway.web.contrasts import KEPT

SIZE = 40
METRIC = "test/accuracy"


def answers(right: int) -> dict[str, Any]:
    """The first `right` of SIZE examples are answered right."""
    gold = ["pos", "neg"] * (SIZE // 2)
    return {
        "id": [f"e{number:02d}" for number in range(SIZE)],
        "text": ["word " * number for number in range(SIZE)],
        "gold": gold,
        "prediction": [*gold[:right], *(["neg", "pos"] * SIZE)[right % 2 :][: SIZE - right]],
        "confidence": [0.8] * SIZE,
        "loss": [0.1] * SIZE,
        "scores": [[0.8, 0.2]] * SIZE,
    }


@pytest.fixture
def ids(make_run: Any) -> list[str]:
    """Two seeds each of two learning rates, with 20 and with 30 right answers."""
    found = []
    for rate, right in ((0.1, 20), (0.2, 30)):
        for seed in (1, 2):
            text = f"seed: {seed}\noptimizer:\n  lr: {rate}\n"
            path = make_run(losses=(0.1,), predictions=answers(right + seed), seed=seed, config_yaml=text)
            with HistoryWriter(path / "history.jsonl") as history:
                history.log(1, {METRIC: (right + seed) / SIZE})
            Summary.rebuild(path).write()
            found.append(path.name)
    KEPT.clear()
    return found


@pytest.fixture
def ask(ids: list[str], open_dashboard: Any) -> Any:
    client, sides = open_dashboard(), {"a": ",".join(ids[:2]), "b": ",".join(ids[2:])}
    return lambda **given: client.get("/api/examples", params={"metric": METRIC} | sides | given)


def test_what_one_group_fixes(ask: Any, ids: list[str]) -> None:
    found = ask(only="fixed", sort="id", limit=3, offset=1, slice=["long=length > 20", "label = pos"]).json()
    assert (found["a"]["ids"], found["b"]["ids"]) == (ids[:2], ids[2:])
    assert found["counts"]["fixed"] == found["shown"] > 8
    assert found["counts"]["broken"] == 0
    assert [case["outcome"] for case in found["cases"]] == ["fixed"] * 3
    assert {"long", "label = pos"} <= {one["name"] for table in found["tables"] for one in table["slices"]}
    assert found["concentration"]["sentences"]


def test_the_next_page_is_not_computed_again(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ask(limit=2).json()["cases"]
    monkeypatch.setattr(contrasts, "examples_study", None)
    assert ask(limit=2, offset=2).json()["cases"] != first


def test_what_cannot_be_asked(ask: Any, ids: list[str]) -> None:
    refused = [
        ({"a": ""}, 400, "two groups"),
        ({"metric": ""}, 400, "metric"),
        ({"b": "20200101-000000-aaaaaa"}, 404, "not found"),
        ({"b": ids[0]}, 400, "both A and B"),
        ({"metric": "val/accuracy"}, 400, "predictions"),
        ({"slice": "length >"}, 400, "slice"),
        ({"slice": "nothing = 1"}, 400, "nothing"),
        ({"only": "some"}, 400, "some"),
        ({"level": "2"}, 400, "level"),
    ]
    for given, status, message in refused:
        answer = ask(**given)
        assert answer.status_code == status, given
        assert message in answer.json()["error"]["message"], given
    assert ask(slice="length > 1 and text <").json()["error"]["position"] == 21
