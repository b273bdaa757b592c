"""Against headway.metrics (held to the libraries by its own tests) and the libraries: 1e-9, sums of rounded terms."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sacrebleu
import seqeval.metrics
from scipy import stats
from sklearn import metrics as sklearn

from headway.compare.measures import Measures, measures_for, measures_of
from headway.metrics.classification import multilabel, regression
from headway.metrics.generation import generation
from headway.metrics.language import masked, perplexity
from headway.metrics.squad import squad
from headway.metrics.tagging import tagging

SEEDS = range(3)
EXACT = {"abs": 1e-9, "rel": 1e-9}
WORDS = ["the", "a", "cat", "dog", "sat", "on", "mat", "runs", "fast", "."]
TAGS = ["O", "O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def labelled(seed: int, labels: int = 4, size: int = 300) -> dict[str, Any]:
    draws = np.random.default_rng(seed)
    scores = draws.dirichlet(np.ones(labels), size)
    names = [f"label {number}" for number in range(labels)]
    return {
        "id": list(range(size)),
        "gold": [names[number] for number in draws.integers(0, max(labels - 1, 1), size)],
        "prediction": [names[number] for number in scores.argmax(1)],
        "confidence": scores.max(1).tolist(),
        "loss": draws.exponential(size=size).tolist(),
    }


def generated(seed: int, size: int = 60, references: int = 1) -> dict[str, Any]:
    draws = np.random.default_rng(seed)

    def text(least: int) -> str:
        return " ".join(draws.choice(WORDS, draws.integers(least, 12)))

    return {
        "gold": [text(1) if references == 1 else [text(1) for _ in range(1 + n % references)] for n in range(size)],
        "prediction": [text(0) for _ in range(size)],
        "loss": draws.exponential(size=size).tolist(),
        "tokens": draws.integers(1, 20, size).tolist(),
    }


def tagged(seed: int, tags: list[str], size: int = 120) -> dict[str, Any]:
    draws = np.random.default_rng(seed)
    gold = [draws.choice(tags, draws.integers(1, 12)).tolist() for _ in range(size)]
    return {
        "tokens": [["w"] * len(row) for row in gold],
        "gold": gold,
        "prediction": [[tag if draws.random() < 0.7 else str(draws.choice(tags)) for tag in row] for row in gold],
        "confidence": [[1.0] * len(row) for row in gold],
        "loss": draws.exponential(size=size).tolist(),
    }


def estimates(measures: Measures) -> dict[str, float]:
    return {name: measure.estimate for name, measure in measures.items()}


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("labels", [1, 2, 4, 20])
def test_labelled_equals_scikit_learn(seed: int, labels: int) -> None:
    columns = labelled(seed, labels)
    gold, predicted = columns["gold"], columns["prediction"]
    macro = sklearn.precision_recall_fscore_support(gold, predicted, average="macro", zero_division=0)
    found = estimates(measures_for(columns))
    right = np.array([a == b for a, b in zip(gold, predicted, strict=True)])
    bins = np.ceil(np.array(columns["confidence"]) * 15).clip(1, 15)
    gap = right - np.array(columns["confidence"])
    assert found == pytest.approx(
        {
            "accuracy": sklearn.accuracy_score(gold, predicted),
            "f1_micro": sklearn.f1_score(gold, predicted, average="micro"),
            "precision_macro": macro[0],
            "recall_macro": macro[1],
            "f1_macro": macro[2],
            "mcc": sklearn.matthews_corrcoef(gold, predicted),
            "calibration_error": sum(abs(gap[bins == at].sum()) for at in range(1, 16)) / len(gap),
            "loss": np.mean(columns["loss"]),
        },
        **EXACT,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_multi_labelled_equals_our_metrics(seed: int) -> None:
    draws = np.random.default_rng(seed)
    names = ["a", "b", "c", "never"]
    scores = draws.random((200, 4)) * [1, 1, 1, 0.4]
    gold = (draws.random((200, 4)) < 0.4) * [1, 1, 1, 0]
    columns = {
        "gold": [[names[at] for at in np.flatnonzero(row)] for row in gold],
        "prediction": [[names[at] for at in np.flatnonzero(row > 0.5)] for row in scores],
        "scores": scores.tolist(),
        "loss": [1.0] * 200,
    }
    found = estimates(measures_for(columns))
    theirs, _ = multilabel(scores, gold, names)
    assert found.pop("loss") == 1.0
    # torchmetrics works in float32
    assert found == pytest.approx({name: theirs[name] for name in found}, abs=1e-6)
    assert found["f1_macro"] == pytest.approx(
        sklearn.f1_score(gold, scores > 0.5, average="macro", zero_division=0), **EXACT
    )
    assert set(theirs) - set(found) == {"roc_auc"}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tags", [TAGS, [*TAGS, "E-PER", "S-PER", "E-LOC"], ["NOUN", "VERB", "DET"]])
def test_tagged_equals_our_metrics(seed: int, tags: list[str]) -> None:
    columns = tagged(seed, tags)
    theirs, _ = tagging(columns["prediction"], columns["gold"])
    found = estimates(measures_for(columns))
    sizes = [len(row) for row in columns["gold"]]
    assert found.pop("loss") == pytest.approx(np.average(columns["loss"], weights=sizes), **EXACT)
    assert found == pytest.approx(theirs, **EXACT)
    if tags is TAGS:
        assert found["f1"] == pytest.approx(seqeval.metrics.f1_score(columns["gold"], columns["prediction"]), **EXACT)


@pytest.mark.parametrize("seed", SEEDS)
def test_scored_equals_scipy(seed: int) -> None:
    draws = np.random.default_rng(seed)
    gold = draws.integers(0, 11, 200) / 2
    predicted = gold + draws.normal(size=200) + 100  # far from 0, where sums of squares lose digits
    columns = {"gold": gold.tolist(), "prediction": predicted.tolist(), "loss": [0.0] * 200}
    found = estimates(measures_for(columns))
    assert found.pop("loss") == 0.0
    assert found == pytest.approx(regression(predicted, gold)[0], **EXACT)
    assert found["pearson"] == pytest.approx(stats.pearsonr(predicted, gold).statistic, **EXACT)
    assert found["spearman"] == pytest.approx(stats.spearmanr(predicted, gold).statistic, **EXACT)


def test_a_correlation_with_a_constant_is_undefined() -> None:
    found = measures_for({"gold": [0.1, 0.2, 0.3], "prediction": [0.1] * 3, "loss": [0.0] * 3})
    assert np.isnan([found["pearson"].estimate, found["spearman"].estimate]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_equal_our_metrics(seed: int) -> None:
    draws = np.random.default_rng(seed)
    texts = [" ".join(draws.choice(WORDS, 3)) for _ in range(100)]
    golds = [[] if number % 3 == 0 else [str(draws.choice(texts)), text] for number, text in enumerate(texts)]
    predicted = ["" if draws.random() < 0.3 else str(draws.choice(WORDS)) for _ in texts]
    columns = {"question": texts, "gold": golds, "prediction": predicted, "loss": [2.0] * 100}
    found = estimates(measures_for(columns))
    assert found.pop("loss") == 2.0
    assert found == pytest.approx(squad(predicted, golds)[0], **EXACT)


@pytest.mark.parametrize("seed", SEEDS)
def test_language_equals_our_metrics(seed: int) -> None:
    draws = np.random.default_rng(seed)
    loss, tokens, bytes_ = draws.exponential(size=50), draws.integers(0, 9, 50), draws.integers(0, 30, 50)
    columns = {"text": [""] * 50, "loss": loss, "tokens": tokens, "bytes": bytes_}
    assert estimates(measures_for(columns)) == pytest.approx(
        perplexity(float(loss @ tokens), int(tokens.sum()), int(bytes_.sum())), **EXACT
    )
    correct = draws.integers(0, tokens + 1)
    columns = {
        "text": [""] * 50,
        "masked": tokens,
        "correct": correct,
        "loss": loss,
        "pairs": tokens,
        "in_order": correct,
    }
    theirs = masked(int(correct.sum()), int(tokens.sum()), float(loss @ tokens))
    assert estimates(measures_for(columns)) == pytest.approx(
        {
            "mlm_loss": theirs["loss"],
            "mlm_accuracy": theirs["accuracy"],
            "perplexity": np.exp(theirs["loss"]),
            "nsp_accuracy": theirs["accuracy"],
        },
        **EXACT,
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("references", "tokenize"), [(1, "13a"), (3, "13a"), (1, "char")])
def test_generated_equals_sacrebleu_and_rouge(seed: int, references: int, tokenize: Any) -> None:
    columns = generated(seed, references=references)
    theirs, _ = generation(columns["prediction"], columns["gold"], tokenize=tokenize)
    found = estimates(measures_for(columns, tokenize))
    tokens = np.array(columns["tokens"])
    loss = float(tokens @ columns["loss"] / tokens.sum())
    assert found == pytest.approx(theirs | {"loss": loss, "perplexity": np.exp(loss)}, **EXACT)


@pytest.mark.parametrize("seed", SEEDS)
def test_bleu_and_chrf_of_a_resample_are_those_of_its_texts(seed: int) -> None:
    columns = generated(seed, size=12)  # so few that there are resamples without any 4-gram in common
    rows = np.random.default_rng(seed).integers(0, 12, (40, 5))
    found = measures_for(columns)
    for chosen in rows:
        texts = [columns["prediction"][row] for row in chosen], [[columns["gold"][row] for row in chosen]]
        assert found["bleu"].take(chosen).estimate == pytest.approx(
            sacrebleu.corpus_bleu(*texts, force=True).score, **EXACT
        )
        assert found["chrf"].take(chosen).estimate == pytest.approx(sacrebleu.corpus_chrf(*texts).score, **EXACT)


def kinds() -> Iterator[Measures]:
    yield measures_for(labelled(1))
    yield measures_for(tagged(1, TAGS))
    yield measures_for(generated(1))


def test_many_sums_at_once_give_what_each_gives_alone() -> None:
    for measures in kinds():
        for measure in measures.values():
            weights = np.random.default_rng(0).multinomial(
                len(measure.stats), [1 / len(measure.stats)] * len(measure.stats), 6
            )
            sums = weights @ measure.stats
            alone = [measure.take(np.repeat(np.arange(len(row)), row)).estimate for row in weights]
            np.testing.assert_allclose(measure.value(sums), alone, rtol=1e-12)
            assert measure.value(sums.reshape(2, 3, -1)).shape == (2, 3)


def test_runs_share_their_classes() -> None:
    first, second = labelled(1), labelled(1)
    second["prediction"] = ["seen nowhere else"] * 300
    alone = [measures_for(first), measures_for(second)]
    for one, together in zip(alone, measures_of([first, second]), strict=True):
        assert together["f1_macro"].keys == ("label 0", "label 1", "label 2", "label 3", "seen nowhere else")
        assert estimates(together) == pytest.approx(estimates(one), **EXACT)


def test_direction() -> None:
    found = measures_for(labelled(1))
    assert [name for name, measure in found.items() if not measure.higher_is_better] == ["calibration_error", "loss"]


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([{"id": [1], "text": [""]}], "of no task"),
        ([labelled(1), labelled(2)], "not of the same examples"),
        ([labelled(1, size=0)], "no examples"),
        ([labelled(1) | {"gold": [None] * 3 + ["label 1"] * 297}], "3 of 300 examples have no gold"),
    ],
)
def test_what_has_no_measures(runs: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measures_of(runs)
