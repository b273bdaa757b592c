"""`headway report`: tables in files and on the terminal, and the figure beside them."""

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from headway.cli import main
from headway.commands.base import Command
from headway.commands.report import add, command_line
from headway.store.history import HistoryWriter, Summary
from headway.store.writer import RunRecord, create_run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two seeds each of two methods, the work folder beside them."""
    monkeypatch.setenv("HEADWAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HEADWAY_RUNS", raising=False)
    monkeypatch.chdir(tmp_path)
    for name, lr, value in (("old", 0.1, 0.7), ("new", 0.2, 0.8)):
        for seed in range(2):
            path = create_run(
                tmp_path / "runs", project="p", name=name, tags=[], notes=None, config_hash="0" * 16,
                config_yaml=f"seed: {seed}\nname: {name}\noptimizer:\n  lr: {lr}\n", overrides=[f"seed={seed}"],
                command=["headway"], seed=seed,
            )  # fmt: skip
            with HistoryWriter(path / "history.jsonl") as history:
                history.log(1, {"test/accuracy": value + seed / 1000, "test/loss": 1 - value - seed / 1000})
            Summary.rebuild(path).write()
            RunRecord(path).set_status("finished")
    return tmp_path


ASKED = ["report", "old", "new", "--metric", "test/accuracy"]


@pytest.mark.usefixtures("runs")
def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, "--metric", "test/loss", "--percent"]) == 0
    shown = capsys.readouterr().out.split("\n")
    assert shown[0] == "|  | test/accuracy ↑ | test/loss ↓ |"
    assert shown[2].startswith("| old | 70.05 ±0.64 | 0.2995 ±0.0064 |")
    assert shown[3].startswith("| new | **80.05** ±0.64 | **0.1995** ±0.0064 |")
    assert "headway report old new --metric test/accuracy --metric test/loss --percent" in shown
    assert any(line.startswith("headway train seed=1  # run ") for line in shown)


def test_files_in_the_format_of_their_ending(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, start in (
        ("a.md", "|  |"),
        ("a.tex", "% \\usepackage{booktabs}"),
        ("a.csv", "group,part,metric"),
        ("a.html", "<!doctype html>"),
    ):
        assert main([*ASKED, "--out", name]) == 0
        assert capsys.readouterr().out == f"wrote {name}\n"
        assert (runs / name).read_text().startswith(start)
    assert main([*ASKED, "--out", "a.md", "--figure", "f.pdf"]) == 0
    assert (runs / "f.pdf").read_bytes().startswith(b"%PDF")


def test_the_format_may_be_said(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, "--out", "table", "--format", "latex", "--figure", "f.svg"]) == 0
    assert "\\begin{table}" in (runs / "table").read_text()
    assert main([*ASKED, "--format", "csv"]) == 0
    assert capsys.readouterr().out.split("\n")[1].startswith("group,part")


def test_markdown_links_the_figure_from_where_it_lies(runs: Path) -> None:
    (runs / "docs").mkdir()
    assert main([*ASKED, "--out", "docs/a.md", "--figure", "f.svg"]) == 0
    assert "![test/accuracy](../f.svg)" in (runs / "docs" / "a.md").read_text()


@pytest.mark.usefixtures("runs")
def test_json_is_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, "--per", "project", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    [column] = found["columns"]
    assert (column["value"], column["metric"]) == ("p", "test/accuracy")
    assert {name: cell["mark"] for name, cell in column["cells"].items()} == {"new": "best", "old": ""}
    assert found["footnotes"][0]["mark"] == "bold"
    assert [source["command"] for source in found["sources"]] == ["headway train seed=0", "headway train seed=1"] * 2


def test_the_command_can_be_given_again() -> None:
    parser = argparse.ArgumentParser()
    add(Command(parser.add_subparsers()))
    given = ["report", "a b", "--metric", "test/f1", "--metric=-x", "--per", "data.path", "--by", "a,b", "--over", "c"]
    given += ["--margin", "0.5", "--level", "0.01", "--correction", "bh", "--percent", "--format", "md"]
    given += ["--out", "x.md", "--figure", "f.svg", "--runs-dir", "r"]
    line = shlex.split(command_line(parser.parse_args(given)))
    assert line[0] == "headway"
    assert parser.parse_args(line[1:]) == parser.parse_args(given)
    assert shlex.split(command_line(parser.parse_args(["report", "--filter", "", "--metric", "m"]))) == [
        *("headway", "report", "--metric", "m", "--filter", "")
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--metric", "m"], "takes runs, or --filter"),
        ([*ASKED[1:], "--filter", "x"], "takes runs, or --filter"),
        ([*ASKED[1:], "--out", "a.doc"], "--out a.doc: give --format, or end it in .md"),
        ([*ASKED[1:], "--figure", "a.jpg"], "--figure a.jpg: it can end in .svg, .pdf, .png"),
        ([*ASKED[1:], "--level", "2"], "a level of 2.0"),
        ([*ASKED[1:], "--out", "no/a.md"], "no/a.md: cannot be written: No such file"),
        ([*ASKED[1:], "--per", "x"], "no run has the field or configuration key 'x'"),
        (["old", "new", "--metric", "nothing"], "none of 4 runs has"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_it_refuses_in_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str) -> None:
    assert main(["report", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert reason in shown.err
    assert shown.err.count("\n") == 1


def test_imports_nothing_heavy() -> None:
    code = (
        "import sys, headway.compare.report, headway.commands.report, headway.views.figure\n"
        "from headway.views.report import csv, html, latex, md\n"
        "print({'torch', 'transformers', 'matplotlib', 'pandas', 'rich'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
