"""Metrics that can be computed again on any resample of the examples. N examples, k statistics of each, C classes.

A metric of a test set is here a function of sums over its examples: of true positives, say, or of sacreBLEU's n-gram
counts. A resample that draws example i w_i times has the sums w @ stats, so 10,000 resamples are a matrix product. On
the whole set each measure equals that of headway.metrics, under its name.

Spearman's correlation is approximate on resamples, where examples keep their ranks in the whole set: its intervals are
some percent too narrow, and where it is near 1 a quarter with 200 examples and a half with 50. The area under the ROC
is no function of such sums. The loss of questions and of sentences longer than a window is averaged over questions and
words, not over windows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headway.compare import formulas
from headway.compare.formulas import SCORES, Floats
from headway.compare.importance import ranks
from headway.metrics.generation import generation
from headway.metrics.squad import squad
from headway.metrics.tagging import entities, scheme_of

Columns = Mapping[str, Any]
Measures = dict[str, "Measure"]
LOWER_IS_BETTER = {"loss", "mlm_loss", "perplexity", "bits_per_byte", "mse", "mae", "hamming", "calibration_error"}
BINS = 15  # of the calibration error, as in headway.metrics


@dataclass(frozen=True, eq=False)
class Measure:
    """One metric of one run on one test set.

    stats: [N, k] float64. value: sums of stats over examples, [..., k], to the metric, [...]; NaN where that is
    undefined. keys: what the statistics count, where that depends on the data (classes, types of entity).
    """

    name: str
    stats: Floats
    value: Callable[[Floats], Floats]
    keys: tuple[str, ...] = ()

    @property
    def higher_is_better(self) -> bool:
        return self.name not in LOWER_IS_BETTER

    @property
    def estimate(self) -> float:
        """The metric of all examples."""
        return float(self.value(self.stats.sum(0)))

    def take(self, rows: npt.ArrayLike) -> "Measure":
        """The same metric of some examples only: their numbers, or a mask [N]."""
        return replace(self, stats=self.stats[np.asarray(rows)])


def measures_for(columns: Columns, tokenize: str = "13a") -> Measures:
    """All measures, by name, of one run's predictions: those of measures_of for it alone."""
    return measures_of([columns], tokenize)[0]


def measures_of(runs: Sequence[Columns], tokenize: str = "13a") -> list[Measures]:
    """All measures, by name, of each run's predictions of the same examples.

    runs: the columns of their prediction files as lists (`table.to_pydict()`), rows in the same order. Statistics of
    classes have the same classes in the same order in all runs. tokenize: as in headway.metrics.generation.
    ValueError: columns of no task; other examples or gold answers in one run than in another; no examples, or one
    without a gold answer, which has no place in a metric.
    """
    first = runs[0]
    for name in sorted({"id", "gold"} & first.keys()):
        if any(list(run[name]) != list(first[name]) for run in runs[1:]):
            raise ValueError(f"the runs differ in column {name!r}: they are not of the same examples")
    if not len(next(iter(first.values()), ())):
        raise ValueError("there are no examples")
    if missing := sum(gold is None for gold in first.get("gold", ())):
        raise ValueError(f"{missing} of {len(first['gold'])} examples have no gold answer; leave them out first")
    if "masked" in first:
        return [_masked(run) for run in runs]
    if "question" in first:
        return [_answered(run) for run in runs]
    if "prediction" not in first and {"loss", "tokens"} <= first.keys():
        return [_language(run) for run in runs]
    if not {"gold", "prediction"} <= first.keys():
        raise ValueError(f"columns {', '.join(sorted(first))} are of no task that has measures")
    if isinstance(first["prediction"][0], float):
        return [_scored(run) for run in runs]
    if not isinstance(first["prediction"][0], str):
        return _tagged(runs) if "tokens" in first else _multi_labelled(runs)
    return _labelled(runs) if "confidence" in first else [_generated(run, tokenize) for run in runs]


def average(name: str, values: npt.ArrayLike, weights: npt.ArrayLike = 1.0) -> Measure:
    """sum(values * weights) / sum(weights) of a number per example, [N] both (or one weight for all)."""
    values = np.asarray(values, np.float64)
    weights = np.broadcast_to(np.asarray(weights, np.float64), values.shape)
    return Measure(name, np.stack([values * weights, weights], 1), formulas.ratio)


def _labelled(runs: Sequence[Columns]) -> list[Measures]:
    labels = sorted({label for run in runs for name in ("gold", "prediction") for label in run[name]})
    gold = _counts([[label] for label in runs[0]["gold"]], labels)
    found = []
    for run in runs:
        predicted = _counts([[label] for label in run["prediction"]], labels)
        right = (predicted * gold).sum(1)
        confidence = np.asarray(run["confidence"], np.float64)
        bins = np.ceil(confidence * BINS).clip(1, BINS).astype(np.int64) - 1
        gaps = np.column_stack([np.eye(BINS)[bins] * (right - confidence)[:, None], np.ones(len(right))])
        counts = np.concatenate([predicted * gold, predicted, gold], 1)
        found.append(
            _by_name(
                average("accuracy", right),
                average("f1_micro", right),
                *(
                    Measure(f"{name}_macro", counts, formulas.macro(score), tuple(labels))
                    for name, score in SCORES.items()
                ),
                Measure("mcc", counts, formulas.mcc, tuple(labels)),
                Measure("calibration_error", gaps, lambda sums: np.abs(sums[..., :-1]).sum(-1) / sums[..., -1]),
                average("loss", run["loss"]),
            )
        )
    return found


def _multi_labelled(runs: Sequence[Columns]) -> list[Measures]:
    """A label of the run's list that neither occurs nor is predicted counts as 0 in the macro average."""
    labels = sorted({label for run in runs for name in ("gold", "prediction") for row in run[name] for label in row})
    classes = len(runs[0]["scores"][0])
    gold = _counts(runs[0]["gold"], labels)
    found = []
    for run in runs:
        predicted = _counts(run["prediction"], labels)
        wrong = (predicted != gold).sum(1)
        counts = np.concatenate([predicted * gold, predicted, gold], 1)
        found.append(
            _by_name(
                average("exact_match", wrong == 0),
                *(Measure(f"{name}_micro", formulas.pooled(counts), score) for name, score in SCORES.items()),
                Measure(
                    "f1_macro",
                    counts,
                    lambda sums: formulas.f1(formulas.by_class(sums)).sum(-1) / classes,
                    tuple(labels),
                ),
                average("hamming", wrong / classes),
                average("loss", run["loss"]),
            )
        )
    return found


def _tagged(runs: Sequence[Columns]) -> list[Measures]:
    """Entities right, predicted and given in each sentence, by type; the loss is averaged over words."""
    scheme = scheme_of({tag for run in runs for name in ("gold", "prediction") for row in run[name] for tag in row})
    gold = runs[0]["gold"]
    given = [set(entities(list(row), scheme)) for row in gold]
    predicted = [[set(entities(list(row), scheme)) for row in run["prediction"]] for run in runs]
    types = sorted({kind for rows in (given, *predicted) for row in rows for kind, _, _ in row})
    sizes = np.array([len(row) for row in gold], np.float64)
    found = []
    for run, ours in zip(runs, predicted, strict=True):
        right = [one & other for one, other in zip(ours, given, strict=True)]
        kinds = [[[kind for kind, _, _ in row] for row in rows] for rows in (right, ours, given)]
        counts = np.concatenate([_counts(rows, types) for rows in kinds], 1)
        same = [sum(map(str.__eq__, *pair)) for pair in zip(run["prediction"], gold, strict=True)]
        overall = {} if scheme == "plain" else SCORES
        found.append(
            _by_name(
                *(Measure(name, formulas.pooled(counts), score) for name, score in overall.items()),
                Measure("f1_macro", counts, formulas.macro(formulas.f1), tuple(types)),
                Measure("accuracy", np.stack([same, sizes], 1), formulas.ratio),
                average("loss", run["loss"], sizes),
            )
        )
    return found


def _scored(run: Columns) -> Measures:
    predicted, gold = np.asarray(run["prediction"], np.float64), np.asarray(run["gold"], np.float64)
    return _by_name(
        Measure("pearson", _moments(predicted, gold), formulas.correlation),
        Measure("spearman", _moments(ranks(predicted), ranks(gold)), formulas.correlation),
        average("mse", (predicted - gold) ** 2),
        average("mae", np.abs(predicted - gold)),
        average("loss", run["loss"]),
    )


def _answered(run: Columns) -> Measures:
    scores = [squad([ours], [list(theirs)])[0] for ours, theirs in zip(run["prediction"], run["gold"], strict=True)]
    exact, f1 = (np.array([score[name] for score in scores]) for name in ("exact_match", "f1"))
    answerable = np.array([len(gold) > 0 for gold in run["gold"]])
    of_kind = [
        average(name, values, chosen)
        for kind, chosen in {"has_answer": answerable, "no_answer": ~answerable}.items()
        for name, values in {f"{kind}_exact": exact, f"{kind}_f1": f1}.items()
        if chosen.any()
    ]
    return _by_name(average("exact_match", exact), average("f1", f1), *of_kind, average("loss", run["loss"]))


def _language(run: Columns) -> Measures:
    """loss and perplexity are of tokens; by bits per byte also runs with different tokenizers can be compared."""
    loss, tokens = np.asarray(run["loss"], np.float64), np.asarray(run["tokens"], np.float64)
    of_tokens = average("loss", loss, tokens)
    bytes_ = [np.stack([loss * tokens / np.log(2), run["bytes"]], 1)] if "bytes" in run else []
    return _by_name(
        of_tokens,
        replace(of_tokens, name="perplexity", value=formulas.exp_ratio),
        *(Measure("bits_per_byte", one, formulas.ratio) for one in bytes_),
    )


def _masked(run: Columns) -> Measures:
    loss = average("mlm_loss", run["loss"], run["masked"])
    shares = {"mlm_accuracy": ("correct", "masked")} | (
        {"nsp_accuracy": ("in_order", "pairs")} if "pairs" in run else {}
    )
    counted = {name: np.array([run[part], run[whole]], np.float64).T for name, (part, whole) in shares.items()}
    return _by_name(
        loss,
        replace(loss, name="perplexity", value=formulas.exp_ratio),
        *(Measure(name, stats, formulas.ratio) for name, stats in counted.items()),
    )


def _generated(run: Columns, tokenize: Any) -> Measures:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    texts, golds = list(run["prediction"]), [[gold] if isinstance(gold, str) else list(gold) for gold in run["gold"]]
    streams = [[gold[at] if at < len(gold) else None for gold in golds] for at in range(max(map(len, golds)))]
    libraries: list[Any] = [BLEU(tokenize=tokenize, force=True), CHRF()]
    bleu, chrf = (np.array(one._extract_corpus_statistics(texts, streams), np.float64) for one in libraries)
    rouge = [generation([one], [gold], ["rouge"], tokenize)[0] for one, gold in zip(texts, golds, strict=True)]
    means = [average(name, [scores[name] for scores in rouge]) for name in rouge[0]]
    return _by_name(Measure("bleu", bleu, formulas.bleu), Measure("chrf", chrf, formulas.chrf), *means) | _language(run)


def _by_name(*measures: Measure) -> Measures:
    return {measure.name: measure for measure in measures}


def _counts(rows: Sequence[Sequence[str]], names: Sequence[str]) -> Floats:
    """[N, C]: how often each name is in each row."""
    places = {name: place for place, name in enumerate(names)}
    cells = [number * len(names) + places[name] for number, row in enumerate(rows) for name in row]
    counts = np.bincount(np.array(cells, np.int64), minlength=len(rows) * len(names))
    return counts.reshape(len(rows), len(names)).astype(np.float64)


def _moments(x: Floats, y: Floats) -> Floats:
    """[N, 6]: 1, x, y, xx, yy, xy; both less the mean of y, which keeps the digits and is the same for all runs."""
    x, y = x - y.mean(), y - y.mean()
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], 1)
