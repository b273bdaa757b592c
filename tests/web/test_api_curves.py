import json
import struct
from typing import Any

import numpy as np
import pytest


def unpack(data: bytes) -> tuple[dict[str, Any], list[dict[str, np.ndarray]]]:
    """What the page reads."""
    (length,) = struct.unpack_from("<I", data)
    at = 4 + length
    assert at % 8 == 0
    head = json.loads(data[4:at])
    found = []
    for series in head["series"]:
        arrays = {}
        for name in ("x", "mean") if series["raw"] else ("x", "mean", "min", "max"):
            kind = "<f8" if name == "x" else "<f4"
            arrays[name] = np.frombuffer(data, kind, series["n"], at)
            at += -(-arrays[name].nbytes // 8) * 8
        found.append(arrays)
    assert at == len(data)
    return head, found


def test_short_runs_come_as_they_were_logged(make_run: Any, open_dashboard: Any) -> None:
    a = make_run(name="a", losses=(0.5, float("nan"), 0.25))
    b = make_run(name="b", losses=(0.75,))
    client = open_dashboard()
    response = client.get("/api/curves", params={"metric": "train/loss", "runs": f"{b.name},{a.name}"})
    head, found = unpack(response.content)
    assert response.headers["content-type"] == "application/octet-stream"
    assert (head["metric"], head["x"], head["total"]) == ("train/loss", "step", 2)
    assert [(series["run"], series["name"]) for series in head["series"]] == [(b.name, "b"), (a.name, "a")]
    np.testing.assert_array_equal(found[1]["x"], [1, 2, 3])
    np.testing.assert_array_equal(found[1]["mean"], np.array([0.5, np.nan, 0.25], np.float32))


def test_long_runs_come_as_buckets_that_hide_no_spike(make_run: Any, open_dashboard: Any) -> None:
    losses = [0.5] * 6000
    losses[4321] = 9.0
    run = make_run(losses=tuple(losses), predictions=None)
    client = open_dashboard()
    head, [curve] = unpack(client.get("/api/curves", params={"metric": "train/loss", "points": 100}).content)
    assert head["series"][0]["run"] == run.name
    assert not head["series"][0]["raw"]
    assert len(curve["x"]) <= 400
    assert curve["max"].max() == 9.0
    zoom = {"metric": "train/loss", "points": 100, "from": 4300, "to": 4340}
    _, [near] = unpack(client.get("/api/curves", params=zoom).content)
    assert near["max" if "max" in near else "mean"].max() == 9.0
    assert near["x"].min() >= 4290
    assert near["x"].max() <= 4350


def test_the_filter_chooses_and_the_limit_is_said(make_run: Any, open_dashboard: Any) -> None:
    for number in range(3):
        make_run(name=f"n{number}", predictions=None)
    client = open_dashboard()
    ask = {"metric": "val/accuracy", "f": "name ~ n", "sort": "-name", "limit": 2, "x": "time"}
    head, found = unpack(client.get("/api/curves", params=ask).content)
    assert head["total"] == 3
    assert [series["name"] for series in head["series"]] == ["n2", "n1"]
    assert found[0]["x"][0] == 0
    _, missing = unpack(client.get("/api/curves", params={"metric": "val/accuracy", "x": "tokens"}).content)
    assert [len(curve["x"]) for curve in missing] == [0, 0, 0]


@pytest.mark.parametrize("query", ["", "metric=a&x=weeks", "metric=a&points=many", "metric=a&from=b", "metric=a&f=(("])
def test_what_is_no_question_is_refused(make_run: Any, open_dashboard: Any, query: str) -> None:
    make_run(predictions=None)
    assert open_dashboard().get(f"/api/curves?{query}").status_code == 400
