"""What a person sees while a run trains: a live bar on a terminal, plain lines elsewhere, nothing with --json."""

import sys
import time
from dataclasses import dataclass
from typing import Any, Protocol

LINE_EVERY = 10.0  # seconds between progress lines where there is no terminal
DRAWN = 4  # times a second that a bar is: each costs 4 ms of a processor


class Display(Protocol):
    def note(self, text: str) -> None: ...

    def output(self, text: str) -> None:
        """A line that a worker printed."""

    def facts(self, facts: dict[str, Any]) -> None:
        """What a worker found out about its data and model."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """How far work on the data has come, in bytes; total 0: not known."""

    def progress(self, *, step: int, total: int, epoch: float, loss: float, tokens_per_s: float) -> None: ...

    def evaluated(self, result: dict[str, Any]) -> None:
        """A finished evaluation: split, step and its metrics."""

    def close(self) -> None: ...


class Quiet:
    """For --json: only what went wrong, on standard error."""

    def note(self, text: str) -> None:
        sys.stderr.write(text + "\n")

    def output(self, text: str) -> None: ...

    def facts(self, facts: dict[str, Any]) -> None: ...

    def preparing(self, what: str, done: int, total: int) -> None: ...

    def progress(self, **fields: Any) -> None: ...

    def evaluated(self, result: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Stage:
    """Some work on the data. start: bytes that were done when it was first heard of; begun: that time, in seconds."""

    what: str
    start: int
    begun: float

    def line(self, done: int, total: int, now: float) -> str:
        speed = (done - self.start) / max(now - self.begun, 1e-3)
        parts = [f"{self.what}: {done / 1e6:,.0f}{f' of {total / 1e6:,.0f}' if total else ''} MB"]
        if speed:
            parts.append(f"{speed / 1e6:,.1f} MB/s")
        if speed and total:
            left = round((total - done) / speed)
            parts.append(f"{left // 60}:{left % 60:02d} left")
        return ", ".join(parts)


class Terminal:
    """A rich progress bar when standard error is a terminal, otherwise a line every LINE_EVERY seconds."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True, highlight=False)
        self._bar: Any = None
        self._task: Any = None
        self._last_line = 0.0
        self._stage: Stage | None = None

    def note(self, text: str) -> None:
        self.console.print(text, markup=False)

    def output(self, text: str) -> None:
        if text:
            self.console.print(text, markup=False, style="dim")

    def facts(self, facts: dict[str, Any]) -> None:
        self._prepared()
        for text in describe_facts(facts):
            self.note(text)

    def preparing(self, what: str, done: int, total: int) -> None:
        if self._stage is None or self._stage.what != what:
            self._prepared()
            self._stage = Stage(what, done, time.monotonic())
        text = self._stage.line(done, total, time.monotonic())
        if self.console.is_terminal:
            if self._bar is None:
                self._start_preparing()
            self._bar.update(self._task, completed=done, total=total or None, text=text)
        elif time.monotonic() - max(self._last_line, self._stage.begun) >= LINE_EVERY:
            self._last_line = time.monotonic()
            self.note(text)

    def _start_preparing(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (BarColumn(bar_width=None), TextColumn("{task.fields[text]}", markup=False))
        self._bar = Progress(*columns, console=self.console, transient=True, refresh_per_second=DRAWN)
        self._task = self._bar.add_task("prepare", text="")
        self._bar.start()

    def _prepared(self) -> None:
        if self._stage is not None:
            self._stage = None
            self.close()

    def progress(self, *, step: int, total: int, epoch: float, loss: float, tokens_per_s: float) -> None:
        self._prepared()
        if not self.console.is_terminal:
            now = time.monotonic()
            if now - self._last_line >= LINE_EVERY or step == total:
                self._last_line = now
                self.note(f"step {step}/{total}  epoch {epoch:.2f}  loss {loss:.4f}  {tokens_per_s:,.0f} tokens/s")
            return
        if self._bar is None:
            self._start(total)
        self._bar.update(self._task, completed=step, total=total, epoch=epoch, loss=loss, speed=tokens_per_s)

    def _start(self, total: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]:.2f}"),
            BarColumn(bar_width=None),
            TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TextColumn("{task.fields[speed]:,.0f} tokens/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            refresh_per_second=DRAWN,
        )
        self._task = self._bar.add_task("train", total=total, epoch=0.0, loss=float("nan"), speed=0.0)
        self._bar.start()

    def evaluated(self, result: dict[str, Any]) -> None:
        values = "  ".join(f"{name} {value:.4f}" for name, value in result.items() if name not in ("split", "step"))
        self.note(f"{result['split']:>5} at step {result['step']}: {values}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def describe_facts(facts: dict[str, Any]) -> list[str]:
    """One line each about the data, its duplicates, what the checks found in it, and the model."""
    lines = []
    if "data" in facts:
        splits = facts["data"].get("splits", {})
        tokens = facts["data"].get("tokens", {})
        sizes = ", ".join(
            f"{name} {split['rows']:,}" + (f" ({tokens[name]:,} tokens)" if name in tokens else "")
            for name, split in splits.items()
        )
        labels = f"{len(facts['data']['labels'])} labels; " if facts["data"]["labels"] else ""
        lines.append(f" data: {sizes}; {labels}fingerprint {facts['data']['fingerprint'][:12]}")
        for name, split in facts["data"].get("splits", {}).items():
            if split.get("dropped_empty"):
                first = split["dropped_empty_examples"][0]
                lines.append(
                    f" data: {split['dropped_empty']} rows of {name} hold nothing, the first {first}: left out"
                )
        for name, cut in facts["data"].get("cut_texts", {}).items():
            longer = f"{cut['count']:,} texts of {name} are longer than the task's max_length"
            lines.append(f" data: {longer} and are cut, the first: {cut['first']}")
        for pair in facts["data"].get("duplicates_across", []):
            if pair["count"]:
                lines.append(f" data: {pair['count']} texts of {pair['splits'][1]} also stand in {pair['splits'][0]}")
        lines += [f" data: {warning}" for warning in facts["data"].get("checks", {}).get("warnings", [])]
    if "model" in facts:
        model = facts["model"]
        unpadded = "; runs without padding" if model.get("padding") == "none" else ""
        lines.append(f"model: {model['parameters']:,} parameters, {model['trained']:,} trained{unpadded}")
    if "resumed_from" in facts:
        lines.append(f"resumed from {facts['resumed_from']}")
    return lines
