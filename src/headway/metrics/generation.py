"""Scores of generated text against references: sacreBLEU's BLEU and chrF, rouge-score's ROUGE. N examples."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal

Score = Literal["bleu", "chrf", "rouge"]
Tokenize = Literal["13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none"]
KINDS = {"rouge1": "rouge1", "rouge2": "rouge2", "rougeL": "rouge_l"}


def generation(
    predicted: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    which: Iterable[Score] = ("bleu", "chrf", "rouge"),
    tokenize: Tokenize = "13a",
) -> tuple[dict[str, float], dict[str, Any]]:
    """Score N (one or more) predicted texts, each against one reference or a list of one or more.

    bleu, chrf: of the corpus, 0 to 100 (Papineni et al. 2002; Popović 2015; Post 2018). rouge1, rouge2, rouge_l: F1, 0
    to 1, the mean over examples of the best reference's (Lin 2004). details["signatures"] says how each was computed.
    tokenize: sacreBLEU's name for how BLEU finds words. ROUGE's own words are ASCII and stemmed as English; with `zh`,
    `char` or a language's analyser it takes those instead, unstemmed.
    """
    lists = [[one] if isinstance(one, str) else list(one) for one in references]
    values: dict[str, float] = {}
    signatures: dict[str, str] = {}
    for name in which:
        if name == "rouge":
            scores, signatures["rouge"] = _rouge(predicted, lists, tokenize)
            values |= scores
        else:
            values[name], signatures[name] = _sacrebleu(name, predicted, lists, tokenize)
    return values, {"signatures": signatures}


def _sacrebleu(name: str, predicted: Sequence[str], lists: list[list[str]], tokenize: str) -> tuple[float, str]:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    # force: no advice on stderr about text that looks tokenized
    metric = BLEU(tokenize=tokenize, force=True) if name == "bleu" else CHRF()
    width = max(map(len, lists))
    streams: list[Any] = [[one[place] if place < len(one) else None for one in lists] for place in range(width)]
    score = metric.corpus_score(list(predicted), streams)
    return float(score.score), str(metric.get_signature())


def rouge_library() -> Any:
    """The module of rouge-score. Its absl keeps whatever is standard error just now, and closes it when logging is set
    up anew; the interpreter's own it leaves open.
    """
    from absl import logging
    from rouge_score import rouge_scorer

    logging.get_absl_handler().python_handler.stream = sys.__stderr__
    return rouge_scorer


def _rouge(predicted: Sequence[str], lists: list[list[str]], tokenize: str) -> tuple[dict[str, float], str]:
    from importlib.metadata import version

    library = rouge_library()
    english = tokenize in ("13a", "intl", "none")
    words = library.tokenizers.DefaultTokenizer(use_stemmer=True) if english else _Words(tokenize)
    scorer = library.RougeScorer(list(KINDS), tokenizer=words)
    totals = dict.fromkeys(KINDS, 0.0)
    for ours, theirs in zip(predicted, lists, strict=True):
        for kind, score in scorer.score_multi(theirs, ours).items():
            totals[kind] += score.fmeasure
    found = "stemmer:yes|tok:default" if english else f"stemmer:no|tok:{tokenize}"
    signature = f"{found}|version:{version('rouge-score')}"
    return {KINDS[kind]: total / len(lists) for kind, total in totals.items()}, signature


class _Words:
    """sacreBLEU's tokenizer of a name, in the shape that rouge-score asks for."""

    def __init__(self, name: str) -> None:
        from sacrebleu.metrics.bleu import BLEU

        self.tokenizer = BLEU(tokenize=name).tokenizer

    def tokenize(self, text: str) -> list[str]:
        return str(self.tokenizer(text)).split()
