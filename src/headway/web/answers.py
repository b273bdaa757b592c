"""Answers of the server: strict JSON, CSV, and attachments that no browser renders."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from headway.formats import csv_cell

CSV_BLOCK = 2**16


class Json(Response):
    """Strict JSON; numbers that are not finite become text, as in the run folder."""

    media_type = "application/json"

    def __init__(self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status, headers)

    def render(self, content: Any) -> bytes:
        return to_json(content)


def to_json(value: Any) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:  # a NaN or an infinity somewhere: rare, so that only then all is copied
        text = json.dumps(finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def finite(value: Any) -> Any:
    """A copy whose non-finite numbers are "NaN", "Infinity" and "-Infinity"."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def attachment(name: str) -> dict[str, str]:
    """Headers that make any file a download, whatever its bytes look like."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return {"Content-Disposition": disposition, "Content-Security-Policy": "default-src 'none'; sandbox"}


def csv_response(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingResponse:
    """A CSV download (RFC 4180). A text that a spreadsheet would run as a formula is led by an apostrophe."""
    return StreamingResponse(_csv(header, rows), 200, attachment(name), "text/csv")


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """In blocks of CSV_BLOCK characters or somewhat more."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in chain([header], rows):
        writer.writerow([_cell(value) for value in row])
        if buffer.tell() >= CSV_BLOCK:
            yield buffer.getvalue().encode("utf-8", "backslashreplace")
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Any) -> Any:
    return csv_cell(value if value is None or isinstance(value, str | int | float) else to_json(value).decode())
