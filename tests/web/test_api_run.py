import csv
import io
import json
from typing import Any

import pytest

from headway.store.layout import SYSTEM


def test_everything_of_a_run(make_run: Any, open_dashboard: Any) -> None:
    path = make_run(name="n", status="failed", overrides=["optimizer.lr=0.1", "seed=7"], seed=7)
    found = open_dashboard().get(f"/api/runs/{path.name}").json()
    assert found["config"] == {"seed": 1, "optimizer.lr": 0.1}
    assert found["splits"] == [{"split": "test", "steps": [3]}]
    assert found["evaluations"] == [{"split": "test", "step": 3}]
    assert found["resume"] == f"headway resume {path.name}"
    assert found["reproduce"] == "headway train optimizer.lr=0.1 seed=7"
    assert found["summary"]["train/loss"]["min"] == 0.3
    assert (found["status"], found["has_system"], found["data"]["fingerprint"]) == ("failed", False, "same")
    for key in ("monitor", "hardware", "versions", "git", "model", "attempts", "overrides", "path", "tags", "archived"):
        assert key in found


def test_an_unknown_run_is_404_everywhere(open_dashboard: Any) -> None:
    client = open_dashboard()
    for place in (
        "",
        "/text/config",
        "/output",
        "/predictions",
        "/evaluation",
        "/files",
        "/file?path=run.json",
        "/system",
    ):
        response = client.get(f"/api/runs/none{place}")
        assert response.status_code == 404
        assert "'none': not found" in response.json()["error"]["message"]


def test_texts(make_run: Any, open_dashboard: Any) -> None:
    path = make_run()
    client = open_dashboard()
    found = client.get(f"/api/runs/{path.name}/text/config").json()
    assert found == {"text": "seed: 1\noptimizer:\n  lr: 0.1\n", "bytes": 29, "truncated": False}
    assert client.get(f"/api/runs/{path.name}/text/run").status_code == 404


def test_output_is_followed_without_cutting_characters(make_run: Any, open_dashboard: Any) -> None:
    path = make_run()
    client = open_dashboard()
    ask = f"/api/runs/{path.name}/output"
    assert client.get(ask).json() == {"text": "", "from": 0, "to": 0, "size": 0}
    written = "größer\n".encode()
    (path / "output.log").write_bytes(written[:3])  # "gr" and the first half of ö
    first = client.get(ask, params={"from": 0}).json()
    assert (first["text"], first["to"]) == ("gr", 2)
    (path / "output.log").write_bytes(written)
    second = client.get(ask, params={"from": first["to"]}).json()
    assert (second["text"], second["to"], second["size"]) == ("ößer\n", len(written), len(written))
    assert client.get(ask, params={"from": -6}).json()["text"] == "ßer\n"  # -6 is in the middle of ö
    assert client.get(ask, params={"from": 10_000}).json()["text"] == ""


def test_a_file_is_a_download_of_its_bytes(make_run: Any, open_dashboard: Any) -> None:
    path = make_run()
    (path / "artifacts" / "a#b.html").write_bytes(bytes(range(256)) * 3000)
    client = open_dashboard()
    response = client.get(f"/api/runs/{path.name}/file", params={"path": "artifacts/a#b.html"})
    assert response.content == bytes(range(256)) * 3000
    assert response.headers["content-type"] == "application/octet-stream"
    head = client.head(f"/api/runs/{path.name}/file", params={"path": "artifacts/a#b.html"})
    assert (head.headers["content-length"], head.content) == (str(256 * 3000), b"")
    listed = client.get(f"/api/runs/{path.name}/files").json()
    assert {"artifacts/a#b.html", "run.json"} <= {file["path"] for file in listed["files"]}
    assert listed["bytes"] == sum(file["bytes"] for file in listed["files"])


def test_an_evaluation_that_is_missing_or_broken_is_said(make_run: Any, open_dashboard: Any) -> None:
    path = make_run()
    client = open_dashboard()
    ask = f"/api/runs/{path.name}/evaluation"
    assert client.get(ask).json() == {"split": "test", "step": 3, "metrics": {"accuracy": 0.75}, "details": {"n": 4}}
    response = client.get(ask, params={"split": "val"})
    assert "recorded are: test at step 3" in response.json()["error"]["message"]
    (path / "artifacts" / "evaluation-test-000003.json").write_text("[1]")
    assert client.get(ask).status_code == 400


def test_predictions_and_their_csv(make_run: Any, open_dashboard: Any) -> None:
    path = make_run()
    client = open_dashboard()
    ask = f"/api/runs/{path.name}/predictions"
    found = client.get(ask, params={"only": "wrong"}).json()
    assert (found["split"], found["step"], found["kind"]) == ("test", 3, "labelled")
    assert (found["total"], found["matched"], found["wrong"], found["labels"]) == (4, 1, 1, ["neg", "pos"])
    assert found["rows"][0]["id"] == "e2"
    assert found["rows"][0]["wrong"] is True
    assert client.get(ask).json()["rows"][0]["id"] == "e2"  # the highest loss first
    text = client.get(f"{ask}.csv", params={"gold": "neg"}).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["id"], row["wrong"]) for row in rows] == [("e2", "True"), ("e4", "False")]
    assert "recorded are: test at step 3" in client.get(ask, params={"step": 1}).json()["error"]["message"]
    assert client.get(ask, params={"only": "maybe"}).status_code == 400
    assert client.get(ask, params={"min_confidence": "x"}).status_code == 400


def test_system_metrics_are_means_over_parts(make_run: Any, open_dashboard: Any) -> None:
    path = make_run()
    rows = [{"time": 100.0 + at, "cpu_percent": float(at), "memory_bytes": 5} for at in range(10)]
    lines = [json.dumps(row) for row in rows] + ['{"time": 1', "[]", '{"time": "x"}', '{"cpu_percent": 1}']
    (path / SYSTEM).write_text("\n".join(lines))
    found = open_dashboard().get(f"/api/runs/{path.name}/system", params={"points": 5}).json()
    assert found["x"] == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert found["series"] == {"cpu_percent": [0.5, 2.5, 4.5, 6.5, 8.5], "memory_bytes": [5.0] * 5}
    assert found["units"] == {"cpu_percent": "%", "memory_bytes": "B"}


def test_a_run_without_system_metrics_has_none(make_run: Any, open_dashboard: Any) -> None:
    found = open_dashboard().get(f"/api/runs/{make_run().name}/system")
    assert found.status_code == 404  # made after the dashboard looked
    client = open_dashboard()
    [row] = client.get("/api/runs").json()["rows"]
    assert client.get(f"/api/runs/{row['id']}/system").json() == {"x": [], "series": {}, "units": {}}


def test_numbers_that_are_not_finite_come_as_text(make_run: Any, open_dashboard: Any) -> None:
    path = make_run(losses=(0.5, float("nan")))
    found = open_dashboard().get(f"/api/runs/{path.name}").json()
    assert found["summary"]["train/loss"]["last"] == "NaN"


@pytest.mark.parametrize("kind", ["config.yaml", "overrides.yaml", "environment.txt", "code.patch"])
def test_every_text_that_a_run_keeps_can_be_read(make_run: Any, open_dashboard: Any, kind: str) -> None:
    path = make_run()
    name = {"code.patch": "patch"}.get(kind, kind.partition(".")[0])
    found = open_dashboard().get(f"/api/runs/{path.name}/text/{name}").json()
    assert found["text"].encode() == (path / kind).read_bytes()
