"""Predictions of two runs on the same examples: which ones B gets right that A got wrong, and the other way round."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from headway.web.errors import ApiError
from headway.web.tables import Mask, Predictions

SORTS = ("loss", "a.loss", "b.loss", "id")
ONLY = {  # of the examples of both: (A is wrong, B is wrong)
    "fixed": (True, False),
    "broken": (False, True),
    "both_wrong": (True, True),
    "both_right": (False, False),
}
_ANSWER = ("prediction", "confidence", "loss", "answer", "margin", "scores", "wrong")
_COUNTS = ("tokens", "bytes", "masked", "correct", "pairs", "in_order")  # of an answer, where they are numbers


def align(
    a: Predictions, b: Predictions, *, same_data: bool, only: str, query: str, sort: str, offset: int, limit: int
) -> dict[str, Any]:
    """{kind, shared, only_a, only_b, counts, matched, rows, reason}; a `reason` says why nothing can be compared.

    Counts and `only` (a key of ONLY, or "differ": other answers) are over the examples that both have, by their ids.
    """
    ids_a, ids_b = a.ids(), b.ids()
    _, at_a, at_b = np.intersect1d(ids_a, ids_b, return_indices=True)
    order = np.argsort(at_a)  # in the order of A's file
    at_a, at_b = at_a[order], at_b[order]
    sizes = {"shared": len(at_a), "only_a": a.count - len(at_a), "only_b": b.count - len(at_b)}
    found: dict[str, Any] = {"kind": a.kind, **sizes, "counts": None, "matched": 0, "rows": [], "reason": None}
    if reason := _refusal(a, b, same_data):
        return found | {"reason": reason}
    if len(at_a) == 0:
        return found | {"reason": "the two runs have no example in common"}
    if len(np.unique(ids_a)) < a.count or len(np.unique(ids_b)) < b.count:
        return found | {"reason": "an example's id occurs more than once, so that answers cannot be told apart"}
    if a.wrong is not None and b.wrong is not None:
        wrong = a.wrong[at_a], b.wrong[at_b]
        found["counts"] = {name: int(_case(wrong, case).sum()) for name, case in ONLY.items()}
    keep = _kept(a, b, at_a, at_b, only)
    if query:
        keep &= a.search(query)[at_a] | b.search(query)[at_b]
    kept = np.flatnonzero(keep)
    kept = kept[_order(a, b, at_a[kept], at_b[kept], sort)]
    shown = kept[offset : offset + limit]
    pairs = zip(a.rows(at_a[shown].tolist()), b.rows(at_b[shown].tolist()), strict=True)
    return found | {"matched": len(kept), "rows": [_pair(ours, theirs) for ours, theirs in pairs]}


def _refusal(a: Predictions, b: Predictions, same_data: bool) -> str | None:
    if not same_data:
        return "the data of the two runs differ (see their fingerprints), so their examples are not the same"
    if a.kind != b.kind:
        return f"the two runs answer different tasks: {a.kind} and {b.kind}"
    return None


def _case(wrong: tuple[Mask, Mask], case: tuple[bool, bool]) -> Mask:
    both: Mask = (wrong[0] == case[0]) & (wrong[1] == case[1])
    return both


def _kept(a: Predictions, b: Predictions, at_a: npt.NDArray[Any], at_b: npt.NDArray[Any], only: str) -> Mask:
    if not only:
        return np.ones(len(at_a), bool)
    if only == "differ":
        ours, theirs = a.answers(), b.answers()
        return np.array([ours[i] != theirs[j] for i, j in zip(at_a, at_b, strict=True)], bool)
    if a.wrong is None or b.wrong is None:
        raise ApiError(400, f"only={only}: {a.kind} predictions are neither right nor wrong", "use only=differ")
    return _case((a.wrong[at_a], b.wrong[at_b]), ONLY[only])


def _order(
    a: Predictions, b: Predictions, at_a: npt.NDArray[Any], at_b: npt.NDArray[Any], sort: str
) -> npt.NDArray[np.int64]:
    """ "loss" is how much higher B's loss is than A's; equals stay in the order of A's file."""
    name = sort.removeprefix("-")
    if not name:
        return np.arange(len(at_a))
    if name not in SORTS:
        raise ApiError(400, f"sort={sort[:40]}: must be one of {', '.join(SORTS)}, with - before it for descending")
    if name == "id":
        order = np.argsort(a.ids()[at_a], kind="stable")
        return order[::-1] if sort.startswith("-") else order
    none = np.full(max(a.count, b.count), np.nan)
    ours, theirs = a.numbers.get("loss", none)[at_a], b.numbers.get("loss", none)[at_b]
    values = {"loss": theirs - ours, "a.loss": ours, "b.loss": theirs}[name]
    return np.argsort(-values if sort.startswith("-") else values, kind="stable")


def _pair(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    own = {*_ANSWER, *(name for name in _COUNTS if isinstance(ours.get(name), int))}
    given = {key: value for key, value in ours.items() if key not in own and key not in ("id", "gold")}
    answers = [{key: value for key, value in side.items() if key in own} for side in (ours, theirs)]
    return {"id": ours["id"], "input": given, "gold": ours.get("gold"), "a": answers[0], "b": answers[1]}
