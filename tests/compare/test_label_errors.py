"""Confident learning against cleanlab, against the paper's equations written out, and on labels flipped on purpose."""

import warnings

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues

from headway.compare.label_errors import By, Floats, Ints, Mask, calibrated, confident, confident_joint, label_errors

THEIRS: dict[By, str] = {
    "noise-rate": "prune_by_noise_rate",
    "class": "prune_by_class",
    "both": "both",
    "confident": "confident_learning",
}


def noisy(seed: int, classes: int | None = None) -> tuple[Ints, Floats]:
    """Given labels and probabilities, of 2 to 10 classes that may be missing, rare or hard to tell apart."""
    draw = np.random.default_rng(seed)
    classes = classes or int(draw.integers(2, 11))
    count = int(draw.integers(20, 800))
    true = draw.choice(classes, count, p=draw.dirichlet(np.full(classes, 0.7)))
    logits = draw.normal(0, draw.uniform(0.3, 2), (count, classes))
    logits[np.arange(count), true] += draw.uniform(0, 5)
    labels = np.where(draw.random(count) < draw.uniform(0, 0.4), draw.choice(np.unique(true), count), true)
    probabilities = np.exp(logits)
    return labels, probabilities / probabilities.sum(1, keepdims=True)


@pytest.fixture(autouse=True)
def quiet() -> None:
    warnings.simplefilter("ignore", UserWarning)  # cleanlab's on classes with few examples


SEEDS = [seed for seed in range(60) if len(set(noisy(seed)[0])) > 1]


def test_the_cases_are_many_sided() -> None:
    sizes = [(probabilities.shape[1], len(set(labels))) for labels, probabilities in map(noisy, SEEDS)]
    assert {of for of, _ in sizes} == set(range(2, 11))
    assert sum(there < of for of, there in sizes) > 3, "some lack a class"


@pytest.mark.parametrize("seed", SEEDS)
def test_agrees_with_cleanlab(seed: int) -> None:
    labels, probabilities = noisy(seed)
    joint = confident_joint(labels, confident(labels, probabilities), probabilities.shape[1])
    np.testing.assert_array_equal(joint, compute_confident_joint(labels, probabilities, calibrate=False))
    counts = calibrated(joint, labels)
    np.testing.assert_array_equal(counts.sum(1), np.bincount(labels, minlength=len(counts)))
    # where remainders tie, theirs rounds up whichever an unstable sort puts first
    exact = joint / joint.sum(1, keepdims=True) * counts.sum(1, keepdims=True)
    theirs = compute_confident_joint(labels, probabilities)
    for ours, row, parts in zip(counts, theirs, exact, strict=True):
        differing = np.flatnonzero(ours != row)
        assert len(np.unique((parts % 1)[differing].round(6))) <= 1
        assert np.abs(ours - row).max() <= 1
    for by, name in THEIRS.items():
        found = label_errors(labels, probabilities, by)
        asked = {"filter_by": name, "confident_joint": counts, "n_jobs": 1}
        np.testing.assert_array_equal(found.flagged, find_label_issues(labels, probabilities, **asked), err_msg=by)
        ranked = find_label_issues(labels, probabilities, **asked, return_indices_ranked_by="normalized_margin")
        np.testing.assert_array_equal(found.ranked, ranked, err_msg=by)


@pytest.mark.parametrize("seed", range(5))
def test_ties(seed: int) -> None:
    """Probabilities in steps of a tenth: which of two equal examples is flagged is arbitrary, how many is not."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, 200)
    first = draw.beta(0.5, 0.5, 200).round(1)
    probabilities = np.column_stack([first, 1 - first])
    own = probabilities[np.arange(200), labels]
    for by, name in THEIRS.items():
        found = label_errors(labels, probabilities, by)
        asked = {"filter_by": name, "confident_joint": found.counts, "n_jobs": 1}
        theirs = find_label_issues(labels, probabilities, **asked)
        assert pairs(labels, own, found.flagged) == pairs(labels, own, theirs), by
        assert found.flagged.any()
        assert own[found.flagged].max() < 0.5, "what the model would say too is no error"


def pairs(labels: Ints, own: Floats, flagged: Mask) -> list[tuple[int, float]]:
    return sorted(zip(labels[flagged].tolist(), own[flagged].round(1).tolist(), strict=True))


@pytest.mark.parametrize(("seed", "classes"), [(0, 2), (1, 2), (2, 4), (3, 4)])
def test_the_equations_of_the_paper(seed: int, classes: int) -> None:
    """Equations 1 to 3, one example after another."""
    labels, p = noisy(seed, classes)
    of = range(classes)
    t = [np.mean([p[x][j] for x in range(len(p)) if labels[x] == j]) for j in of]
    c = np.zeros((classes, classes), np.int64)
    sure = confident(labels, p)
    for x, i in enumerate(labels):
        above = [j for j in of if p[x][j] >= t[j]]
        if len(above) > 1 and p[x].argmax() not in above:  # where cleanlab departs from the paper
            assert sure[x] == p[x].argmax()
        else:
            assert sure[x] == (max(above, key=lambda j, x=x: p[x][j]) if above else -1)
        if sure[x] >= 0:
            c[i][sure[x]] += 1
    np.fill_diagonal(c, np.diag(c).clip(1))  # not in the paper: no class is without a right example
    np.testing.assert_array_equal(confident_joint(labels, sure, classes), c)
    q = np.array([[c[i][j] / c[i].sum() * (labels == i).sum() for j in of] for i in of])
    q /= q.sum()
    found = label_errors(labels, p)
    assert np.abs(found.counts - q * len(labels)).max() < 1
    assert found.estimate == pytest.approx(len(labels) * (1 - np.trace(q)), abs=classes)


def test_values_by_hand() -> None:
    """Thresholds are 0.7 and 0.6: the last example of each label surely belongs to the other one."""
    labels = np.array([0, 0, 0, 1, 1, 1])
    first = np.array([0.9, 0.9, 0.3, 0.2, 0.2, 0.8])
    probabilities = np.column_stack([first, 1 - first])
    found = label_errors(labels, probabilities)
    assert found.counts.tolist() == [[2, 1], [1, 2]]
    assert found.estimate == 2
    assert found.ranked.tolist() == [5, 2]
    assert found.likely.tolist() == [1, 1, 1, 0, 0, 0]
    np.testing.assert_allclose(found.margin, [0.8, 0.8, -0.4, 0.6, 0.6, -0.6])


def held_out(seed: int, share: float, apart: float, count: int = 2000) -> tuple[Mask, Ints, Floats]:
    """Which labels were flipped, given labels and true posteriors of three Gaussian clouds `apart` from each other."""
    draw = np.random.default_rng(seed)
    true = draw.integers(0, 3, count)
    centres = apart * np.eye(3)
    inputs = centres[true] + draw.normal(0, 1, (count, 3))
    logits = inputs @ centres.T
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    flipped = draw.random(count) < share
    labels = np.where(flipped, (true + draw.integers(1, 3, count)) % 3, true)
    return flipped, labels, probabilities


@pytest.mark.parametrize("share", [0.05, 0.1])
@pytest.mark.parametrize("by", ["noise-rate", "class", "both"])
def test_flipped_labels_are_found(share: float, by: By) -> None:
    flipped, labels, probabilities = held_out(0, share, apart=5)
    found = label_errors(labels, probabilities, by)
    assert found.estimate == pytest.approx(flipped.sum(), rel=0.05)
    assert flipped[found.flagged].mean() > 0.95, "precision"
    assert found.flagged[flipped].mean() > 0.95, "recall"
    assert flipped[found.ranked[: flipped.sum() // 2]].all()


def test_labels_of_clouds_that_overlap() -> None:
    """The best possible classifier is right on 91% here; its errors and the labels' are not always told apart."""
    flipped, labels, probabilities = held_out(1, 0.1, apart=2.5)
    found = label_errors(labels, probabilities)
    assert flipped[found.flagged].mean() > 0.6
    assert found.flagged[flipped].mean() > 0.7
    assert flipped[found.ranked[:50]].mean() > 0.9


def test_clean_labels_are_left_alone() -> None:
    """20 data sets of 2,000 right labels."""
    flags = [int(label_errors(*held_out(seed, 0, apart=6)[1:]).flagged.sum()) for seed in range(20)]
    assert sum(flags) / (20 * 2000) < 0.001


def test_nothing_to_confuse() -> None:
    with pytest.raises(ValueError, match="two classes or more"):
        label_errors([0, 0], [[1.0], [1.0]])
    with pytest.raises(ValueError, match="one of the classes"):
        label_errors([0, -1], [[0.5, 0.5], [0.5, 0.5]])
