from pathlib import Path
from typing import Any

import pytest

from headway.web import pages


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Built</title>")
    (folder / "assets" / "index-1a2b.js").write_text("export {}")
    monkeypatch.setattr(pages, "STATIC", folder)
    monkeypatch.setattr(pages, "ASSETS", folder / "assets")
    return folder


@pytest.mark.parametrize("place", ["/", "/curves", "/compare?runs=a,b", "/run/anything", "/params"])
def test_every_page_is_the_index(open_dashboard: Any, static: Path, place: str) -> None:
    assert static.is_dir()
    response = open_dashboard().get(place)
    assert "<title>Built" in response.text
    assert response.headers["cache-control"] == "no-cache"


def test_files_with_a_hash_in_their_names_are_kept_for_ever(open_dashboard: Any, static: Path) -> None:
    client = open_dashboard()
    response = client.get("/assets/index-1a2b.js")
    assert response.headers["content-type"].startswith("text/javascript")
    assert "immutable" in response.headers["cache-control"]
    assert client.get("/assets/none.js").status_code == 404
    (static / "assets" / "folder").mkdir()
    assert client.get("/assets/folder").status_code == 404


def test_without_a_build_the_page_says_how_to_make_one(open_dashboard: Any, static: Path) -> None:
    (static / "index.html").unlink()
    response = open_dashboard().get("/")
    assert "make web" in response.text
    assert "<script" not in response.text


@pytest.mark.parametrize("place", ["/nowhere", "/run", "/run/", "/api", "/api/", "/api/runs/", "/index.html"])
def test_an_unknown_address_is_one_json_error(open_dashboard: Any, place: str) -> None:
    response = open_dashboard().get(place)
    assert response.status_code == 404
    assert response.json()["error"]["status"] == 404
