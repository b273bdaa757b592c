"""Sequence to sequence: losses against transformers' own, generated predictions, and a run from end to end."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sacrebleu
import torch
from transformers import PreTrainedTokenizerBase
from transformers.trainer_pt_utils import LabelSmoother

from headway.cli import main
from headway.data.encode import Encoded, cached
from headway.errors import ModelError
from headway.models.locate import load_tokenizer
from headway.models.scratch import Scratch
from headway.models.seq2seq import GruAttention
from headway.store.predictions import read_predictions
from headway.store.run import Run
from headway.tasks.base import EVALUATION, Split
from headway.tasks.decoding import answers, text_of
from headway.tasks.seq2seq import SequenceToSequence
from headway.tokenizers.trained import Trained
from headway.training.evaluate import evaluate
from headway.training.events import SilentChannel
from headway.worker import guarded

SOURCES = ["one two three four", "five", "two two", "", "nine eight seven six five four three two one"]
TARGETS = ["eins zwei drei vier", "fünf", "zwei zwei", "nichts", None]
MODELS = {
    "t5": Scratch("t5", layers=2, width=32, heads=2, dropout=0.0),
    "bart": Scratch("bart", layers=2, width=32, heads=2, dropout=0.0),
    "gru": GruAttention(width=16, embedding=16, dropout=0.0),
}


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return Trained("bpe", 300).train([*SOURCES, *filter(None, TARGETS)], framing="seq2seq")


def encoded(folder: Path, task: SequenceToSequence, tokenizer: PreTrainedTokenizerBase) -> tuple[pa.Table, Encoded]:
    table = pa.table({"text": SOURCES, "target": pa.array(TARGETS, pa.large_string())})
    return table, cached(folder / "encoded", lambda: task.encode(tokenizer, table, "val"), "uint16")


def tokens(encoded: Encoded, tokenizer: PreTrainedTokenizerBase, name: str, item: int) -> str:
    return " ".join(tokenizer.convert_ids_to_tokens(encoded.cut(name, item).tolist()))


def test_what_is_kept_of_a_pair(tmp_path: Path) -> None:
    task = SequenceToSequence(max_source_length=4, max_target_length=3, prefix="two ")
    words = Trained("word", min_frequency=1).train([*SOURCES, *filter(None, TARGETS)], framing="seq2seq")
    _, items = encoded(tmp_path, task, words)
    assert [tokens(items, words, "input_ids", i) for i in range(5)] == [
        *("two one two [EOS]", "two five [EOS]", "two two two [EOS]", "two [EOS]", "two nine eight [EOS]")
    ]
    assert [tokens(items, words, "target_ids", i) for i in range(4)] == [
        *("eins zwei [EOS]", "fünf [EOS]", "zwei zwei [EOS]", "nichts [EOS]")
    ]
    assert items.columns["cut"].tolist() == [3, 0, 0, 0, 1]
    assert task.terms(items, np.arange(5), EVALUATION).tolist() == [3, 2, 3, 2, 0]


def test_a_target_ends_also_where_the_tokenizer_frames_nothing(tiny_gpt: Path, tiny_bert: Path) -> None:
    table = pa.table({"text": ["the film"], "target": ["good good good good"]})
    for folder, expected in ((tiny_gpt, "good good <|endoftext|>"), (tiny_bert, "[CLS] good [SEP]")):
        own = load_tokenizer(str(folder))
        (chunk,) = SequenceToSequence(8, 3).encode(own, table, "val")
        assert " ".join(own.convert_ids_to_tokens(chunk.sequences["target_ids"][0])) == expected


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", MODELS)
def test_the_loss_is_that_of_transformers(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, name: str, smoothing: float
) -> None:
    task = SequenceToSequence(32, 32, label_smoothing=smoothing)
    _, items = encoded(tmp_path, task, tokenizer)
    torch.manual_seed(0)
    model: Any = task.model(MODELS[name], tokenizer, [], weights=True)
    batch = task.collate(items, np.arange(5), tokenizer.pad_token_id, EVALUATION)
    terms = task.terms(items, np.arange(5), EVALUATION)
    given = torch.zeros(batch["target_ids"].numel(), dtype=torch.bool).index_fill(0, batch["scored"], value=True)
    labels = batch["target_ids"].masked_fill(~given.view_as(batch["target_ids"]), -100)
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    if name == "gru":  # without labels: written out, token by token
        start = torch.full((5, 1), model.config.decoder_start_token_id)
        output = {
            "logits": model(**inputs, decoder_input_ids=torch.cat([start, batch["target_ids"][:, :-1]], 1)).logits
        }
        plain = LabelSmoother(epsilon=0.0)(output, labels)
    else:
        model.config.pad_token_id = tokenizer.pad_token_id
        output = model(**inputs, labels=labels)
        plain = output.loss
    expected = LabelSmoother(epsilon=smoothing)({"logits": output["logits"]}, labels) if smoothing else plain
    ours = task.loss(model.train(), batch).losses.detach()
    assert float(ours.sum() / terms.sum()) == pytest.approx(float(expected.detach()), abs=1e-6)
    assert ours[4] == 0
    evaluated = task.loss(model.eval(), batch).losses.detach()
    assert float(evaluated.sum() / terms.sum()) == pytest.approx(float(plain.detach()), abs=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_the_output_layer_computes_real_tokens_only(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, name: str
) -> None:
    """And all of them again when something else asks, such as generation."""
    task = SequenceToSequence(32, 32)
    _, items = encoded(tmp_path, task, tokenizer)
    model: Any = task.model(MODELS[name], tokenizer, [], weights=True)
    batch = task.collate(items, np.arange(5), tokenizer.pad_token_id, EVALUATION)
    rows: list[int] = []
    model.get_output_embeddings().register_forward_hook(lambda _, __, made: rows.append(made.shape[:-1].numel()))
    task.loss(model, batch)
    size, longest = batch["target_ids"].shape
    model(input_ids=batch["input_ids"], decoder_input_ids=batch["target_ids"])
    assert rows == [int(task.terms(items, np.arange(5), EVALUATION).sum()), size * longest]
    assert rows[0] < rows[1]


@pytest.mark.parametrize("name", MODELS)
def test_an_example_does_not_depend_on_its_batch(tmp_path: Path, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    task = SequenceToSequence(32, 32, max_new_tokens=7)
    _, items = encoded(tmp_path, task, tokenizer)
    torch.manual_seed(0)
    model = task.model(MODELS[name], tokenizer, [], weights=True).eval()
    batch = task.collate(items, np.arange(5), tokenizer.pad_token_id, EVALUATION)
    with torch.no_grad():
        together = task.loss(model, batch)
    rows = task.rows(model, together, batch)
    for item in range(5):
        one = task.collate(items, np.array([item]), tokenizer.pad_token_id, EVALUATION)
        with torch.no_grad():
            alone = task.loss(model, one)
        assert float(alone.losses[0]) == pytest.approx(float(together.losses[item]), abs=1e-5)
        assert task.rows(model, alone, one)["generated"] == [rows["generated"][item]]


def test_predictions_and_their_scores(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    task = SequenceToSequence(32, 32, metrics=["chrf", "bleu", "rouge"])
    assert (task.monitor, task.monitor_mode) == ("val/chrf", "max")
    table, items = encoded(tmp_path, task, tokenizer)
    table, split = table.slice(0, 4), Split(table.slice(0, 4), items, tokenizer, [])
    said = ["eins zwei drei vier", "sechs", "zwei", "nichts"]
    rows = {
        "generated": [tokenizer(text)["input_ids"] for text in said],
        "loss": [6.0, 1.0, 2.0, 0.5],
        "terms": [6, 2, 4, 1],
    }
    found = task.decode(rows, split)
    assert found["prediction"] == said
    assert found["loss"] == [1.0, 0.5, 0.5, 0.5]
    values, details = task.measure(found, split)
    assert set(values) == set(task.measures) == {"chrf", "bleu", "rouge1", "rouge2", "rouge_l", "perplexity"}
    assert values["bleu"] == pytest.approx(sacrebleu.corpus_bleu(said, [TARGETS[:4]]).score, abs=1e-6)
    assert values["chrf"] == pytest.approx(sacrebleu.corpus_chrf(said, [TARGETS[:4]]).score, abs=1e-6)
    assert values["perplexity"] == pytest.approx(math.exp(9.5 / 13), abs=1e-9)
    assert set(details["signatures"]) == {"bleu", "chrf", "rouge"}
    assert details["cut"] == {"sources": 0, "targets": 0}


def test_the_answer_to_a_line_is_that_of_the_evaluation(tmp_path: Path) -> None:
    tokenizer = Trained("word", min_frequency=1).train([*SOURCES, *filter(None, TARGETS)], framing="seq2seq")
    task = SequenceToSequence(8, 32, beams=3, max_new_tokens=9)
    _, items = encoded(tmp_path, task, tokenizer)
    torch.manual_seed(0)
    model = task.model(MODELS["gru"], tokenizer, [], weights=True).eval()
    batch = task.collate(items, np.arange(5), tokenizer.pad_token_id, EVALUATION)
    texts = [text_of(tokenizer, ids) for ids in task.rows(model, task.loss(model, batch), batch)["generated"]]
    assert (
        answers(model, tokenizer, [task.request(model, tokenizer, {"text": text}, {}) for text in SOURCES], 2) == texts
    )
    short = task.request(model, tokenizer, {"text": SOURCES[0]}, {"max_new_tokens": 2, "beams": None})
    assert (short.how.max_new_tokens, short.how.beams) == (2, 3)
    assert len(answers(model, tokenizer, [short], 1)[0].split()) <= 2


def test_without_metrics_nothing_is_generated(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    task = SequenceToSequence(metrics=[])
    assert (task.monitor, task.monitor_mode, task.measures) == ("val/loss", "min", ("perplexity",))
    table, items = encoded(tmp_path, task, tokenizer)
    model = task.model(MODELS["gru"], tokenizer, [], weights=True).eval()
    batch = task.collate(items, np.arange(5), 0, EVALUATION)
    rows = task.rows(model, task.loss(model, batch), batch)
    assert rows == {}
    split = Split(table, items, tokenizer, [])
    found = task.decode({"loss": [1.0] * 5, "terms": [1] * 5}, split)
    assert "prediction" not in found
    assert task.measure(found, split)[0] == {"perplexity": pytest.approx(math.e)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"metrics": ["blue"]}, "metrics: no 'blue'; choose from bleu, chrf, rouge"),
        ({"max_target_length": 1}, "lengths must be 2 or more"),
        ({"label_smoothing": 1.0}, "from 0 to below 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SequenceToSequence(**arguments)


def test_a_model_that_is_no_pair_is_refused(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ModelError, match="gpt2 cannot be an encoder and decoder"):
        SequenceToSequence().model(Scratch("gpt2", 1, 32, 2), tokenizer, [], weights=True)


NUMBERS = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier", "five": "fünf"}


def write_numbers(folder: Path) -> Path:
    """Numbers in English and German, word by word."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for split, count in (("train", 400), ("val", 30), ("test", 30)):
        rows = [random.choice(list(NUMBERS), random.integers(1, 5)) for _ in range(count)]
        lines = [{"english": " ".join(row), "german": " ".join(NUMBERS[word] for word in row)} for row in rows]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def changes(data: Path, **more: Any) -> dict[str, Any]:
    return {
        "task": {
            "_target_": "headway.tasks.seq2seq.SequenceToSequence",
            **{"max_source_length": 8, "max_target_length": 8, "beams": 2},
        },
        "model": {"_target_": "headway.models.seq2seq.GruAttention", "width": 32, "embedding": 32, "dropout": 0.0},
        "tokenizer": {"_target_": "headway.tokenizers.trained.Trained", "kind": "word"},
        **{"data.path": str(data), "data.text": "english", "data.target": "german"},
        **{"optimizer.lr": 1e-2, "trainer.max_epochs": 8},
        **more,
    }


def test_from_training_to_a_translation(
    training_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_numbers(tmp_path / "numbers")
    path = training_run({}, changes(data))
    assert guarded(path, SilentChannel()) == 0, (path / "traceback.txt").read_text()
    run = Run.open(path)
    summary = run.summary()
    assert summary["test/bleu"]["last"] > 90
    assert summary["test/perplexity"]["last"] == pytest.approx(math.exp(summary["test/loss"]["last"]), rel=1e-6)
    found = read_predictions(run, "test").to_pylist()
    assert len(found) == 30
    assert all(row["gold"] == " ".join(NUMBERS[word] for word in row["text"].split()) for row in found)
    bleu = sacrebleu.corpus_bleu([row["prediction"] for row in found], [[row["gold"] for row in found]]).score
    assert summary["test/bleu"]["last"] == pytest.approx(bleu, abs=1e-6)
    assert evaluate(run, "test", "best")["metrics"]["bleu"] == summary["test/bleu"]["last"]

    capsys.readouterr()
    assert main(["predict", str(path), "two five"]) == 0
    assert capsys.readouterr().out == "zwei fünf\n"
    (tmp_path / "more.txt").write_text("one\nthree four\n")
    assert main(["predict", str(path), str(tmp_path / "more.txt"), "--json", "--beams", "1"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["prediction"] for row in rows] == ["eins", "drei vier"]


def test_what_does_not_fit_is_said_before_training(
    training_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_numbers(tmp_path / "numbers")
    small = {"_target_": "headway.models.scratch.Scratch", "architecture": "bart", "layers": 1, "width": 32, "heads": 2}
    for lengths, key in (
        ({"max_source_length": 8}, "max_source_length=8"),
        ({"max_target_length": 9}, "max_target_length=9"),
        ({"max_new_tokens": 7}, "max_new_tokens=7"),
    ):
        short = {"max_source_length": 6, "max_target_length": 6, **lengths}
        task = {"_target_": "headway.tasks.seq2seq.SequenceToSequence", **short}
        path = training_run({}, changes(data, **{"model": {**small, "max_positions": 6}, "task": task}))
        assert guarded(path, SilentChannel()) == 1
        assert f"task.{key}: the model bart has 6 positions; use 6 or less" in capsys.readouterr().err
    (data / "train.jsonl").write_text('{"english": "one", "german": ""}\n')
    path = training_run({}, changes(data, **{"data.empty": "error"}))
    assert guarded(path, SilentChannel()) == 1
    assert "train.jsonl:1: empty text or target" in capsys.readouterr().err
