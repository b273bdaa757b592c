"""Scores of classes, of sets of classes and of numbers. N examples (one or more), C classes or labels.

A metric that its data leaves undefined (the ROC of a class that never occurs, the correlation with a constant) is NaN.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Result = tuple[dict[str, float], dict[str, Any]]


def multiclass(scores: Array, gold: Array, labels: list[str]) -> Result:
    """One class of C each: probabilities [N, C], gold classes [N] in 0..C-1.

    Macro averages leave out a class that neither occurs nor is predicted. roc_auc: of the second class when there are
    two, else the mean over classes of each against the rest. confusion: rows gold, columns predicted.
    """
    import torch
    from torchmetrics.functional import classification as library

    classes = len(labels)
    predicted = scores.argmax(-1)
    pair = torch.from_numpy(predicted), torch.from_numpy(np.asarray(gold, np.int64))
    settings: dict[str, Any] = {"num_classes": classes, "validate_args": False}
    counts = library.multiclass_confusion_matrix(*pair, **settings).numpy()
    values: dict[str, Any] = {
        "accuracy": library.multiclass_accuracy(*pair, average="micro", **settings),
        "f1_macro": library.multiclass_f1_score(*pair, average="macro", **settings),
        "f1_micro": library.multiclass_f1_score(*pair, average="micro", **settings),
        "precision_macro": library.multiclass_precision(*pair, average="macro", **settings),
        "recall_macro": library.multiclass_recall(*pair, average="macro", **settings),
        "mcc": _mcc(counts),
        "roc_auc": np.mean([_roc_auc(scores[:, c], gold == c) for c in ([1] if classes == 2 else range(classes))]),
        "calibration_error": calibration_error(scores.max(-1), predicted == gold),
    }
    confusion = {"labels": labels, "counts": counts.tolist()}
    return {name: float(value) for name, value in values.items()}, {"confusion": confusion}


def multilabel(scores: Array, gold: Array, labels: list[str], threshold: float = 0.5) -> Result:
    """Any of C labels each: probabilities [N, C], gold 0/1 [N, C]. A label is predicted above the threshold.

    exact_match: the share of examples whose whole set is right. hamming: the share of the N*C decisions that are wrong.
    Macro averages are over all labels; one that neither occurs nor is predicted counts as 0.
    """
    import torch
    from torchmetrics.functional import classification as library

    predicted = (scores > threshold).astype(np.int64)
    gold = np.asarray(gold, np.int64)
    pair = torch.from_numpy(predicted), torch.from_numpy(gold)
    settings: dict[str, Any] = {"num_labels": len(labels), "validate_args": False}
    per_label = {
        "precision": library.multilabel_precision(*pair, average="none", **settings).tolist(),
        "recall": library.multilabel_recall(*pair, average="none", **settings).tolist(),
        "f1": library.multilabel_f1_score(*pair, average="none", **settings).tolist(),
        "roc_auc": [_roc_auc(scores[:, label], gold[:, label] == 1) for label in range(len(labels))],
        "support": gold.sum(0).tolist(),
    }
    values: dict[str, Any] = {
        "exact_match": library.multilabel_exact_match(*pair, **settings),
        "f1_micro": library.multilabel_f1_score(*pair, average="micro", **settings),
        "f1_macro": np.mean(per_label["f1"]),
        "precision_micro": library.multilabel_precision(*pair, average="micro", **settings),
        "recall_micro": library.multilabel_recall(*pair, average="micro", **settings),
        "roc_auc": np.mean(per_label["roc_auc"]),
        "hamming": 1 - (predicted == gold).mean(),
    }
    details = {
        label: {name: None if math.isnan(column[row]) else column[row] for name, column in per_label.items()}
        for row, label in enumerate(labels)
    }
    return {name: float(value) for name, value in values.items()}, {"per_label": details}


def regression(predicted: Array, gold: Array) -> Result:
    """A number each, [N] both: correlations (NaN when either side is constant) and errors."""
    predicted, gold = np.asarray(predicted, np.float64), np.asarray(gold, np.float64)
    error = predicted - gold
    return {
        "pearson": _correlation(predicted, gold),
        "spearman": _correlation(_ranks(predicted), _ranks(gold)),
        "mse": float(np.mean(error**2)),
        "mae": float(np.mean(np.abs(error))),
    }, {}


def calibration_error(confidence: Array, correct: Array, bins: int = 15) -> float:
    """Expected calibration error of confidences [N] in 0..1 (Guo et al. 2017, equations 2, 3 and 5).

    torchmetrics closes a bin on the left and so gives a confidence of exactly 1 (any saturated softmax) a bin of its
    own; the paper's bins are closed on the right.
    """
    index = np.ceil(confidence.astype(np.float64) * bins).clip(1, bins).astype(np.int64) - 1
    gap = np.bincount(index, correct, bins) - np.bincount(index, confidence, bins)
    return float(np.abs(gap).sum() / len(confidence))


def _mcc(counts: Array) -> float:
    """Matthews correlation of a confusion matrix [C, C] (Gorodkin 2004, equation 8); 0 where a side is constant.

    torchmetrics works in float32 and gives constant predictions other values than the 0 of the definition's limit.
    """
    occurs, predicted, total = (counts.sum(axis, dtype=np.float64) for axis in (1, 0, None))
    spread = (total**2 - occurs @ occurs) * (total**2 - predicted @ predicted)
    return float((np.trace(counts) * total - occurs @ predicted) / math.sqrt(spread)) if spread > 0 else 0.0


def _roc_auc(scores: Array, positive: Array) -> float:
    import torch
    from torchmetrics.functional.classification import binary_auroc

    if positive.all() or not positive.any():
        return math.nan
    preds = torch.from_numpy(scores.astype(np.float64))
    return float(binary_auroc(preds, torch.from_numpy(positive.astype(np.int64)), validate_args=False))


def _correlation(x: Array, y: Array) -> float:
    if (x == x[0]).all() or (y == y[0]).all():  # asked before the means are rounded: 0.1 - mean of 0.1s is not 0
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def _ranks(values: Array) -> Array:
    """Ranks from 1, [N]; equal values share the mean of theirs. torchmetrics' are float32 and overflow on ties."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
