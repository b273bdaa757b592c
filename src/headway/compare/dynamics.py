"""Training dynamics: how a model's answer to each example changed while it learned. E looks at N examples.

A look is an evaluation of all examples at one step, usually at the end of each epoch. Swayamdipta et al. 2020 (Dataset
Cartography) and Toneva et al. 2019 (An Empirical Study of Example Forgetting) look at each example when its batch is
trained on; an evaluation sees all of them with the same weights, and without dropout.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
By = Literal["ambiguous", "hard", "easy", "forgotten"]
REGIONS = ("easy", "ambiguous", "hard")


@dataclass(frozen=True, eq=False)
class Dynamics:
    """Of each example, [N] all. confidence and variability: mean and standard deviation, over looks, of the probability
    of its gold answer. correctness: share of looks at which it was predicted right. forgotten: how often it went from
    right to wrong; infinity where it was never right. learned: the first look, from 1, at which it was right; infinity
    for never. The last three are NaN where predictions are neither right nor wrong.
    """

    confidence: Floats
    variability: Floats
    correctness: Floats
    forgotten: Floats
    learned: Floats


def dynamics(probability: npt.ArrayLike, right: npt.ArrayLike | None) -> Dynamics:
    """probability: of the gold answer, [E, N]. right: whether it was predicted, [E, N], or None.

    Confidence and variability are equations 1 and 2 of Swayamdipta et al. 2020, section 2; forgetting events and the
    first time learned are those of Toneva et al. 2019, section 3. ValueError: fewer than two looks.
    """
    probability = np.asarray(probability, np.float64)
    if len(probability) < 2:
        raise ValueError("dynamics need predictions of two steps or more")
    if right is None:
        correctness = forgotten = learned = np.full(probability.shape[1], np.nan)
    else:
        right = np.asarray(right, bool)
        ever = right.any(0)
        correctness = right.mean(0)
        forgotten = np.where(ever, (right[:-1] & ~right[1:]).sum(0), np.inf)
        learned = np.where(ever, right.argmax(0) + 1, np.inf)
    return Dynamics(probability.mean(0), probability.std(0), correctness, forgotten, learned)


def averaged(runs: Sequence[Dynamics]) -> Dynamics:
    """The mean over runs (seeds) of the same examples, so that variability stays that within a run.

    Forgetting is averaged over the runs that ever got an example right, as is when they learned it.
    """
    return Dynamics(
        *(np.mean([getattr(run, name) for run in runs], 0) for name in ("confidence", "variability", "correctness")),
        *(_mean_of_finite(np.stack([getattr(run, name) for run in runs])) for name in ("forgotten", "learned")),
    )


def _mean_of_finite(values: Floats) -> Floats:
    """[R, N] -> [N]: where nothing is finite, what it is instead."""
    finite = np.isfinite(values)
    mean: Floats = np.where(finite, values, 0).sum(0) / np.maximum(finite.sum(0), 1)
    return np.where(finite.any(0), mean, values[0])


def regions(found: Dynamics) -> npt.NDArray[np.str_]:
    """[N] of REGIONS, a third each: ambiguous are the most variable, hard the less confident half of the others.

    Swayamdipta et al. 2020, section 3, take a third of all examples by each of the three orders, so that theirs overlap
    and some examples are in none. A third is a third: the hard ones of an easy data set may be easy.
    """
    count = len(found.confidence)
    by_variability = np.argsort(-found.variability, kind="stable")
    others = np.sort(by_variability[round(count / 3) :])
    by_confidence = others[np.argsort(found.confidence[others], kind="stable")]
    names = np.full(count, "ambiguous", dtype="<U9")
    names[by_confidence] = "easy"
    names[by_confidence[: len(others) // 2]] = "hard"
    return names


def order(found: Dynamics, by: By) -> npt.NDArray[np.int64]:
    """[N]: numbers of the examples, the most ambiguous, hard, easy or forgotten first.

    Never learned counts as forgotten most (Toneva et al. 2019, section 3); of equals the less confident comes first.
    """
    keys = {
        "ambiguous": -found.variability,
        "hard": found.confidence,
        "easy": -found.confidence,
        "forgotten": -found.forgotten,
    }
    return np.lexsort((found.confidence, keys[by]))
