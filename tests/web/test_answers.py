import asyncio
import csv
import io
import json
import math

import pytest

from headway.web.answers import attachment, csv_response, to_json


def test_json_is_strict_and_keeps_what_is_not_finite_as_text() -> None:
    assert json.loads(to_json({"a": [1.5, math.nan], "b": -math.inf, "c": (math.inf,)})) == {
        "a": [1.5, "NaN"],
        "b": "-Infinity",
        "c": ["Infinity"],
    }


def test_json_takes_text_that_is_not_valid_unicode() -> None:
    assert json.loads(to_json(["\ud800"])) == ["\ud800"]


def rows_of(*rows: list[object]) -> list[list[str]]:
    async def body() -> str:
        response = csv_response("t.csv", ["a", "=b"], rows)
        return "".join([chunk if isinstance(chunk, str) else chunk.decode() async for chunk in response.body_iterator])

    return list(csv.reader(io.StringIO(asyncio.run(body()))))


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x","y")'])
def test_csv_never_holds_a_formula(text: str) -> None:
    header, row = rows_of([text, None])
    assert header == ["a", "'=b"]
    assert row == [f"'{text}", ""]


@pytest.mark.parametrize("value", [-1.5, "-1.5", "-1e-4", "+3", "a=b", 'quote " and, comma', "two\nlines"])
def test_csv_leaves_numbers_and_plain_texts_alone(value: object) -> None:
    assert rows_of([value, 1])[1] == [str(value), "1"]


def test_csv_writes_lists_as_json() -> None:
    assert rows_of([["x", "ü"], {"k": 1}])[1] == ['["x","ü"]', '{"k":1}']


def test_an_attachment_names_the_file_without_letting_the_name_out() -> None:
    headers = attachment('a"b\r\nX-Evil: 1;ü.html')
    assert "\r" not in headers["Content-Disposition"]
    assert headers["Content-Disposition"].startswith(
        "attachment; filename=\"a_b__X-Evil__1__.html\"; filename*=UTF-8''a%22b"
    )
    assert "sandbox" in headers["Content-Security-Policy"]
