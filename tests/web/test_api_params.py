from typing import Any


def test_what_explains_the_metric(make_run: Any, open_dashboard: Any) -> None:
    for number in range(8):
        lr = (0.1, 0.2)[number % 2]
        text = f"seed: {number}\noptimizer:\n  lr: {lr}\nmodel: {'ab'[number // 4]}\nsame: 1\nname: run {number}\n"
        make_run(losses=(lr,), config_yaml=text, seed=number, predictions=None)
    client = open_dashboard()
    found = client.get("/api/params", params={"metric": "train/loss"}).json()
    by_key = {key["key"]: key for key in found["keys"]}
    assert (found["metric"], found["mode"]) == ("train/loss", "min")
    assert set(by_key) == {"config.seed", "config.optimizer.lr", "config.model"}
    assert by_key["config.optimizer.lr"]["importance"] > 0.7
    assert by_key["config.model"]["importance"] < 0.2
    assert (by_key["config.model"]["kind"], by_key["config.model"]["values"]) == ("text", ["a", "b"])
    assert len(found["runs"]) == 8
    at = [key["key"] for key in found["keys"]].index("config.optimizer.lr")
    assert all(run["values"][at] == run["metric"] for run in found["runs"])
    few = client.get("/api/params", params={"metric": "train/loss", "keys": "config.model", "f": "seed < 3"}).json()
    assert few["keys"] == [{"key": "config.model", "kind": "text", "importance": None, "runs": 3, "values": ["a"]}]


def test_a_metric_is_needed_and_must_be_known(make_run: Any, open_dashboard: Any) -> None:
    make_run(predictions=None)
    client = open_dashboard()
    assert client.get("/api/params").status_code == 400
    assert client.get("/api/params", params={"metric": "val/accurcy"}).status_code == 400
