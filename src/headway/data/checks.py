"""What can be wrong with data before a model has seen it: near duplicates, labels given away, classes out of balance.

The result is plain JSON, recorded with the run in `data.checks`, and one sentence for each finding.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from headway.cache import cache_folder
from headway.data import near, shortcuts
from headway.data.cache import made_once
from headway.data.encode import cache_key
from headway.data.examples import Examples
from headway.data.names import shown
from headway.data.portions import taken
from headway.data.texts import LONGEST, Array, evenly, lengths, plain

FORMAT = 1  # bump when a check finds other things: what older ones found is then made anew
EXAMPLES = 5
DOMINANT = 0.8  # share of one label from which accuracy says little
SHIFTED = 0.1  # total variation distance from which label shares count as different
NOISE = 2.0  # times what two samples of one distribution are expected to differ by
Facts = dict[str, Any]


def remembered(splits: Mapping[str, pa.Table], fingerprint: str, kind: str | None, find: Callable[[], Facts]) -> Facts:
    """What `find` finds, or found when the same examples of this kind stood at the same places."""
    places = hashlib.sha256()
    for name, table in splits.items():
        places.update(f"\0{name}\0".encode())
        for chunk in table["origin"].chunks:
            places.update("\n".join(chunk.to_pylist()).encode("utf-8", "surrogatepass"))

    def write(folder: Path) -> None:
        (folder / "checks.json").write_text(json.dumps(find()), encoding="utf-8")

    folder = cache_folder("checks") / cache_key(FORMAT, fingerprint, kind, places.hexdigest())
    found: Facts = json.loads((made_once(folder, write) / "checks.json").read_text("utf-8"))
    return found


def check(
    splits: Mapping[str, pa.Table],
    examples: Examples,
    labels: Sequence[str],
    counts: Mapping[str, Mapping[str, int]],
    exact: Mapping[str, Array],
) -> Facts:
    """All checks of prepared splits, each of `train` against every other one.

    counts: of each label in each split, empty where there are no classes.
    exact: rows of each other split that stand in train word for word, which are reported elsewhere; [N] booleans.
    Returns near_duplicates, shortcuts, balance, warnings.
    """
    others = [name for name in splits if name != "train"]
    columns = {
        name: {column: plain(table[column]) for column in examples.present(table)} for name, table in splits.items()
    }
    shared = [name for name in columns["train"] if all(name in columns[other] for other in others)]
    columns = {split: {name: own[name] for name in shared} for split, own in columns.items()}
    found: Facts = {
        "near_duplicates": _near(splits, columns, exact) if shared else [],
        "shortcuts": _shortcuts(splits, columns, examples, labels) if shared else [],
        "balance": balance(counts, exclusive=examples.classes == "one"),
    }
    return {**found, "warnings": warnings(found)}


def _near(splits: Mapping[str, pa.Table], columns: Mapping[str, Facts], exact: Mapping[str, Array]) -> list[Facts]:
    texts = {split: list(own.values()) for split, own in columns.items()}
    train = texts.pop("train")
    found = near.near_duplicates(train, texts, exact)
    return [
        {
            "splits": ["train", split],
            "count": len(one.rows),
            "rows": len(splits[split]),
            "checked": {"train": one.checked[0], split: one.checked[1]},
            "sampled": one.checked != (len(splits["train"]), len(splits[split])),
            "threshold": near.THRESHOLD,
            "longest": LONGEST,
            "examples": [
                {
                    "ids": _of(splits, "id", split, train_row, row),
                    "origins": _of(splits, "origin", split, train_row, row),
                    "jaccard": round(similar, 4),
                }
                for train_row, row, similar in zip(
                    one.train[:EXAMPLES].tolist(), one.rows[:EXAMPLES].tolist(), one.jaccard.tolist(), strict=False
                )
            ],
        }
        for split, one in found.items()
    ]


def _of(splits: Mapping[str, pa.Table], column: str, split: str, train_row: int, row: int) -> list[str]:
    return [splits["train"][column][train_row].as_py(), splits[split][column][row].as_py()]


def _shortcuts(
    splits: Mapping[str, pa.Table], columns: Mapping[str, Facts], examples: Examples, labels: Sequence[str]
) -> list[Facts]:
    """Each feature of each split; examples only of those whose gain is large."""
    if examples.classes not in ("one", "many") or examples.gold is None or len(labels) < 2 or len(splits) < 2:
        return []
    parts, rows = {}, {}
    for split, own in columns.items():
        chosen = evenly(lengths(list(own.values())), shortcuts.MOST_TEXTS, shortcuts.MOST_CHARACTERS)
        gold = shortcuts.gold_matrix(splits[split][examples.gold].take(pa.array(chosen)), labels)
        known = gold.any(axis=1) if examples.classes == "one" else np.ones(len(gold), np.bool_)
        rows[split] = chosen[known]
        parts[split] = shortcuts.Part({name: taken(column, rows[split]) for name, column in own.items()}, gold[known])
    train = parts.pop("train")
    judged = shortcuts.shortcuts(train, parts, exclusive=examples.classes == "one")
    return [
        {
            "split": split,
            "feature": one.feature,
            "label": None if one.label is None else labels[one.label],
            "accuracy": round(one.accuracy, 4),
            "majority": round(one.majority, 4),
            "gain": round(one.gain, 4),
            "large": one.large,
            "checked": {"train": len(rows["train"]), split: len(rows[split])},
            "examples": [
                {name: splits[split][name][row].as_py() for name in ("id", "origin")}
                for row in (rows[split][one.rows[:EXAMPLES]].tolist() if one.large else [])
            ],
        }
        for split, found in judged.items()
        for one in found
    ]


def balance(counts: Mapping[str, Mapping[str, int]], *, exclusive: bool = True) -> Facts:
    """Of each split the share of its most frequent label and the labels that it lacks; how far the shares of each other
    split are from those of training, as total variation distance, half the sum of the absolute differences.

    noise: what that distance is expected to be for two samples of these sizes from one distribution, from the mean
    absolute deviation sqrt(2 p (1 - p) / (pi n)) of each share.
    exclusive: each example has one label; shares are then of examples, otherwise of all labels given.
    """
    known = {split: own for split, own in counts.items() if own}
    found: Facts = {"exclusive": exclusive, "splits": {}, "shifts": []}
    for split, own in known.items():
        total = sum(own.values())
        most = max(own, key=lambda label: own[label])
        absent = [label for label, count in own.items() if not count]
        found["splits"][split] = {
            "majority": most if total else None,
            "share": round(own[most] / total, 4) if total else None,
            "absent": absent[:EXAMPLES],
            "absent_count": len(absent),
        }
    train = known.get("train", {})
    for split, own in known.items():
        total, here = sum(train.values()), sum(own.values())
        if split == "train" or not total or not here:
            continue
        shares = np.array([[train[label] / total, own.get(label, 0) / here] for label in train])
        pooled = np.array([(train[label] + own.get(label, 0)) / (total + here) for label in train])
        noise = 0.5 * np.sqrt(2 / np.pi * pooled * (1 - pooled) * (1 / total + 1 / here)).sum()
        unseen = [label for label, count in own.items() if count and not train.get(label)]
        found["shifts"].append(
            {
                "splits": ["train", split],
                "total_variation": round(float(0.5 * np.abs(shares[:, 0] - shares[:, 1]).sum()), 4),
                "noise": round(float(noise), 4),
                "unseen": unseen[:EXAMPLES],
                "unseen_count": len(unseen),
            }
        )
    return found


def warnings(checks: Mapping[str, Any]) -> list[str]:
    """One sentence for each finding that a reader of results has to know, gravest first."""
    found = []
    for one in checks.get("near_duplicates", []):
        first, second = one["splits"]
        if one["count"]:
            example = one["examples"][0]["origins"]
            subject = "1 text of {} is" if one["count"] == 1 else f"{one['count']:,} texts of {{}} are"
            text = (
                f"{subject.format(second)} nearly the same as one of {first} (Jaccard of 5-grams "
                f"at least {one['threshold']}), such as {shown(example[1])} and {shown(example[0])}"
            )
            found.append(text + (f"; {_sample(one, first, second)}" if one["sampled"] else ""))
    for one in checks.get("shortcuts", []):
        if one["large"]:
            what = "the label" if one["label"] is None else f"whether the label is {shown(one['label'])}"
            found.append(
                f"{one['feature']} alone tells {what} on {one['accuracy']:.1%} of {one['split']}, where always "
                f"giving the most frequent answer is right on {one['majority']:.1%}"
            )
    shares = checks.get("balance", {"splits": {}, "shifts": []})
    for one in shares["shifts"]:
        first, second = one["splits"]
        if one["unseen_count"]:
            names = ", ".join(map(shown, one["unseen"])) + (", ..." if one["unseen_count"] > EXAMPLES else "")
            found.append(f"{_labels(one['unseen_count'], f'of {second} ')} never in {first}: {names}")
        if one["total_variation"] >= SHIFTED and one["total_variation"] >= NOISE * one["noise"]:
            found.append(
                f"the shares of labels differ between {first} and {second} by {one['total_variation']:.1%} "
                f"(total variation; chance would give about {one['noise']:.1%})"
            )
    for split, one in shares["splits"].items():
        if shares["exclusive"] and one["share"] is not None and one["share"] >= DOMINANT:
            found.append(f"{one['share']:.1%} of the labels of {split} are {shown(one['majority'])}")
    for split, one in shares["splits"].items():
        if one["absent_count"] and split != "train" and one["share"] is not None:
            names = ", ".join(map(shown, one["absent"])) + (", ..." if one["absent_count"] > EXAMPLES else "")
            found.append(f"{_labels(one['absent_count'])} never in {split}: {names}")
    return found


def _labels(count: int, of: str = "") -> str:
    return f"1 label {of}is" if count == 1 else f"{count:,} labels {of}are"


def _sample(one: Mapping[str, Any], *splits: str) -> str:
    return "a sample was checked: " + " and ".join(f"{one['checked'][split]:,} texts of {split}" for split in splits)
