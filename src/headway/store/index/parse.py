"""From bytes of history.jsonl to columns: whole blocks through Arrow's JSON reader, line by line where it declines."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from headway.store.index.chunks import Steps, Values
from headway.store.rows import RESUMED, parse_row

log = logging.getLogger(__name__)

BLOCK = 4 << 20  # bytes
FEW = 256  # lines that are as fast to read one by one

Columns = dict[str, tuple[Steps, Values]]  # name -> (steps [n], values [n]) in the order in which they were written


def read_blocks(file: BinaryIO, start: int, limit: int) -> Iterator[bytes]:
    """Whole lines from byte `start`, about BLOCK bytes at a time, until `limit` bytes; a torn last line is left."""
    at, size = start, BLOCK
    while at < start + limit:
        file.seek(at)
        data = file.read(size)
        end = data.rfind(b"\n") + 1
        if end:
            at, size = at + end, BLOCK
            yield data[:end]
        elif len(data) < size:
            return
        else:
            size *= 2  # one line longer than this


@dataclass
class Parser:
    """Parses the blocks of one history in turn. `known` are the metrics to expect; it learns those that come."""

    path: str
    known: set[str]

    def events(self, block: bytes) -> Iterator[Columns | int]:
        """Columns, or the step from which a resumed run went on, in the order of the file."""
        at = 0
        while at < len(block):
            resumed = at if block.startswith(RESUMED, at) else block.find(b"\n" + RESUMED, at) + 1 or len(block)
            if resumed > at:
                yield from self._columns(block[at:resumed])
            at = block.find(b"\n", resumed) + 1 or len(block)
            if resumed < at and (row := parse_row(block[resumed:at])) is not None:
                yield int(row["resumed_at"])

    def _columns(self, block: bytes) -> Iterator[Columns]:
        lines = int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))
        if lines <= FEW:
            yield self._by_line(block)
        elif (columns := self._by_column(block, lines)) is not None:
            yield columns
        else:  # most of it may be fit for Arrow, and what is not may teach a new metric
            middle = block.find(b"\n", len(block) // 2) + 1 or len(block)
            middle = middle if middle < len(block) else block.rfind(b"\n", 0, len(block) - 1) + 1
            yield from self._columns(block[:middle])
            yield from self._columns(block[middle:])

    def _by_column(self, block: bytes, lines: int) -> Columns | None:
        """None where a line is not plain numbers of known metrics, or would be taken otherwise than line by line."""
        import pyarrow as pa
        from pyarrow import json

        if lines * len(self.known) > 16 * len(block):
            return None  # columns that are nearly empty
        schema = pa.schema([("step", pa.int64()), *((name, pa.float64()) for name in sorted(self.known))])
        try:
            table = json.read_json(
                pa.BufferReader(block),
                json.ReadOptions(use_threads=False, block_size=len(block) + 1),
                json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
            )
        except pa.ArrowInvalid:
            return None
        gaps = any(column.null_count for column in table.columns)
        if table.num_rows != lines or table.column("step").null_count or (gaps and b"null" in block):
            return None  # a value of null looks like one that is not there, and makes the line no row
        steps = table.column("step").to_numpy()
        columns = {}
        for name in self.known:
            column = table.column(name)
            there = slice(None) if not column.null_count else column.is_valid().to_numpy()
            if column.null_count < lines:
                columns[name] = (steps[there], column.to_numpy()[there])
        return columns

    def _by_line(self, block: bytes) -> Columns:
        steps: dict[str, list[int]] = {}
        values: dict[str, list[float]] = {}
        skipped = 0
        for line in block.split(b"\n")[:-1]:
            row = parse_row(line)
            try:
                step = row.pop("step") if row is not None else 1 << 63
                numbers = {name: float(value) for name, value in (row or {}).items()}
            except OverflowError:  # a whole number of 400 digits
                step = 1 << 63
            if abs(step) >= 1 << 63:
                skipped += 1
                continue
            for name, number in numbers.items():
                steps.setdefault(name, []).append(step)
                values.setdefault(name, []).append(number)
        if skipped:
            log.warning("%s: %d lines are no history rows; skipped", self.path, skipped)
        self.known.update(steps)
        return {name: (np.array(at, np.int64), np.array(values[name])) for name, at in steps.items()}
