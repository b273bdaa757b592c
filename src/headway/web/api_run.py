"""Endpoints of one run: what is known of it, its texts, output, evaluation, files and system metrics."""

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from headway.store import layout
from headway.web.answers import Json, attachment
from headway.web.errors import ApiError
from headway.web.run_facts import TEXTS, read_evaluation, read_text, run_json, system_series
from headway.web.run_files import list_files, open_inside, read_part
from headway.web.state import open_run, optional_whole, text, whole

OUTPUT_BLOCK = 2**20  # bytes of console output in one answer
OUTPUT_TAIL = 65536


def run(request: Request) -> Response:
    return Json(run_json(open_run(request)))


def run_text(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in TEXTS:
        raise ApiError(404, f"no such text; there are: {', '.join(TEXTS)}")
    return Json(read_text(open_run(request), name))


def output(request: Request) -> Response:
    """{text, from, to, size} in bytes. A character cut by either end is left to the neighbouring part."""
    run, asked = open_run(request), optional_whole(request, "from")
    try:
        file = open_inside(run.path, layout.OUTPUT)
    except ApiError as error:
        if error.status != 404:
            raise
        return Json({"text": "", "from": 0, "to": 0, "size": 0})  # not started yet
    data, start = read_part(file, -OUTPUT_TAIL if asked is None else asked, OUTPUT_BLOCK)
    if start and (asked is None or asked < 0):
        head = next((at for at, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)
        data, start = data[head:], start + head
    data = _whole_characters(data)
    return Json({"text": data.decode("utf-8", "replace"), "from": start, "to": start + len(data), "size": file.size})


def _whole_characters(data: bytes) -> bytes:
    """`data` without a UTF-8 character at its end that has only begun."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            needed = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
            return data[:-back] if needed > back else data
    return data


def evaluation(request: Request) -> Response:
    return Json(read_evaluation(open_run(request), text(request, "split", "test"), optional_whole(request, "step")))


def files(request: Request) -> Response:
    found = list_files(open_run(request).path)
    return Json({"files": found, "bytes": sum(file["bytes"] for file in found)})


def file(request: Request) -> Response:
    path = text(request, "path")
    opened = open_inside(open_run(request).path, path)
    headers = attachment(path.rpartition("/")[2]) | {"Content-Length": str(opened.size)}
    if request.method == "HEAD":
        opened.file.close()
        return Response(headers=headers, media_type="application/octet-stream")
    return StreamingResponse(opened.blocks(), media_type="application/octet-stream", headers=headers)


def system(request: Request) -> Response:
    return Json(system_series(open_run(request), whole(request, "points", 500, 2, 5000)))


ROUTES = [
    Route("/api/runs/{id}", run, methods=["GET"]),
    Route("/api/runs/{id}/text/{name}", run_text, methods=["GET"]),
    Route("/api/runs/{id}/output", output, methods=["GET"]),
    Route("/api/runs/{id}/evaluation", evaluation, methods=["GET"]),
    Route("/api/runs/{id}/files", files, methods=["GET"]),
    Route("/api/runs/{id}/file", file, methods=["GET"]),
    Route("/api/runs/{id}/system", system, methods=["GET"]),
]
