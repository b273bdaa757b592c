from typing import Any

import pytest


def test_runs_side_by_side(make_run: Any, open_dashboard: Any) -> None:
    a = make_run(name="a", losses=(0.4, 0.2))
    b = make_run(
        name="b", losses=(0.3,), config_yaml="seed: 1\noptimizer:\n  lr: 0.2\n", data="other", predictions=None
    )
    (b / "code.patch").write_text("diff --git a/x b/x\n+new\n")
    (b / "environment.txt").write_text("# Python 3.12.0 (cpython)\ntorch==9.9\n")
    found = open_dashboard().get("/api/compare", params={"runs": f"{a.name},{b.name}"}).json()
    assert [run["name"] for run in found["runs"]] == ["a", "b"]
    assert {"key": "optimizer.lr", "values": [0.1, 0.2], "differs": True} in found["config"]
    assert {"key": "seed", "values": [1, 1], "differs": False} in found["config"]
    assert {"package": "torch", "differs": True}.items() <= next(
        row for row in found["environment"] if row["package"] == "torch"
    ).items()
    assert "++new" in found["patch_diff"]
    assert [data["same"] for data in found["data"]] == [True, False]
    loss = next(row for row in found["metrics"] if row["key"] == "train/loss")
    assert (loss["mode"], loss["values"], loss["last"]) == ("min", [0.2, 0.3], [0.2, 0.3])
    assert [cost["steps"] for cost in found["cost"]] == [2, 1]
    assert found["evaluations"] == {"test": [{"n": 4}, None]}


@pytest.mark.parametrize("runs", ["", "one", ",".join(f"r{number}" for number in range(17)), "same,same"])
def test_two_to_sixteen_runs(open_dashboard: Any, runs: str) -> None:
    assert open_dashboard().get("/api/compare", params={"runs": runs}).status_code == 400


def test_an_unknown_run_is_404(make_run: Any, open_dashboard: Any) -> None:
    assert open_dashboard().get("/api/compare", params={"runs": f"{make_run().name},none"}).status_code == 404


def test_predictions_side_by_side(make_run: Any, open_dashboard: Any) -> None:
    answers: dict[str, Any] = {"id": ["x", "y"], "text": ["t", "u"], "gold": ["p", "p"], "loss": [0.1, 0.2]}
    a = make_run(predictions=answers | {"prediction": ["n", "p"], "confidence": [0.5, 0.5]})
    b = make_run(predictions=answers | {"prediction": ["p", "p"], "confidence": [0.5, 0.5]}, losses=(0.1,))
    c = make_run(predictions=answers | {"prediction": ["p", "p"], "confidence": [0.5, 0.5]}, data="other")
    client = open_dashboard()
    ask = {"a": a.name, "b": b.name, "split": "test", "only": "fixed"}
    found = client.get("/api/compare/predictions", params=ask).json()
    assert found["counts"] == {"fixed": 1, "broken": 0, "both_wrong": 0, "both_right": 1}
    assert [row["id"] for row in found["rows"]] == ["x"]
    assert (found["a"], found["b"]) == ({"run": a.name, "step": 3}, {"run": b.name, "step": 1})
    refused = client.get("/api/compare/predictions", params=ask | {"b": c.name}).json()
    assert "fingerprints" in refused["reason"]
    assert client.get("/api/compare/predictions", params=ask | {"split": "val"}).status_code == 404
