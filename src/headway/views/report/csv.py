"""CSV: one line for each group in each column, in the metric's own units, with how it was made."""

import csv
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from headway.formats import csv_cell
from headway.views.report.sheet import code, printable

if TYPE_CHECKING:
    from headway.compare.report import Report

_HEADS = ("group", "part", "metric", "higher_is_better", "mean", "low", "high", "level", "sd", "n", "best", "worst")
_MORE = ("rank", "mark", "reason", "seeds", "values", "examples", "data", "runs", "code", "commands")


def write(report: "Report") -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_HEADS, *_MORE])
    sources = {source.run: source for source in report.sources}
    for row in report.rows:
        for column in report.columns:
            cell = column.cells.get(row)
            if cell is None:
                continue
            made = [sources[run] for run in cell.runs]
            ends = cell.interval
            line = [
                *(row, column.value, column.metric, str(column.higher_is_better).lower(), cell.mean),
                *((ends.low, ends.high, ends.level) if ends else ("", "", "")),
                *(cell.sd, len(cell.runs), cell.best, cell.worst, cell.rank, cell.mark, cell.reason),
                *(_joined(cell.seeds), _joined(cell.values), column.examples, _joined(column.data)),
                *(_joined(cell.runs), "; ".join(dict.fromkeys(map(code, made)))),
                "; ".join(one.command for one in made),
            ]
            writer.writerow([csv_cell(printable(one)) if isinstance(one, str) else one for one in line])
    return text.getvalue()


def _joined(values: Iterable[object]) -> str:
    return " ".join("" if value is None else str(value) for value in values)
