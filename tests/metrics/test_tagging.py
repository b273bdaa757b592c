"""Against seqeval, whose own tests hold it to conlleval."""

import itertools
import json
import random

import pytest
import seqeval.metrics as published
from seqeval.scheme import IOBES
from sklearn.metrics import f1_score

from headway.errors import DataError
from headway.metrics.tagging import entities, scheme_of, tagging

pytestmark = pytest.mark.filterwarnings("error")
BIO = ["O", "O", "B-PER", "I-PER", "B-creative-work", "I-creative-work", "I-LOC"]
BIOES = [*BIO, "E-PER", "S-PER", "E-creative-work", "S-LOC"]


def drawn(tags: list[str], seed: int) -> tuple[list[list[str]], list[list[str]]]:
    """Predicted and gold tags of 200 sentences of 1 to 12 tokens, two thirds of them equal; many are ill-formed."""
    draw = random.Random(seed)
    gold = [draw.choices(tags, k=draw.randint(1, 12)) for _ in range(200)]
    return [[tag if draw.random() < 0.67 else draw.choice(tags) for tag in sentence] for sentence in gold], gold


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_scores_are_those_of_seqeval(scheme: str, seed: int) -> None:
    predicted, gold = drawn(BIO if scheme == "bio" else BIOES, seed)
    values, details = tagging(predicted, gold)
    options = {"zero_division": 0} | ({"mode": "strict", "scheme": IOBES} if scheme == "bioes" else {})
    assert details["scheme"] == scheme
    assert values == pytest.approx(
        {
            "precision": published.precision_score(gold, predicted, **options),
            "recall": published.recall_score(gold, predicted, **options),
            "f1": published.f1_score(gold, predicted, **options),
            "f1_macro": published.f1_score(gold, predicted, average="macro", **options),
            "accuracy": published.accuracy_score(gold, predicted),
        },
        abs=1e-6,
    )
    report = published.classification_report(gold, predicted, output_dict=True, **options)
    for kind, row in details["per_type"].items():
        theirs = dict(zip(("precision", "recall", "f1", "support"), report.pop(kind).values(), strict=True))
        assert row == pytest.approx(theirs, abs=1e-6)
    assert set(report) == {"micro avg", "macro avg", "weighted avg"}
    json.dumps(details)


def test_seqevals_published_example() -> None:
    gold = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    predicted = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    values, details = tagging(predicted, gold)
    assert values == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "f1_macro": 0.5, "accuracy": 0.8}
    assert details["per_type"] == {
        "MISC": {"precision": 0, "recall": 0, "f1": 0, "support": 1},
        "PER": {"precision": 1, "recall": 1, "f1": 1, "support": 1},
    }


def test_entities() -> None:
    """Lenient as conlleval: what continues nothing begins. Strict where there are end tags: it is dropped."""
    tags = ["I-PER", "I-PER", "B-PER", "I-LOC", "O", "B-x-y"]
    assert entities(tags, "bio") == [("PER", 0, 2), ("PER", 2, 3), ("LOC", 3, 4), ("x-y", 5, 6)]
    tags = ["B-PER", "E-PER", "S-LOC", "B-PER", "O", "I-PER", "E-PER", "B-LOC", "E-PER"]
    assert entities(tags, "bioes") == [("PER", 0, 2), ("LOC", 2, 3)]
    assert entities([], "bio") == entities([], "bioes") == []


def test_plain_tags_have_accuracy_and_macro_f1() -> None:
    predicted, gold = drawn(["NN", "VB", "-LRB-", ".", "X"], 0)
    values, details = tagging(predicted, gold)
    ours, theirs = (list(itertools.chain(*sentences)) for sentences in (predicted, gold))
    equal = sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours)
    assert values == pytest.approx({"f1_macro": f1_score(theirs, ours, average="macro"), "accuracy": equal}, abs=1e-6)
    assert set(details["per_type"]) == {"NN", "VB", "-LRB-", ".", "X"}


def test_no_entities_at_all() -> None:
    values, details = tagging([["O", "O"], []], [["O", "O"], []])
    assert values == {"precision": 0, "recall": 0, "f1": 0, "f1_macro": 0, "accuracy": 1}
    assert details == {"scheme": "bio", "per_type": {}}
    assert tagging([], [])[0]["accuracy"] == 0


def test_the_scheme_may_be_the_labels() -> None:
    """Predictions and gold of a small split need not show every prefix of the data."""
    gold, predicted = [["O", "O"]], [["B-PER", "I-PER"]]
    assert tagging(predicted, gold)[1]["per_type"]["PER"]["support"] == 0
    assert tagging(predicted, gold, "bioes")[1]["per_type"] == {}


def test_sentences_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        tagging([["O"]], [["O", "O"]])


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ({"O", "B-PER", "I-PER"}, "bio"),
        ({"O", "I-PER"}, "bio"),
        ({"O"}, "bio"),
        (set(), "bio"),
        ({"O", "B-PER", "E-PER"}, "bioes"),
        ({"O", "S-PER"}, "bioes"),
        ({"NN", "VB", "O"}, "plain"),
        ({"NN", "S-BAR"}, "plain"),
        ({"B", "M", "E", "S"}, "plain"),
    ],
)
def test_scheme_of(tags: set[str], scheme: str) -> None:
    assert scheme_of(tags) == scheme


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"O", "B", "I-PER"}, "tag 'B' has no type"),
        ({"O", "B-", "I-PER"}, "tag 'B-' has no type"),
        ({"O", "B", "I"}, "tag 'B' has no type"),
        ({"O", "B-PER", "L-PER"}, r"tag 'L-PER' beside 'B-PER'.*BILOU"),
        ({"O", "B-PER", "person"}, "tag 'person' beside 'B-PER'"),
        ({"O", "B-PER", ""}, "tag '' beside 'B-PER'"),
    ],
)
def test_malformed_tags_are_named(tags: set[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        scheme_of(tags)
