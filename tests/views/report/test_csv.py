"""CSV: a line for each cell, in the metric's own units."""

import csv
import io

from headway.compare.report import Report
from headway.views.report.csv import write


def test_a_line_for_each_cell(made: Report) -> None:
    lines = list(csv.DictReader(io.StringIO(write(made))))
    assert len(lines) == 5
    first = lines[0]
    assert (first["group"], first["part"], first["metric"]) == (made.rows[0], "a_b & <i>c</i>", "test/accuracy")
    assert (float(first["mean"]), float(first["low"]), first["n"], first["mark"]) == (0.9123, 0.9, "3", "best")
    assert (first["seeds"], first["examples"], first["higher_is_better"]) == ("0 1 2", "872", "true")
    assert first["runs"] == "run0-0.9123 run1-0.9123 run2-0.9123"
    assert first["code"] == "commit 0123456 with uncommitted changes"
    assert first["commands"].split("; ")[1] == made.sources[1].command
    assert [line["reason"] for line in lines if line["mark"] == "untested"] == ["<b>why</b> & 5%"]
    assert (lines[3]["group"], lines[3]["low"]) == (made.rows[2], "")


def test_formulas_are_text(made: Report) -> None:
    lines = list(csv.reader(io.StringIO(write(made))))
    assert [line[0] for line in lines if line[0].endswith("A0")] == ["'=cmd|' /C calc'!A0"]
