"""Against scikit-learn, scipy and, for calibration, torchmetrics. N examples, C classes."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as published
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from headway.metrics.classification import calibration_error, multiclass, multilabel, regression

pytestmark = pytest.mark.filterwarnings("error")
CLOSE: dict[str, Any] = {"abs": 1e-6, "nan_ok": True}


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def names(classes: int) -> list[str]:
    return [f"class {i}" for i in range(classes)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("ties", [False, True])
def test_multiclass(classes: int, ties: bool, dtype: type) -> None:
    draw = np.random.default_rng(classes)
    gold = draw.integers(classes, size=3000)
    scores = softmax(draw.normal(size=(3000, classes)) + 1.5 * np.eye(classes)[gold])
    scores = (np.round(scores, 1) + 0.01 if ties else scores).astype(dtype)
    scores /= scores.sum(-1, keepdims=True)
    predicted = scores.argmax(-1)
    values, details = multiclass(scores, gold, names(classes))
    averaged: dict[str, Any] = {"average": "macro", "zero_division": 0}
    rest = [published.roc_auc_score(gold == c, scores[:, c]) for c in ([1] if classes == 2 else range(classes))]
    assert values == pytest.approx(
        {
            "accuracy": published.accuracy_score(gold, predicted),
            "f1_macro": published.f1_score(gold, predicted, **averaged),
            "f1_micro": published.f1_score(gold, predicted, average="micro"),
            "precision_macro": published.precision_score(gold, predicted, **averaged),
            "recall_macro": published.recall_score(gold, predicted, **averaged),
            "mcc": published.matthews_corrcoef(gold, predicted),
            "roc_auc": np.mean(rest),
            "calibration_error": by_the_paper(scores.max(-1), predicted == gold),
        },
        **CLOSE,
    )
    if classes > 2:
        one_vs_rest = published.roc_auc_score(gold, scores.astype(float), multi_class="ovr", average="macro")
        assert values["roc_auc"] == pytest.approx(one_vs_rest, **CLOSE)
    counts = published.confusion_matrix(gold, predicted, labels=range(classes)).tolist()
    assert details == {"confusion": {"labels": names(classes), "counts": counts}}
    json.dumps(details)


def by_the_paper(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Guo et al. 2017, equation 3, bin by bin: B_m holds the confidences in ((m-1)/M, m/M]."""
    confidence, error = confidence.astype(float), 0.0
    for m in range(1, bins + 1):
        held = (confidence > (m - 1) / bins) & (confidence <= m / bins)
        if held.any():
            error += held.mean() * abs(correct[held].mean() - confidence[held].mean())
    return error


def test_calibration_is_that_of_torchmetrics_off_the_borders() -> None:
    draw = np.random.default_rng(0)
    scores = softmax(draw.normal(size=(2000, 4)))
    gold = draw.integers(4, size=2000)
    ours = multiclass(scores, gold, names(4))[0]["calibration_error"]
    pair = torch.from_numpy(scores), torch.from_numpy(gold)
    assert ours == pytest.approx(float(multiclass_calibration_error(*pair, 4, n_bins=15)), **CLOSE)


def test_a_confidence_of_one_shares_the_bin_below_it() -> None:
    confidence, correct = np.array([0.95, 1.0]), np.array([True, False])
    assert calibration_error(confidence, correct) == pytest.approx(abs((0.95 - 1) + (1.0 - 0)) / 2)
    other = binary_calibration_error(torch.from_numpy(confidence), torch.tensor([1, 0]), n_bins=15)
    assert float(other) == pytest.approx((0.05 + 1) / 2)  # the difference that calibration_error's comment tells of


def test_a_class_absent_from_gold_but_predicted() -> None:
    gold, predicted = np.array([0, 1, 1, 0, 1]), np.array([0, 1, 2, 2, 0])
    values, _ = multiclass(np.eye(3)[predicted], gold, names(3))
    assert np.isnan(values["roc_auc"])
    assert values["mcc"] == pytest.approx(published.matthews_corrcoef(gold, predicted), **CLOSE)
    for name, score in {"f1": published.f1_score, "recall": published.recall_score}.items():
        expected = score(gold, predicted, average="macro", zero_division=0)
        assert values[f"{name}_macro"] == pytest.approx(expected, **CLOSE)


def test_a_class_that_neither_occurs_nor_is_predicted_is_left_out() -> None:
    gold, predicted = np.array([0, 1, 1]), np.array([0, 1, 0])
    values, _ = multiclass(np.eye(3)[predicted], gold, names(3))
    assert values["f1_macro"] == pytest.approx(published.f1_score(gold, predicted, average="macro"), **CLOSE)


@pytest.mark.parametrize("gold", [[1], [1, 1, 1], [0, 0, 0, 0]])
@pytest.mark.parametrize("predicted", [0, 1])
def test_gold_of_one_class_and_one_example(gold: list[int], predicted: int) -> None:
    scores = np.tile(np.eye(2)[predicted] * 0.6 + 0.2, (len(gold), 1))
    values, _ = multiclass(scores, np.array(gold), names(2))
    right = gold[0] == predicted
    assert values["accuracy"] == right
    assert values["mcc"] == 0  # scikit-learn's too, which warns of it
    assert np.isnan(values["roc_auc"])
    assert values["calibration_error"] == pytest.approx(0.2 if right else 0.8)


def test_mcc_of_constant_predictions_is_zero() -> None:
    gold = np.array([0, 1, 1, 0, 1])
    values, _ = multiclass(np.tile([0.3, 0.7], (5, 1)), gold, names(2))
    assert values["mcc"] == published.matthews_corrcoef(gold, np.ones(5)) == 0
    assert values["roc_auc"] == 0.5


def test_multilabel() -> None:
    draw = np.random.default_rng(1)
    gold = (draw.random((500, 5)) < [0.1, 0.5, 0.9, 0.3, 0.3]).astype(int)
    scores = np.round(np.clip(draw.random((500, 5)) * 0.7 + 0.3 * gold, 0, 1), 2)
    scores[:, 4] /= 4  # a label never predicted
    predicted = scores > 0.4
    values, details = multilabel(scores, gold, names(5), threshold=0.4)
    assert values == pytest.approx(
        {
            "exact_match": published.accuracy_score(gold, predicted),
            "f1_micro": published.f1_score(gold, predicted, average="micro"),
            "f1_macro": published.f1_score(gold, predicted, average="macro", zero_division=0),
            "precision_micro": published.precision_score(gold, predicted, average="micro"),
            "recall_micro": published.recall_score(gold, predicted, average="micro"),
            "roc_auc": published.roc_auc_score(gold, scores, average="macro"),
            "hamming": published.hamming_loss(gold, predicted),
        },
        **CLOSE,
    )
    precision, recall, f1, support = published.precision_recall_fscore_support(gold, predicted, zero_division=0)
    for label, row in enumerate(details["per_label"].values()):
        expected = [
            precision[label],
            recall[label],
            f1[label],
            published.roc_auc_score(gold[:, label], scores[:, label]),
        ]
        assert list(row.values()) == pytest.approx([*expected, support[label]], **CLOSE)
    json.dumps(details, allow_nan=False)


def test_a_label_that_never_occurs() -> None:
    gold = np.array([[1, 0], [0, 0], [1, 0]])
    scores = np.array([[0.9, 0.1], [0.5, 0.2], [0.8, 0.3]])  # 0.5 is not above the threshold
    values, details = multilabel(scores, gold, names(2))
    assert values["exact_match"] == 1
    assert values["f1_macro"] == published.f1_score(gold, scores > 0.5, average="macro", zero_division=0) == 0.5
    assert np.isnan(values["roc_auc"])
    assert details["per_label"]["class 1"]["roc_auc"] is None
    assert multilabel(np.zeros((1, 2)), np.zeros((1, 2)), names(2))[0]["f1_micro"] == 0


@pytest.mark.parametrize("decimals", [0, 12])
def test_regression(decimals: int) -> None:
    draw = np.random.default_rng(2)
    gold = np.round(draw.normal(size=400) * 2, decimals)  # decimals=0: many ties
    predicted = (np.round(gold + draw.normal(size=400), decimals)).astype(np.float32)
    values, _ = regression(predicted, gold)
    wide = predicted.astype(np.float64)
    assert values == pytest.approx(
        {
            "pearson": stats.pearsonr(wide, gold).statistic,
            "spearman": stats.spearmanr(wide, gold).statistic,
            "mse": published.mean_squared_error(gold, wide),
            "mae": published.mean_absolute_error(gold, wide),
        },
        **CLOSE,
    )


@pytest.mark.parametrize(("predicted", "gold"), [([0.1] * 10, range(10)), (range(10), [0.1] * 10), ([2.0], [3.0])])
def test_a_correlation_with_a_constant_is_undefined(predicted: Any, gold: Any) -> None:
    values, _ = regression(np.array(predicted), np.array(gold))
    assert np.isnan([values["pearson"], values["spearman"]]).all()
    assert np.isfinite([values["mse"], values["mae"]]).all()


def test_two_points() -> None:
    values, _ = regression(np.array([1.0, 3.0]), np.array([5.0, 4.0]))
    assert values == pytest.approx({"pearson": -1, "spearman": -1, "mse": 8.5, "mae": 2.5}, abs=1e-12)
