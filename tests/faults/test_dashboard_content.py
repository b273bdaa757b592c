"""Faults 19, 21 and 22: other people's text and files, as the dashboard hands them out."""

import csv
import io
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

SCRIPT = "<script>alert(1)</script>"


def test_text_with_script_in_it_is_only_ever_data(server: Any, run_id: str) -> None:
    places = ["/api/runs", "/api/keys", f"/api/runs/{run_id}", f"/api/runs/{run_id}/predictions?split=test"]
    places += [f"/api/runs/{run_id}/text/config", f"/api/runs/{run_id}/files"]
    for place in places:
        _, headers, body = server.ask("GET", place)
        assert SCRIPT.encode() in body or place.endswith("files")
        assert headers["content-type"] == "application/json"
    for place in ("/", f"/run/{quote(SCRIPT)}", f"/?f={quote(SCRIPT)}"):
        assert SCRIPT.encode() not in server.ask("GET", place)[2]


@pytest.mark.parametrize("name", ["evil.html", "evil.svg"])
def test_artifacts_are_downloads_that_no_browser_renders(server: Any, run_id: str, name: str) -> None:
    status, headers, body = server.ask("GET", f"/api/runs/{run_id}/file?path=artifacts/{name}")
    assert status == 200
    assert SCRIPT.encode() in body
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment;")
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]


def test_no_exported_cell_is_a_formula(server: Any, run_id: str) -> None:
    for place in ("/api/runs.csv?cols=notes,tag", f"/api/runs/{run_id}/predictions.csv?split=test"):
        status, headers, body = server.ask("GET", place)
        assert status == 200
        assert headers["content-disposition"].startswith("attachment;")
        cells = [cell for row in csv.reader(io.StringIO(body.decode())) for cell in row]
        assert any(cell.startswith("'=") for cell in cells)
        for cell in cells:
            if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
                float(cell)  # a number is the only thing that may begin so


def test_nothing_in_a_run_folder_is_unpickled(server: Any, root: Path, marker: Path) -> None:
    [evil] = [file.parents[1].name for file in root.glob("*/*/checkpoints/step-1.ckpt")]
    for path in (
        "",
        "/predictions?split=val",
        "/evaluation?split=val",
        "/system",
        "/files",
        "/file?path=checkpoints/step-1.ckpt",
    ):
        status, _, body = server.ask("GET", f"/api/runs/{evil}{path}")
        assert status < 500, body
    assert server.ask("GET", f"/api/runs/{evil}/predictions?split=val")[0] == 422
    assert not marker.exists()
