"""How far work on the data has come: from the reader of a file to the line that somebody sees."""

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from headway.data.progress import watched
from headway.data.sources import files
from headway.training import display as module
from headway.training.display import Quiet, Stage, Terminal
from headway.training.events import PipeChannel
from headway.training.supervisor import Attempt, take_event


class Heard(Quiet):
    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []

    def preparing(self, what: str, done: int, total: int) -> None:
        self.told.append((what, done, total))


def test_from_a_file_to_the_display(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"text {i}\n" for i in range(20_000)))
    reader, writer = os.pipe()
    channel = PipeChannel(writer)
    with watched(channel.preparing):
        files.read(str(path))
    display = Heard()
    for line in os.read(reader, 2**16).splitlines():
        if json.loads(line)["event"] == "preparing":
            take_event(line, Attempt(), cast(Any, None), display)
    os.close(reader)
    assert display.told
    what, done, total = display.told[0]
    assert what == f"reading {path}"
    assert 0 < done < total == path.stat().st_size


def test_events_are_few() -> None:
    reader, writer = os.pipe()
    channel = PipeChannel(writer)
    for done in range(500):
        channel.preparing("encoding train", done, 500)
    assert 1 <= len(os.read(reader, 2**16).splitlines()) < 5
    os.close(reader)


def test_a_line_says_how_fast_and_how_long() -> None:
    stage = Stage("encoding train", 100_000_000, 50.0)
    assert stage.line(160_000_000, 1_000_000_000, 60.0) == "encoding train: 160 of 1,000 MB, 6.0 MB/s, 2:20 left"
    assert stage.line(100_000_000, 1_000_000_000, 50.0) == "encoding train: 100 of 1,000 MB"
    assert Stage("reading a.gz", 0, 0.0).line(3_000_000, 0, 2.0) == "reading a.gz: 3 MB, 1.5 MB/s"


def test_without_a_terminal_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    terminal = Terminal()
    for second in range(25):
        clock[0] = 100.0 + second
        terminal.preparing("encoding train", second * 1_000_000, 30_000_000)
    terminal.close()
    assert capsys.readouterr().err.splitlines() == [
        "encoding train: 10 of 30 MB, 1.0 MB/s, 0:20 left",
        "encoding train: 20 of 30 MB, 1.0 MB/s, 0:10 left",
    ]


def test_on_a_terminal_a_bar_that_gives_way_to_that_of_training(capsys: pytest.CaptureFixture) -> None:
    terminal = Terminal()
    terminal.console = Console(stderr=True, force_terminal=True, width=100)
    terminal.preparing("reading texts.txt", 1_000_000, 30_000_000)
    terminal.preparing("encoding train", 15_000_000, 30_000_000)
    terminal._bar.refresh()
    terminal.progress(step=1, total=2, epoch=0.5, loss=1.0, tokens_per_s=10.0)
    terminal.close()
    shown = capsys.readouterr().err
    assert "encoding train: 15 of 30 MB" in shown
    assert "step 1/2" in shown
