"""Parts of a test set: by label, length, metadata, words and as the user says, and which of them to search. N examples.

Slices depend on what the examples are, never on what became of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from headway.compare.expressions import INPUT, Cells, Mask, number
from headway.data.names import METADATA
from headway.store.filters import quoted

LEAST = 20  # examples of a slice, and outside it, that a test means anything of
BINS = 4  # of numbers, at their quantiles
FEW = 20  # values of a column that are each a slice; of more the most frequent
MOST_WORDS, MOST_SLICES = 150, 500  # that are searched
MOST_CELLS = 50_000_000  # of slices times examples: 200 MB


@dataclass(frozen=True, eq=False)
class Slice:
    """family: what it is one value of ("label", "length", "meta.domain", "slice", "word"). expression: an example is in
    it where this holds (see expressions.py). mask: [N]. parents: of a conjunction, the two it is made of.
    """

    family: str
    name: str
    expression: str
    mask: Mask
    parents: tuple["Slice", ...] = ()


def described(columns: Mapping[str, Cells]) -> dict[str, Cells]:
    """Columns that say what an example is, and not what became of it; with length, characters, label and word.

    length: words and signs of the input (an ideograph is a word), characters: of it; both of what the predictions hold,
    which is the beginning of long texts. label: the gold class or classes, of tags the types of entities, of questions
    whether there is an answer. word: the words of the input, case folded; of questions those of the question.
    """
    kept = {
        name: cells for name, cells in columns.items() if name in ("id", *INPUT, "gold") or name.startswith(METADATA)
    }
    for name in ("tokens", "messages"):
        if name in columns and isinstance(columns[name][0], list):
            parts = [[one if isinstance(one, str) else str(one["content"]) for one in cell] for cell in columns[name]]
            kept |= {name: columns[name], "text": [" ".join(one) for one in parts]}
    texts = {name: kept[name] for name in INPUT if name in kept}
    found = dict(kept)
    if texts:
        words = {name: _words(cells) for name, cells in texts.items()}
        found["length"] = [sum(map(len, row)) for row in zip(*words.values(), strict=True)]
        found["characters"] = [sum(len(text or "") for text in row) for row in zip(*texts.values(), strict=True)]
        asked = [words["question"]] if "question" in words else list(words.values())
        found["word"] = [sorted({word for part in row for word in part}) for row in zip(*asked, strict=True)]
    if (labels := _labels(columns)) is not None:
        found["label"] = labels
    return found


def tables(columns: Mapping[str, Cells], own: Sequence[Slice] = ()) -> list[list[Slice]]:
    """Slices by label, by length, by each column of metadata, and the user's own; columns as from `described`."""
    found = [_of_values(name, columns[name]) for name in ("label",) if name in columns]
    gold = columns.get("gold", ())
    if len(gold) and isinstance(gold[0], float):
        found.append(_of_bins("gold", gold))
    if "length" in columns:
        found.append(_of_bins("length", columns["length"]))
    found += [_of_values(name, cells) for name, cells in columns.items() if name.startswith(METADATA)]
    return [slices for slices in [*found, list(own)] if slices]


def candidates(columns: Mapping[str, Cells], atoms: Sequence[Slice], most: int = MOST_SLICES) -> list[Slice]:
    """What is searched: the slices of the tables, frequent words, and conjunctions of two of them, the largest first.

    Chosen by size alone, never by what became of the examples, so that the correction for their number holds. A slice
    with the same examples as an earlier one, or with all but these, is that one.
    """
    seen: set[bytes] = set()
    found = [one for one in [*atoms, *_frequent(columns.get("word", ()))] if _is_new(one.mask, seen)]
    if not found:
        return []
    most = min(most, max(1, MOST_CELLS // len(found[0].mask)))
    found = found[:most]
    masks = np.array([one.mask for one in found], np.float32)
    sizes = masks @ masks.T  # of every conjunction
    pairs = [(one, other) for one, other in combinations(range(len(found)), 2) if sizes[one, other] >= LEAST]
    for one, other in sorted(pairs, key=lambda pair: -sizes[pair]):
        first, second = found[one], found[other]
        if len(found) == most:
            break
        if first.family != second.family and _is_new(mask := first.mask & second.mask, seen):
            name, both = f"{first.name} and {second.name}", f"{first.expression} and {second.expression}"
            found.append(Slice("both", name, both, mask, (first, second)))
    return found


def _is_new(mask: Mask, seen: set[bytes]) -> bool:
    """Whether it is large enough on both sides and not there yet; then it is."""
    inside = int(mask.sum())
    key = np.packbits(mask if mask[0] else ~mask).tobytes()
    if min(inside, len(mask) - inside) < LEAST or key in seen:
        return False
    seen.add(key)
    return True


def _words(cells: Cells) -> list[list[str]]:
    from headway.data.texts import folded

    read = folded(cells)
    starts, ends, first = read.tokens
    tokens = [read.text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return [tokens[start:end] for start, end in zip(first[:-1].tolist(), first[1:].tolist(), strict=True)]


def _labels(columns: Mapping[str, Cells]) -> Cells | None:
    gold = columns.get("gold")
    if gold is None or not len(gold) or "prediction" not in columns:
        return None
    if "question" in columns:
        return ["answerable" if cell else "no answer" for cell in gold]
    if isinstance(gold[0], str):
        return gold if "confidence" in columns else None
    if not isinstance(gold[0], list) or ("scores" not in columns and "tokens" not in columns):
        return None
    if "tokens" not in columns:
        return gold
    from headway.metrics.tagging import entities, scheme_of

    scheme = scheme_of({tag for row in gold for tag in row})
    return [sorted({kind for kind, _, _ in entities(list(row), scheme)}) for row in gold]


def _of_values(name: str, cells: Cells) -> list[Slice]:
    """A slice for each value, of numbers with many values for each quarter; of lists for each value in them."""
    lists = [cell if isinstance(cell, list) else [] if cell is None else [cell] for cell in cells]
    counts = Counter(one for row in lists for one in dict.fromkeys(row))
    if len(counts) > BINS * 2 and all(number(one) is not None for one in counts):
        return _of_bins(name, cells)
    common = counts.most_common(FEW)
    if not common or (len(counts) > FEW and common[0][1] < LEAST):
        return []  # an identifier, say
    own = [(value, np.array([value in row for row in lists], bool)) for value in sorted(map(_first, common), key=str)]
    short = name.removeprefix(METADATA)
    found = [Slice(name, f"{short} {value}", f"{name} = {_literal(value)}", mask) for value, mask in own]
    nothing = np.array([not row for row in lists], bool)
    return [*found, *([Slice(name, f"no {short}", f"{name} = null", nothing)] if nothing.any() else [])]


def _of_bins(name: str, cells: Cells) -> list[Slice]:
    """Quarters of the numbers, or fewer where many are equal."""
    values = np.array([np.nan if (own := number(cell)) is None else own for cell in cells])
    known = values[~np.isnan(values)]
    if not len(known):
        return []
    inner = np.quantile(known, np.arange(1, BINS) / BINS, method="lower")
    places = np.where(np.isnan(values), -1, np.searchsorted(np.unique(inner), values))
    short, found = name.removeprefix(METADATA), []
    for place in np.unique(places[places >= 0]):
        mask = places == place
        low, high = float(values[mask].min()), float(values[mask].max())
        span = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        found.append(Slice(name, f"{short} {span}", f"({name} >= {low:.17g} and {name} <= {high:.17g})", mask))
    return found


def _frequent(cells: Cells) -> list[Slice]:
    size = len(cells)
    counts = Counter(word for row in cells for word in row)
    common = [word for word, count in counts.most_common() if LEAST <= count <= size - LEAST][:MOST_WORDS]
    places = {word: place for place, word in enumerate(common)}
    masks = np.zeros((len(common), size), bool)
    for row, words in enumerate(cells):
        masks[[places[word] for word in words if word in places], row] = True
    return [Slice("word", f"word {w}", f"word = {quoted(w)}", mask) for w, mask in zip(common, masks, strict=True)]


def _first(pair: tuple[Any, int]) -> Any:
    return pair[0]


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | int | float) else quoted(str(value))
