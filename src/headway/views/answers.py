"""What the command line prints of an evaluation and of predictions, as rich renderables.

Texts and labels come from data sets: they are shown as text, never as markup or terminal commands.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from headway.formats import safe, value

SHOWN = 60  # characters of a text in a table
CLASSES = 12  # most classes of a confusion matrix that fits a screen


def evaluation_view(result: Mapping[str, Any]) -> list[RenderableType]:
    """Metrics of one evaluation, and the confusion matrix where it fits."""
    head = f"{result['split']} of run {result['run']}, checkpoint {result['checkpoint']} (step {result['step']}), "
    metrics = _table()
    for name, number in result["metrics"].items():
        metrics.add_row(Text(safe(name)), Text(value(number)))
    parts: list[RenderableType] = [Text(f"{safe(head)}{result['examples']:,} examples"), metrics]
    confusion = result["details"].get("confusion")
    if confusion and len(confusion["labels"]) <= CLASSES:
        parts += [Text("\ngold in rows, predicted in columns", style="dim"), confusion_view(confusion)]
    return parts


def confusion_view(confusion: Mapping[str, Any]) -> Table:
    """Counts [C, C]: the diagonal is right, everything else is bold where it is not zero."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("")
    for label in confusion["labels"]:
        table.add_column(safe(label, 16), justify="right")
    for row, (label, counts) in enumerate(zip(confusion["labels"], confusion["counts"], strict=True)):
        cells = [Text(str(n), "green" if at == row else "bold red" if n else "dim") for at, n in enumerate(counts)]
        table.add_row(Text(safe(label, 16), "dim"), *cells)
    return table


def predictions_view(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One line per example: what was predicted, how sure, and the beginning of what it was predicted for."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    for name in ("prediction", "confidence", "text"):
        table.add_column(name, justify="right" if name == "confidence" else "left", no_wrap=True)
    for row in rows:
        confidence = row.get("confidence")  # tagged words have one each: too many for a line
        sure = Text(f"{confidence:.4f}" if isinstance(confidence, float) else "")
        table.add_row(Text(safe(_answer(row), 80), style="bold"), sure, Text(safe(_asked(row), SHOWN), style="dim"))
    return table


def _answer(row: Mapping[str, Any]) -> str:
    answer = row["prediction"]
    if isinstance(answer, list) and "tokens" in row:
        tagged = zip(row["tokens"], answer, strict=True)
        return " ".join(f"{token}[{tag}]" for token, tag in tagged if tag != "O") or "(nothing)"
    if isinstance(answer, list):
        return ", ".join(map(str, answer)) or "(none)"
    return f"{answer:.4f}" if isinstance(answer, float) else answer or "(no answer)"


def _asked(row: Mapping[str, Any]) -> str:
    parts = (row.get(name) for name in ("text", "pair", "question", "context"))
    return " | ".join(part for part in parts if part) or " ".join(row.get("tokens") or ())


def _table() -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim")
    table.add_column(justify="right")
    return table
