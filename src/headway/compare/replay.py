"""Is a run that was done again the same run? Everything that both recorded, value by value and bit by bit.

The first run is the reference: each value it recorded must be in the other one with the same bits. What only the other
one has (it trained on where the first was interrupted) is no difference.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Series = Mapping[str, Mapping[int, float]]  # metric -> step -> value
Outcome = Literal["bit-identical", "identical to a step", "different"]

COMPARED = ("train/", "val/", "test/")  # prefixes of metrics; perf/ measures the machine
_ORDER = {"train/loss": 0, "train/grad_norm": 1, "train/lr": 2}  # of one step, in the order they come to be
_PARTS = {"train": 3, "val": 4, "test": 5, "predictions": 6}
# packages whose code computes, or decides what is computed; of all others a new version rarely changes a number
DECIDING = ("torch", "numpy", "transformers", "tokenizers", "pytorch-lightning", "headway")
ALSO_DECIDING = ("torchmetrics", "datasets", "safetensors", "scipy", "scikit-learn", "peft", "accelerate", "mkl")
DECIDING_PREFIXES = ("nvidia-", "intel-", "triton")
KINDS = ("config", "data", "code", "package", "machine")  # in the order in which they explain a difference


@dataclass(frozen=True)
class Facts:
    """What a run was made of. A fact that was not recorded (None, or missing) is not compared."""

    packages: Mapping[str, str] = field(default_factory=dict)  # name -> version, with "python"
    machine: Mapping[str, str] = field(default_factory=dict)  # name of a fact -> value
    config: Mapping[str, Any] = field(default_factory=dict)  # dotted key -> value
    commit: str | None = None
    patch: str | None = None  # a digest of the uncommitted changes; "" for none
    data: str | None = None  # fingerprint


@dataclass(frozen=True)
class Change:
    """Something that is not as it was; `decides` says that results are known to depend on it. None: there is none."""

    kind: str  # one of KINDS
    name: str
    then: str | None
    now: str | None
    decides: bool


@dataclass(frozen=True)
class Compared:
    """Things beside metrics that both runs have of one step: predictions of a split, weights of a checkpoint.

    differing: column or tensor -> how it differs, in words; empty where every bit is the same.
    """

    name: str
    step: int
    differing: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """One value that is not the same. None: that run has no such value; both are None for what is not a number."""

    step: int
    name: str
    original: float | None = None
    replayed: float | None = None
    detail: str | None = None

    @property
    def relative(self) -> float | None:
        """|replayed - original| / |original|; None where that is no number."""
        if self.original is None or self.replayed is None or not self.original:
            return None
        ratio = abs(self.replayed - self.original) / abs(self.original)
        return ratio if ratio < float("inf") else None  # also False for NaN


@dataclass(frozen=True)
class Verdict:
    """identical_to: the last recorded step up to which every bit is the same; None where there is no such step.

    values, steps: how much was compared. final: of each metric whose last value differs, that value in both runs.
    """

    outcome: Outcome
    identical_to: int | None
    values: int
    steps: int
    first: Difference | None
    final: Sequence[Difference]
    compared: Sequence[Compared]
    changes: Sequence[Change]
    notes: Sequence[str] = ()  # what could not be compared


def plain(found: Verdict) -> dict[str, Any]:
    """As JSON holds it, but that numbers may be NaN."""
    whole = asdict(found)
    for entry, one in zip(whole["final"], found.final, strict=True):
        entry["relative"] = one.relative
    if found.first is not None:
        whole["first"]["relative"] = found.first.relative
    return whole


def series(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, float]]:
    """The metrics to compare of history rows that count; of one step's rows the latest value does."""
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        for key, value in row.items():
            if key.startswith(COMPARED):
                found.setdefault(key, {})[row["step"]] = float(value)
    return found


def verdict(
    original: Series,
    replayed: Series,
    compared: Sequence[Compared] = (),
    changes: Sequence[Change] = (),
    notes: Sequence[str] = (),
) -> Verdict:
    """Raises: ValueError where `original` has no values: then there is nothing to be the same as."""
    steps = sorted({step for values in original.values() for step in values})
    if not steps:
        raise ValueError("nothing was recorded that could be compared")
    differences = [
        Difference(step, metric, value, replayed.get(metric, {}).get(step))
        for metric, values in original.items()
        for step, value in values.items()
        if not same(value, replayed.get(metric, {}).get(step))
    ]
    for one in compared:
        if one.differing:
            differences.append(Difference(one.step, one.name, detail=_shortened(one.differing)))
    first = min(differences, key=_place, default=None)
    before = [step for step in steps if first is not None and step < first.step]
    outcome: Outcome = "bit-identical" if first is None else "identical to a step" if before else "different"
    return Verdict(
        outcome=outcome,
        identical_to=steps[-1] if first is None else max(before, default=None),
        values=sum(len(values) for values in original.values()),
        steps=len(steps),
        first=first,
        final=_final(original, replayed),
        compared=compared,
        changes=changes,
        notes=notes,
    )


def same(one: Any, other: Any) -> bool:
    """Equal to the last bit: 0.0 is not -0.0, a NaN is any NaN. Lists are compared item by item."""
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other) or (one != one and other != other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return type(one) is type(other) and bool(one == other)


def differing_columns(original: Mapping[str, Sequence[Any]], replayed: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """Of the columns that both tables have: name -> how many rows differ, where any does."""
    found = {}
    for name in original.keys() & replayed.keys():
        ours, theirs = original[name], replayed[name]
        if len(ours) != len(theirs):
            return {"rows": f"{len(ours):,} against {len(theirs):,}"}
        if count := sum(not same(one, other) for one, other in zip(ours, theirs, strict=True)):
            found[name] = f"{count:,} of {len(ours):,} rows"
    return dict(sorted(found.items()))


def changes(then: Facts, now: Facts) -> list[Change]:
    """What differs, in the order in which it explains a difference."""
    found = [
        Change("config", key, _text(then.config.get(key)), _text(now.config.get(key)), True)
        for key in sorted(then.config.keys() | now.config.keys())
        if then.config and now.config and then.config.get(key) != now.config.get(key)
    ]
    if None not in (then.data, now.data) and then.data != now.data:
        found.append(Change("data", "fingerprint", then.data, now.data, True))
    if then.commit != now.commit:
        found.append(Change("code", "commit", then.commit, now.commit, True))
    if None not in (then.patch, now.patch) and then.patch != now.patch:
        found.append(Change("code", "uncommitted changes", then.patch or None, now.patch or None, True))
    if then.packages and now.packages:
        packages = [
            Change("package", name, then.packages.get(name), now.packages.get(name), decides(name))
            for name in sorted(then.packages.keys() | now.packages.keys(), key=_importance)
            if then.packages.get(name) != now.packages.get(name)
        ]
        found += packages
    for name, value in then.machine.items():
        if name in now.machine and now.machine[name] != value:
            found.append(Change("machine", name, value, now.machine[name], name in ("processor", "gpus", "processes")))
    return sorted(found, key=lambda change: (not change.decides, KINDS.index(change.kind)))


def decides(package: str) -> bool:
    """Whether results are known to depend on the version of `package`."""
    return package in (*DECIDING, *ALSO_DECIDING) or package.startswith(DECIDING_PREFIXES)


def _importance(package: str) -> tuple[int, str]:
    return (DECIDING.index(package) if package in DECIDING else len(DECIDING) + (not decides(package)), package)


def _final(original: Series, replayed: Series) -> list[Difference]:
    found = []
    for metric, values in original.items():
        last = max(values)
        again = replayed.get(metric, {}).get(last)
        if again is not None and not same(values[last], again):
            found.append(Difference(last, metric, values[last], again))
    return sorted(found, key=lambda one: ((-_PARTS[one.name.partition("/")[0]]), _place(one)))


def _place(difference: Difference) -> tuple[int, int, str]:
    name = difference.name
    return difference.step, _ORDER.get(name, _PARTS.get(name.partition("/")[0], len(_ORDER) + len(_PARTS))), name


def _shortened(differing: Mapping[str, str], most: int = 3) -> str:
    parts = [f"{name} ({how})" for name, how in differing.items()]
    return ", ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
