"""Which rows of a predictions file are shown, and in which order."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headway.web.errors import ApiError
from headway.web.tables import Mask, Predictions

SORTS = ("loss", "confidence", "error", "id")


@dataclass(frozen=True)
class Choice:
    """What to keep; None and "" keep all."""

    query: str = ""
    only: str = ""  # wrong, right
    gold: str | None = None
    prediction: str | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None


def chosen(table: Predictions, choice: Choice) -> Mask:
    """[N] rows that satisfy every part of `choice`. Raises ApiError 400 for a part that the file cannot answer."""
    keep = np.ones(table.count, bool)
    if choice.only:
        if table.wrong is None:
            raise ApiError(400, f"only={choice.only}: {table.kind} predictions are neither right nor wrong")
        keep &= table.wrong if choice.only == "wrong" else ~table.wrong
    for side in ("gold", "prediction"):
        label = getattr(choice, side)
        if label is not None:
            if getattr(table, side) is None:
                raise ApiError(400, f"{side}={label[:80]}: these predictions have no {side} labels")
            keep &= table.with_label(side, label)
    if choice.min_confidence is not None or choice.max_confidence is not None:
        confidence = numbers(table, "confidence")
        with np.errstate(invalid="ignore"):  # a NaN is on neither side
            if choice.min_confidence is not None:
                keep &= confidence >= choice.min_confidence
            if choice.max_confidence is not None:
                keep &= confidence <= choice.max_confidence
    if choice.query:
        keep &= table.search(choice.query)
    return keep


def ordered(table: Predictions, keep: Mask, sort: str) -> npt.NDArray[np.int64]:
    """Numbers of the kept rows by `sort`: one of SORTS, "-" before it for descending, "" for the file's order.

    Equals stay in the file's order; NaN comes last either way.
    """
    at = np.flatnonzero(keep)
    name = sort.removeprefix("-")
    if not name:
        return at
    if name == "id":
        order = np.argsort(table.ids()[at], kind="stable")
        return at[order[::-1] if sort.startswith("-") else order]
    if name not in SORTS:
        raise ApiError(400, f"sort={sort[:40]}: must be one of {', '.join(SORTS)}, with - before it for descending")
    values = numbers(table, name)[at]
    return at[np.argsort(-values if sort.startswith("-") else values, kind="stable")]


def numbers(table: Predictions, name: str) -> npt.NDArray[np.float64]:
    if name not in table.numbers:
        known = ", ".join(table.numbers) or "no numbers"
        raise ApiError(400, f"{name}: {table.kind} predictions have none; there is {known}")
    return table.numbers[name]


def page(table: Predictions, choice: Choice, sort: str, offset: int, limit: int) -> dict[str, Any]:
    """{kind, total, matched, wrong, labels, rows} of one page."""
    order = ordered(table, chosen(table, choice), sort)
    return {
        "kind": table.kind,
        "total": table.count,
        "matched": len(order),
        "wrong": None if table.wrong is None else int(table.wrong.sum()),
        "labels": table.labels,
        "rows": table.rows(order[offset : offset + limit].tolist()),
    }
