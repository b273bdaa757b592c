"""Probable label errors by confident learning (Northcutt, Jiang & Chuang 2021, JAIR 70, section 3).

N examples, C classes. Probabilities must be of models that were not trained on these examples: a model that has
learned a wrong label by heart is sure of it. Details that are not in the paper are those of cleanlab 2.9, and one that
is: where an example reaches the thresholds of several classes, its likeliest class counts, whether or not it is one.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
By = Literal["noise-rate", "class", "both", "confident"]
CLOSE = 1e-6  # two probabilities that differ by less are equal


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """counts: how many examples of a given label (rows) have which true one (columns), estimated, [C, C]; rows sum to
    the examples given each label. flagged: those probably wrong, [N]. likely: the likeliest label other than the given
    one, [N]. margin: probability of the given label less that of the likely one, from -1 to 1, [N].
    """

    counts: Ints
    flagged: Mask
    likely: Ints
    margin: Floats

    @property
    def estimate(self) -> int:
        """How many labels are wrong."""
        return int(self.counts.sum() - self.counts.trace())

    @property
    def ranked(self) -> Ints:
        """Numbers of the flagged examples, the most probably wrong first."""
        found = np.flatnonzero(self.flagged)
        return found[np.argsort(self.margin[found], kind="stable")]


def label_errors(labels: npt.ArrayLike, probabilities: npt.ArrayLike, by: By = "noise-rate") -> LabelErrors:
    """labels: given, [N] from 0 to C - 1. probabilities: [N, C].

    by (section 3.2): "noise-rate" flags of each given and other label as many as are estimated, those with the largest
    margin; "class" of each given label as many as are estimated wrong, those least probable; "both" what both flag;
    "confident" the examples that were counted off the diagonal of the confident joint.
    ValueError: fewer than two classes, or labels that are none of them.
    """
    labels, probabilities = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2 or len(labels) != len(probabilities):
        raise ValueError("confident learning needs a label and the probabilities of two classes or more per example")
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError("every example needs a label, one of the classes")
    sure = confident(labels, probabilities)
    counts = calibrated(confident_joint(labels, sure, probabilities.shape[1]), labels)
    own = probabilities[np.arange(len(labels)), labels]
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -1
    margin = own - others.max(1)
    if by == "confident":
        flagged = (sure >= 0) & (sure != labels)
    else:
        wrong = _leaving_one(counts)
        flagged = np.ones(len(labels), bool)
        if by in ("noise-rate", "both"):
            flagged &= _by_noise_rate(labels, probabilities, wrong)
        if by in ("class", "both"):
            flagged &= _by_class(labels, own, wrong)
    return LabelErrors(counts, flagged & (margin < -CLOSE), others.argmax(1), margin)


def confident(labels: Ints, probabilities: Floats) -> Ints:
    """[N]: the class each example surely belongs to, -1 for none (equation 1).

    Sure is a probability that reaches the mean that the class has among the examples given it (equation 2).
    """
    classes = range(probabilities.shape[1])
    thresholds = [probabilities[labels == c, c].mean() if (labels == c).any() else np.inf for c in classes]
    reached = probabilities >= np.maximum(thresholds, 2 * CLOSE) - CLOSE
    best = np.where(reached.sum(1) > 1, probabilities.argmax(1), reached.argmax(1))
    return np.where(reached.any(1), best, -1)


def confident_joint(labels: Ints, sure: Ints, classes: int) -> Ints:
    """[C, C]: of how many examples given a label (rows) we are sure of which one (columns); one at least of its own."""
    joint = np.zeros((classes, classes), np.int64)
    np.add.at(joint, (labels[sure >= 0], sure[sure >= 0]), 1)
    np.fill_diagonal(joint, joint.diagonal().clip(min=1))
    return joint


def calibrated(joint: Ints, labels: Ints) -> Ints:
    """The joint distribution (equation 3) times N: rows scaled to how many examples are given each label.

    Whole numbers whose rows keep their sums, by largest remainders; of equal ones that of the later class.
    """
    given = np.bincount(labels, minlength=len(joint))
    exact = joint / joint.sum(1, keepdims=True) * given[:, None]
    whole = np.floor(exact + CLOSE)
    left = given - whole.sum(1)
    largest = np.argsort(exact - whole, axis=1, kind="stable")[:, ::-1]
    return (whole + (np.argsort(largest, axis=1) < left[:, None])).astype(np.int64)


def _leaving_one(counts: Ints) -> Ints:
    """The same counts, with one example at least that is right in each class: the wrong ones give it up alike."""
    short = np.maximum(1 - counts.diagonal(), 0)
    shares = short / np.maximum((counts > 0).sum(1) - 1, 1)
    wrong = np.floor(np.maximum(counts - shares[:, None], 0)).astype(np.int64)
    np.fill_diagonal(wrong, counts.diagonal() + short)
    return wrong


def _by_noise_rate(labels: Ints, probabilities: Floats, wrong: Ints) -> Mask:
    flagged = np.zeros(len(labels), bool)
    for given, other in zip(*np.nonzero(wrong), strict=True):
        if given != other:
            mine = np.flatnonzero(labels == given)
            margin = probabilities[mine, other] - probabilities[mine, given]
            flagged[mine[np.argsort(-margin, kind="stable")[: wrong[given, other]]]] = True
    return flagged


def _by_class(labels: Ints, own: Floats, wrong: Ints) -> Mask:
    flagged = np.zeros(len(labels), bool)
    for given in np.unique(labels):
        mine = np.flatnonzero(labels == given)
        flagged[mine[np.argsort(own[mine], kind="stable")[: max(len(mine) - wrong[given, given], 0)]]] = True
    return flagged
