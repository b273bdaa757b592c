"""How well a trivial feature of the text predicts the label, where only understanding should.

A model that finds such a shortcut scores well and has learned nothing of the task: the length of a hypothesis and the
word "not" give away entailment (Gururangan et al. 2018), shared words give away paraphrase (McCoy et al. 2019), and a
label that was pasted into its text gives away everything. Each feature is fitted on the training split as the most
frequent label for each of its values, and judged on another split against always saying the most frequent label.

The measure is Goodman and Kruskal's lambda (1954), the share of the errors of always saying the most frequent label
that the feature avoids: 0 for no use at all, 1 for a feature that knows the label. It is large from LARGE on, and for
one token, which may well be what a text is about (that "documentation" is in a Debian package's line avoids 68 % of the
errors on whether it is tagged role::documentation), from LARGE_TOKEN on; if the feature is right on more of the rows
where the two disagree than chance explains: a McNemar z of at least SURE.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headway.data.names import shown
from headway.data.texts import VALUE_BITS, Array, Sets, Texts, folded, sets

LARGE, LARGE_TOKEN = 0.25, 0.75
SURE = 3.0
MOST_TEXTS, MOST_CHARACTERS = 20_000, 10_000_000  # of each split
LEAST = 5  # training texts with a value, or it says nothing
MOST_VALUES, MOST_TOKENS, MOST_LABELS = 2_000, 5_000, 50  # the most frequent ones
BINS = 10
SIGNS = {"capitals": r"\p{Lu}", "digits": r"\p{Nd}", "question marks": r"[?\x{FF1F}]", "non-ASCII": r"[^\x00-\x7F]"}


@dataclass(frozen=True)
class Shortcut:
    """feature: in words. label: the one that it tells from all others, or None where it tells all of them apart.

    accuracy, majority: shares of the split's rows that the feature, and always saying the most frequent training label,
    get right. gain: lambda. z: McNemar's. rows: where only the feature is right.
    """

    feature: str
    label: int | None
    accuracy: float
    majority: float
    gain: float
    z: float
    rows: Array

    @property
    def large(self) -> bool:
        return self.gain >= (LARGE if self.label is None else LARGE_TOKEN) and self.z >= SURE


@dataclass(frozen=True)
class Part:
    """What is looked at of one split. columns: its texts by name, N each. gold: [N, labels], true where it has it."""

    columns: Mapping[str, pa.ChunkedArray]
    gold: Array
    read: dict[str, Texts] = field(init=False)
    vocabularies: dict[str, Sets] = field(init=False)

    def __post_init__(self) -> None:
        read = {name: folded(column.to_pylist()) for name, column in self.columns.items()}
        object.__setattr__(self, "read", read)
        object.__setattr__(self, "vocabularies", {n: sets(one.hashes, one.tokens[2]) for n, one in read.items()})


def shortcuts(train: Part, others: Mapping[str, Part], *, exclusive: bool) -> dict[str, list[Shortcut]]:
    """For each of the other splits, every feature's score, the most useful first.

    exclusive: each row has exactly one label; otherwise only single tokens are judged, for each label.
    """
    if not len(train.gold) or min(train.gold.shape) == 0:
        return {name: [] for name in others}
    judged: dict[str, list[Shortcut]] = {name: [] for name in others}
    asked = {name: part for name, part in others.items() if len(part.gold)}
    if exclusive:
        values = {name: dict(_features(part)) for name, part in asked.items()}
        gold = train.gold.argmax(axis=1)
        most = int(np.bincount(gold).argmax())
        for feature, own in _features(train):
            edges = np.unique(np.quantile(own, np.linspace(0, 1, BINS + 1)[1:-1])) if own.dtype == np.float64 else None
            known, says = _fitted(_binned(own, edges), gold, train.gold.shape[1], most)
            for name, part in asked.items():
                said = _said(_binned(values[name][feature], edges), known, says, most)
                truth = part.gold.argmax(axis=1)
                judged[name].append(_judged(feature, None, said == truth, truth == most))
    for column in train.columns:
        if (best := _token(train, column)) is None:
            continue
        label, value, word, present, absent = best
        often = bool(2 * train.gold[:, label].sum() > len(train.gold))
        for name, part in asked.items():
            truth = part.gold[:, label]
            has = np.zeros(len(truth), np.bool_)
            vocabulary = part.vocabularies[column]
            has[vocabulary.rows()[vocabulary.values == value]] = True
            said = np.where(has, present, absent)
            judged[name].append(_judged(f"the token {shown(word)!r} in {column}", label, said == truth, truth == often))
    return {name: sorted(found, key=lambda one: -one.gain) for name, found in judged.items()}


def _features(part: Part) -> Iterator[tuple[str, Array]]:
    """Every feature in words, and its value for each row: [N], float64 where it is to be binned."""
    for name, column in part.columns.items():
        yield f"the length of {name}", pc.fill_null(pc.utf8_length(column), 0).to_numpy().astype(np.float64)
        read = part.read[name]
        first = read.tokens[2]
        filled, hashes = np.diff(first) > 0, np.r_[read.hashes, np.zeros(1, np.uint64)]
        yield f"the first token of {name}", np.where(filled, hashes[first[:-1]], np.uint64(0))
        yield f"the last token of {name}", np.where(filled, hashes[first[1:] - 1], np.uint64(0))
        kinds = np.zeros(len(column), np.int64)
        for at, pattern in enumerate(SIGNS.values()):
            kinds |= pc.fill_null(pc.match_substring_regex(column, pattern), False).to_numpy().astype(np.int64) << at
        yield f"whether there are {', '.join(SIGNS)} in {name}", kinds
    if len(part.columns) == 2:
        (one, left), (two, right) = part.vocabularies.items()
        rows, sizes = np.concatenate([left.rows(), right.rows()]), right.sizes
        keys = np.sort((rows.astype(np.uint64) << np.uint64(VALUE_BITS)) | np.concatenate([left.values, right.values]))
        twice = (keys[1:][keys[1:] == keys[:-1]] >> np.uint64(VALUE_BITS)).astype(np.int64)
        shared = np.bincount(twice, minlength=len(left))
        yield f"the share of {two}'s tokens that {one} has", shared / np.maximum(sizes, 1)


def _binned(values: Array, edges: Array | None) -> Array:
    return values if edges is None else np.searchsorted(edges, values, "right")


def _fitted(values: Array, gold: Array, labels: int, most: int) -> tuple[Array, Array]:
    """The values that are frequent enough to say something, ascending, and the label that each says."""
    known, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_VALUES])
    kept = kept[counts[kept] >= LEAST]
    place = np.full(len(known), -1)
    place[kept] = np.arange(len(kept))
    rows = place[inverse] >= 0
    table = np.bincount(place[inverse[rows]] * labels + gold[rows], minlength=len(kept) * labels)
    table = table.reshape(len(kept), labels)
    says = table.argmax(axis=1) if len(kept) else np.zeros(0, np.int64)
    tied = table[np.arange(len(kept)), most] == table[np.arange(len(kept)), says]
    return known[kept], np.where(tied, most, says)


def _said(values: Array, known: Array, says: Array, most: int) -> Array:
    if not len(known):
        return np.full(len(values), most)
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[at] == values, says[at], most)


def _token(train: Part, column: str) -> tuple[int, int, str, bool, bool] | None:
    """Of all single tokens, the one that best tells a label of the training split from all others.

    Returns that label, the token's value in vocabularies, the token, and whether its presence and its absence mean the
    label; None where no token says more than the most frequent answer.
    """
    from scipy import sparse  # 0.2 CPU-s that a start with these checks in the cache does without

    vocabulary, rows = train.vocabularies[column], len(train.gold)
    values, inverse, counts = np.unique(vocabulary.values, return_inverse=True, return_counts=True)
    kept = np.argsort(-counts, kind="stable")[:MOST_TOKENS]
    kept = kept[counts[kept] >= LEAST]
    labels = np.argsort(-train.gold.sum(axis=0), kind="stable")[:MOST_LABELS]
    if not len(kept) or not len(labels):
        return None
    shape = (rows, len(values))
    has = sparse.csr_matrix((np.ones(len(inverse), np.int32), inverse, vocabulary.offsets), shape=shape)
    both = (has.T @ train.gold[:, labels].astype(np.int32))[kept]  # [tokens, labels]
    present, having = counts[kept][:, None], train.gold[:, labels].sum(axis=0)[None, :]
    yes = np.maximum(both, present - both)
    no = np.maximum(having - both, rows - present - having + both)
    most = np.maximum(having, rows - having)
    gain = np.where(rows > most, (yes + no - most) / np.maximum(rows - most, 1), 0.0)
    token, label = np.unravel_index(int(gain.argmax()), gain.shape)
    if gain[token, label] <= 0:
        return None
    value, inside = int(values[kept[token]]), int(both[token, label])
    with_it, all_of = int(counts[kept[token]]), int(having[0, label])
    read = train.read[column]
    number = int(np.flatnonzero(read.hashes >> np.uint64(64 - VALUE_BITS) == value)[0])
    without = rows - with_it
    return int(labels[label]), value, read.token(number), 2 * inside > with_it, 2 * (all_of - inside) > without


def _judged(feature: str, label: int | None, right: Array, majority: Array) -> Shortcut:
    wins, losses = np.flatnonzero(right & ~majority), int((majority & ~right).sum())
    missed = int((~majority).sum())
    return Shortcut(
        feature,
        label,
        float(right.mean()),
        float(majority.mean()),
        (len(wins) - losses) / missed if missed else 0.0,
        (len(wins) - losses) / float(np.sqrt(max(len(wins) + losses, 1))),
        wins,
    )


def gold_matrix(column: pa.ChunkedArray, labels: Sequence[Any]) -> Array:
    """[N, labels] booleans from a column of class numbers (-1: none) or of lists of them."""
    gold = np.zeros((len(column), len(labels)), np.bool_)
    if pa.types.is_list(column.type):
        sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        gold[np.repeat(np.arange(len(column)), sizes), pc.list_flatten(column).to_numpy()] = True
    else:
        numbers = column.to_numpy()
        rows = np.flatnonzero(numbers >= 0)
        gold[rows, numbers[rows]] = True
    return gold
