"""Against the libraries' own entry points: sacreBLEU's command and functions, rouge-score's scorer."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sacrebleu

from headway.metrics.generation import generation, rouge_library

pytestmark = pytest.mark.filterwarnings("error")
PREDICTED = ["The cats are sitting on the mat .", "a man rides a horse", "", "It is raining heavily today."]
FIRST = ["The cat sat on the mat .", "A man is riding a horse.", "Two dogs run.", "It rains a lot today."]
SECOND = ["There is a cat on the mat .", "A man rides his horse.", "Dogs are running.", "Today it is raining heavily."]
CHINESE = ["今天天气很好", "我喜欢北京 2008"]
CHINESE_GOLD = ["今天的天气很好", "我很喜欢北京2008"]


def command(folder: Path, *options: str) -> dict[str, object]:
    for name, lines in {"predicted": PREDICTED, "first": FIRST, "second": SECOND}.items():
        (folder / name).write_text("".join(line + "\n" for line in lines))
    arguments = [sys.executable, "-m", "sacrebleu", "first", "second", "-i", "predicted", "-w", "12", *options]
    out = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=True).stdout
    return json.loads(out)


@pytest.mark.parametrize(("name", "tokenize"), [("bleu", "13a"), ("bleu", "intl"), ("chrf", "13a")])
def test_bleu_and_chrf_are_those_of_the_command(tmp_path: Path, name: str, tokenize: str) -> None:
    options = ["-m", name, *(["--tokenize", tokenize] if name == "bleu" else [])]
    theirs = command(tmp_path, *options)
    pairs = [list(pair) for pair in zip(FIRST, SECOND, strict=True)]
    values, details = generation(PREDICTED, pairs, [name], tokenize)  # type: ignore[list-item, arg-type]
    assert values == {name: pytest.approx(theirs["score"], abs=1e-6)}
    signature = details["signatures"][name]
    assert set(signature.split("|")) == set(str(theirs["signature"]).split("|"))
    assert f"version:{sacrebleu.__version__}" in signature


def test_rouge_is_that_of_its_scorer() -> None:
    scorer = rouge_library().RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    rows = [scorer.score(gold, ours) for gold, ours in zip(FIRST, PREDICTED, strict=True)]
    expected = {
        name: np.mean([row[theirs].fmeasure for row in rows])
        for name, theirs in {"rouge1": "rouge1", "rouge2": "rouge2", "rouge_l": "rougeL"}.items()
    }
    values, details = generation(PREDICTED, FIRST, ["rouge"])
    assert values == pytest.approx(expected, abs=1e-6)
    assert "stemmer:yes" in details["signatures"]["rouge"]
    best = generation(PREDICTED, [list(pair) for pair in zip(FIRST, SECOND, strict=True)], ["rouge"])[0]
    assert all(best[name] >= values[name] for name in values)
    assert best["rouge1"] > values["rouge1"]


def test_examples_may_have_different_numbers_of_references() -> None:
    references = [[FIRST[0], SECOND[0]], [FIRST[1]], [FIRST[2]], [SECOND[3]]]
    values, details = generation(PREDICTED, references)
    streams = [[row[0] for row in references], [SECOND[0], None, None, None]]
    assert values["bleu"] == pytest.approx(sacrebleu.corpus_bleu(PREDICTED, streams).score, abs=1e-6)
    assert "nrefs:var" in details["signatures"]["bleu"]


def test_chinese_is_split_into_characters() -> None:
    values, details = generation(CHINESE, CHINESE_GOLD, tokenize="zh")
    assert values["bleu"] == pytest.approx(
        sacrebleu.corpus_bleu(CHINESE, [CHINESE_GOLD], tokenize="zh").score, abs=1e-6
    )
    assert "tok:zh" in details["signatures"]["bleu"]
    assert values["rouge1"] == pytest.approx((2 * 6 / 13 + 2 * 6 / 13) / 2)  # 6 of 7 characters; "2008" is one word
    assert generation(CHINESE, CHINESE_GOLD, ["rouge"])[0]["rouge1"] < 0.6  # English words see only the number


def test_empty_predictions_and_equal_ones() -> None:
    values, _ = generation(["", ""], FIRST[:2])
    assert values == dict.fromkeys(["bleu", "chrf", "rouge1", "rouge2", "rouge_l"], 0.0)
    values, _ = generation(FIRST, FIRST)
    assert values == pytest.approx({"bleu": 100, "chrf": 100, "rouge1": 1, "rouge2": 1, "rouge_l": 1})
