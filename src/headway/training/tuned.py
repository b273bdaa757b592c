"""What to try in tuning a machine, and what to make of it: plain functions on what was measured (by `tune`).

A setting is a change of the config, by dotted keys. Every one is measured beside the present one, on the same batches
in turn, so that each round gives a ratio of two throughputs; `Tried.ratios` holds those.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Literal

Changes = dict[str, Any]  # dotted key of the config -> value
Stage = Literal["setting", "together", "size", "evaluation", "compile"]
Bound = Literal["memory", "time", "data"]

GAIN = 1.05  # a setting that is less than this many times as fast is left as it was
HOPELESS = 0.6  # a setting that is slower than this at first sight is not looked at again
PATIENT = 300.0  # seconds from which compiling is tried on a processor, where it takes minutes and hardly pays


@dataclass(frozen=True)
class Tried:
    """One setting as measured. tokens_per_s: median of the rounds. memory_bytes: the most that a step took beside the
    process itself. seconds: to compile. note: why it was measured in part or not at all.
    """

    stage: Stage
    changes: Changes
    tokens_per_s: float | None = None
    ratios: list[float] = field(default_factory=list)
    memory_bytes: int | None = None
    seconds: float = 0.0
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return median(self.ratios) if self.ratios else None

    @property
    def pays(self) -> bool:
        """Faster by GAIN, and in every round."""
        return not self.note and self.ratio is not None and self.ratio >= GAIN and min(self.ratios) > 1

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}


@dataclass(frozen=True)
class Largest:
    """The most examples (or tokens, with batch.tokens) that fit at once on a device, and what set the bound."""

    size: int
    bound: Bound


@dataclass(frozen=True)
class Present:
    """What the config asks for. size: examples, or tokens with batch.tokens, of a step; its key is `unit`.

    base: changes without which it does not fit into memory. tokens: of the whole run.
    """

    unit: str
    size: int
    accumulate: int
    devices: int
    eval_size: int
    tokens: int
    base: Changes = field(default_factory=dict)

    @property
    def at_once(self) -> int:
        """Of a micro-batch on one device."""
        parts = int(self.base.get("batch.accumulate", self.accumulate))
        return math.ceil(self.size / (self.devices * parts))


def settings(config: Mapping[str, Any], cuda: bool, bf16: bool, cores: int, fixed: Iterable[str]) -> list[Changes]:
    """What may be faster and gives the same results, up to rounding and to where dropout falls; compiling apart.

    bf16: whether a GPU has it. cores: of the processor. fixed: keys that stay as they are.
    """
    trainer, found = config["trainer"], list[Changes]()
    attention = {"unpadded": "sdpa", "sdpa": "unpadded"}.get(config["model"].get("attn_implementation", ""))
    if attention and not trainer.get("compile"):
        found.append({"model.attn_implementation": attention})
    if trainer["precision"] == "32-true":
        found.append({"trainer.precision": "bf16-mixed" if bf16 or not cuda else "16-mixed"})
        if trainer.get("matmul_precision", "highest") == "highest":
            found.append({"trainer.matmul_precision": "high" if cuda else "medium"})
    elif trainer["precision"].endswith("mixed"):
        found.append({"trainer.precision": "32-true"})
    if not cuda and trainer["threads"] is None and trainer["devices"] == 1 and cores > 1:
        found.append({"trainer.threads": cores // 2})
    return [changes for changes in found if not set(changes) & set(fixed)]


def largest(start: int, most: int, fits: Callable[[int], bool | None]) -> Largest:
    """The largest size from 1 to `most` that fits, to within an eighth; 0 where not even 1 does.

    fits: None where it would take too long to try.
    """
    good, bad, size = 0, None, min(start, most)
    while (answer := fits(size)) and size < most:
        good, size = size, min(2 * size, most)
    if answer:
        return Largest(size, "data")
    if answer is None and good:
        return Largest(good, "time")
    bad = size
    while bad - good > max(1, good // 8):
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return Largest(good, "memory")


GROUPS = (("model.attn_implementation",), ("trainer.precision", "trainer.matmul_precision"), ("trainer.threads",))


def winners(tried: Iterable[Tried]) -> list[Tried]:
    """Of settings that exclude each other the fastest, where it pays."""
    paying = [one for one in tried if one.stage == "setting" and one.pays]
    groups = ([one for one in paying if set(one.changes) & set(keys)] for keys in GROUPS)
    return [max(group, key=speed) for group in groups if group]


def speed(one: Tried) -> float:
    return one.ratio or 0.0


def fastest(tried: Sequence[Tried]) -> Changes:
    """The changes of all that pays together, where that was measured, or of what pays most."""
    rivals = [*winners(tried), *(one for one in tried if one.stage == "together" and one.pays)]
    return max(rivals, key=speed).changes if rivals else {}


def choose(tried: Sequence[Tried], present: Present, any_size: bool) -> Changes:
    """What to write down. Only with `any_size` a batch.size that gives other results."""
    chosen = present.base | fastest(tried)
    sizes = [one for one in tried if one.stage == "size" and one.pays and (any_size or present.unit not in one.changes)]
    if sizes:
        chosen |= max(sizes, key=speed).changes
    if evaluations := [one for one in tried if one.stage == "evaluation" and one.pays]:
        chosen |= max(evaluations, key=speed).changes
    for one in tried:
        if one.stage == "compile" and one.pays and pays_back(one, present.tokens):
            chosen |= one.changes
    return chosen


def pays_back(compiled: Tried, tokens: int) -> bool:
    """Whether a run of so many tokens saves more time than compiling takes."""
    rate = compiled.tokens_per_s or 0.0
    return tokens / rate + compiled.seconds < tokens / rate * speed(compiled)


def parts_for(present: Present, at_once: int) -> int:
    """The least batch.accumulate with which no more than `at_once` meet on a device."""
    return math.ceil(present.size / (present.devices * at_once))


def experiment(chosen: Changes, based_on: str | None, lines: Iterable[str]) -> str:
    """The YAML of config group `experiment` that sets what was chosen. lines: of its comment."""
    import yaml

    node: dict[str, Any] = {"defaults": [based_on, "_self_"]} if based_on else {}
    for key, value in chosen.items():
        group, _, name = key.partition(".")
        node.setdefault(group, {})[name] = value
    body = yaml.safe_dump(node, sort_keys=False) if node else ""
    return "".join(f"{line}\n" for line in ("# @package _global_", *(f"# {line}" for line in lines))) + body
