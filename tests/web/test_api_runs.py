import csv
import io
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway.store.run import Run


def ids(client: TestClient, **query: Any) -> list[str]:
    return [row["id"] for row in client.get("/api/runs", params=query).json()["rows"]]


def test_rows_hold_fixed_fields_and_the_columns_asked_for(make_run: Any, open_dashboard: Any) -> None:
    path = make_run(name="first", tags=["a"], losses=(0.5, 0.2))
    found = (
        open_dashboard().get("/api/runs", params={"cols": "config.optimizer.lr,train/loss,last(val/accuracy)"}).json()
    )
    assert (found["total"], found["all"], found["offset"]) == (1, 1, 0)
    assert found["columns"] == ["config.optimizer.lr", "train/loss", "last(val/accuracy)"]
    [row] = found["rows"]
    assert row["id"] == path.name
    assert row["cells"] == [0.1, 0.2, 0.8]
    assert (row["name"], row["tags"], row["status"], row["step"], row["seed"]) == ("first", ["a"], "finished", 2, 1)


def test_filter_sort_page_and_archive(make_run: Any, open_dashboard: Any) -> None:
    runs = [make_run(name=name, losses=(loss,)).name for name, loss in [("a", 0.3), ("b", 0.1), ("c", 0.2)]]
    client = open_dashboard()
    assert ids(client, sort="train/loss") == [runs[1], runs[2], runs[0]]
    assert ids(client, sort="train/loss", offset=1, limit=1) == [runs[2]]
    assert ids(client, f="train/loss < 0.25", sort="-name") == [runs[2], runs[1]]
    assert client.patch("/api/runs", json={"ids": [runs[0]], "archived": True}).json() == {"changed": [runs[0]]}
    assert len(ids(client)) == 2
    assert len(ids(client, archived=1)) == 3


def test_a_column_with_a_comma_in_its_name_is_one_column(make_run: Any, open_dashboard: Any) -> None:
    make_run(config_yaml="'a,b': 7\nseed: 1\n")
    found = open_dashboard().get("/api/runs", params={"cols": 'config."a,b",seed'}).json()
    assert found["rows"][0]["cells"] == [7, 1]


def test_groups(make_run: Any, open_dashboard: Any) -> None:
    for seed, loss in [(1, 0.2), (2, 0.4)]:
        make_run(seed=seed, losses=(loss,), config_yaml=f"seed: {seed}\noptimizer:\n  lr: 0.1\n")
    client = open_dashboard()
    for by in ("recipe", "config.optimizer.lr", "project,status"):
        [group] = client.get("/api/runs", params={"group": by, "cols": "train/loss,status"}).json()["groups"]
        assert (group["n"], group["statuses"]) == (2, {"finished": 2})
        mean, status = group["cells"]
        assert mean["mean"] == pytest.approx(0.3)
        assert (mean["n"], mean["min"], mean["max"]) == (2, 0.2, 0.4)
        assert status == {"value": "finished"}


def test_csv_has_every_run(make_run: Any, open_dashboard: Any) -> None:
    make_run(name="=evil", losses=(0.25,))
    make_run(name="b", losses=(0.75,))
    response = open_dashboard().get("/api/runs.csv", params={"cols": "train/loss", "sort": "train/loss"})
    header, *rows = csv.reader(io.StringIO(response.text))
    assert [row[header.index("name")] for row in rows] == ["'=evil", "b"]
    assert [row[header.index("train/loss")] for row in rows] == ["0.25", "0.75"]


def test_a_wrong_filter_is_told_with_its_place(make_run: Any, open_dashboard: Any) -> None:
    make_run()
    response = open_dashboard().get("/api/runs", params={"f": "status ="})
    error = response.json()["error"]
    assert (response.status_code, error["status"]) == (400, 400)
    assert isinstance(error["position"], int)


@pytest.mark.parametrize("query", ["limit=x", "offset=1e3", "limit=" + "9" * 5000])
def test_numbers_that_are_none_are_refused_or_held(open_dashboard: Any, query: str) -> None:
    assert open_dashboard().get(f"/api/runs?{query}").status_code in (400, 200)
    assert open_dashboard().get("/api/runs?limit=x").status_code == 400


def test_keys(make_run: Any, open_dashboard: Any) -> None:
    make_run(tags=["b", "a"], config_yaml="seed: 1\nmodel: bert\n")
    make_run(project="other", config_yaml="seed: 2\nmodel: bert\n")
    found = open_dashboard().get("/api/keys").json()
    assert found["keys"][0] == {"key": "config.seed", "kind": "number", "distinct": 2, "runs": 2, "values": [1, 2]}
    assert {"key": "train/loss", "runs": 2, "mode": "min"} in found["metrics"]
    assert (found["tags"], found["projects"]) == (["a", "b"], ["other", "reviews"])
    assert "status" in found["fields"]


def test_meta(make_run: Any, open_dashboard: Any, roots: Any) -> None:
    make_run()
    found = open_dashboard(read_only=True).get("/api/meta").json()
    assert found["roots"] == [str(roots)]
    assert found["read_only"] is True
    assert found["problem"] is None


# --- writing ---------------------------------------------------------------------------------------------------------


def test_marks_are_written_and_seen_at_once(make_run: Any, open_dashboard: Any) -> None:
    a, b = make_run(tags=["old"]), make_run(tags=["old", "kept"])
    client = open_dashboard()
    order = {"ids": [a.name, b.name], "add_tags": ["new"], "remove_tags": ["old"], "notes": "both"}
    assert client.patch("/api/runs", json=order).json() == {"changed": [a.name, b.name]}
    assert (Run.open(a).tags, Run.open(b).tags, Run.open(b).notes) == (["new"], ["kept", "new"], "both")
    assert set(ids(client, f='tag = "new"')) == {a.name, b.name}
    client.patch("/api/runs", json={"ids": [a.name], "name": "renamed"})
    assert ids(client, f="name = renamed") == [a.name]
    client.patch("/api/runs", json={"ids": [a.name], "name": None})
    assert Run.open(a).name is None


def test_nothing_is_written_when_one_run_is_unknown_or_a_field_is_wrong(make_run: Any, open_dashboard: Any) -> None:
    run = make_run()
    client = open_dashboard()
    for order, status in [
        ({"ids": [run.name, "none"], "archived": True}, 404),
        ({"ids": [run.name], "archived": True, "seed": 3}, 400),
        ({"ids": [run.name, run.name + "x"], "name": "one for both"}, 400),
        ({"ids": [run.name], "add_tags": "tag"}, 400),
        ({"ids": [run.name], "add_tags": ["  "]}, 400),
    ]:
        assert client.patch("/api/runs", json=order).status_code == status
    assert not (run / "marks.json").exists()


def test_deletion_needs_the_number_and_spares_running_runs(make_run: Any, open_dashboard: Any) -> None:
    done, running = make_run(), make_run(status="running")
    client = open_dashboard()
    for order in ({"ids": [done.name]}, {"ids": [done.name], "confirm": 2}, {"ids": [done.name], "confirm": True}):
        assert client.request("DELETE", "/api/runs", json=order).status_code == 409
    both = {"ids": [done.name, running.name], "confirm": 2}
    response = client.request("DELETE", "/api/runs", json=both)
    assert response.status_code == 409
    assert "running" in response.json()["error"]["message"]
    assert done.exists()
    response = client.request("DELETE", "/api/runs", json={"ids": [done.name], "confirm": 1})
    assert response.json() == {"deleted": [done.name]}
    assert not done.exists()
    assert ids(client) == [running.name]
