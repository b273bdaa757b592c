"""The built front end: index.html for every page's address, and files with a hash in their names."""

import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from headway.web.errors import ApiError

STATIC = Path(__file__).with_name("static")
ASSETS = STATIC / "assets"
PAGES = ("/", "/curves", "/compare", "/run/{id}", "/params")
UNBUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Headway</title>
<h1>Headway</h1>
<p>The pages are not built in this checkout. Build them with <code>make web</code> and reload.</p>
"""


def page(_: Request) -> Response:
    index = STATIC / "index.html"
    if not index.is_file():
        return HTMLResponse(UNBUILT)
    return FileResponse(index, media_type="text/html", headers={"Cache-Control": "no-cache"})


def asset(request: Request) -> Response:
    """A file directly in static/assets; only names that the folder lists are opened."""
    return _file(ASSETS, request.path_params["name"], "public, max-age=31536000, immutable")


def icon(_: Request) -> Response:
    return _file(STATIC, "icon.svg", "public, max-age=3600")


def _file(folder: Path, name: str, cache: str) -> Response:
    if not folder.is_dir() or name not in {file.name for file in folder.iterdir() if file.is_file()}:
        raise ApiError(404, "no such file")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return FileResponse(folder / name, media_type=kind, headers={"Cache-Control": cache})


ROUTES = [
    *(Route(path, page, methods=["GET"]) for path in PAGES),
    Route("/assets/{name}", asset, methods=["GET"]),
    Route("/icon.svg", icon, methods=["GET"]),
]
