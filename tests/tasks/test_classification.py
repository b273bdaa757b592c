"""Classification against transformers' own model. N examples, B batch, C classes."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import BertForSequenceClassification

from headway.data.encode import Encoded, cached
from headway.errors import DataError
from headway.models.heads import SequenceClassifier
from headway.models.pretrained import Pretrained
from headway.tasks.base import Split
from headway.tasks.classification import Classification
from headway.training.evaluate import pass_over

TEXTS = ["good film", "the story was bad and the acting is awful but it was not the plot", "a very fine story", "poor"]
LABELS = ["neg", "neutral", "pos"]


def table(texts: list[str], labels: list[int], pairs: list[str] | None = None) -> pa.Table:
    columns: dict[str, Any] = {"text": texts, "label": pa.array(labels, pa.int32())}
    return pa.table(columns | ({"pair": pairs} if pairs else {}))


def encoded(folder: Path, task: Classification, model: Path, rows: pa.Table) -> Encoded:
    tokenizer = Pretrained(str(model)).tokenizer()
    return cached(folder / "encoded", lambda: task.encode(tokenizer, rows, "train"), "uint16")


def network(task: Classification, path: Path, labels: list[str] = LABELS, **options: Any) -> Any:
    source = Pretrained(str(path), **options)
    return task.model(source, source.tokenizer(), labels, weights=True)


def batch_of(task: Classification, rows: Encoded) -> Any:
    return task.collate(rows, np.arange(len(rows)), 0, (0, 0))


def test_the_loss_is_that_of_transformers(tiny_bert: Path, tmp_path: Path) -> None:
    task = Classification(max_length=32, dropout=0.0)
    source = Pretrained(str(tiny_bert), pooling="pooler", dropout=0.0)
    torch.manual_seed(0)
    ours = task.model(source, source.tokenizer(), LABELS, weights=True).train()
    assert isinstance(ours, SequenceClassifier)
    config = source.configuration()
    config.num_labels = 3
    theirs = BertForSequenceClassification(config).train()
    theirs.bert.load_state_dict(ours.backbone.model.state_dict())
    theirs.classifier.load_state_dict(ours.output.state_dict())

    batch = batch_of(task, encoded(tmp_path, task, tiny_bert, table(TEXTS, [2, 0, 2, 1])))
    output = task.loss(ours, batch)
    expected = theirs(**batch)
    torch.testing.assert_close(output.logits, expected.logits, rtol=0, atol=1e-6)
    torch.testing.assert_close(output.losses.mean(), expected.loss, rtol=0, atol=1e-6)
    output.losses.mean().backward()
    expected.loss.backward()
    for ours_p, theirs_p in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours_p.grad, theirs_p.grad, rtol=0, atol=1e-6)


def test_label_smoothing_is_for_training_only(tiny_bert: Path, tmp_path: Path) -> None:
    task = Classification(max_length=32, label_smoothing=0.2, dropout=0.0)
    model = network(task, tiny_bert, dropout=0.0)
    gold = torch.tensor([2, 0, 2, 1])
    batch = batch_of(task, encoded(tmp_path, task, tiny_bert, table(TEXTS, gold.tolist())))
    output = task.loss(model.train(), batch)
    logs = output.logits.log_softmax(-1)
    nll = -logs[torch.arange(4), gold]
    torch.testing.assert_close(output.losses, 0.8 * nll + 0.2 * -logs.mean(-1))  # Szegedy et al. 2016, section 7
    torch.testing.assert_close(task.loss(model.eval(), batch).losses, nll)


def test_a_text_without_a_label_has_no_loss(tiny_bert: Path, tmp_path: Path) -> None:
    task = Classification(max_length=32, label_smoothing=0.1)
    model = network(task, tiny_bert).train()
    rows = encoded(tmp_path, task, tiny_bert, table(TEXTS, [2, -1, -1, 1]))
    losses = task.loss(model, batch_of(task, rows)).losses
    assert losses[1:3].tolist() == [0.0, 0.0]
    assert losses[0] > 0
    assert task.terms(rows, np.arange(4), (0, 0)).tolist() == [1, 0, 0, 1]


def test_texts_are_framed_and_cut(tiny_bert: Path, tmp_path: Path) -> None:
    task = Classification(max_length=6)
    rows = encoded(tmp_path, task, tiny_bert, table(TEXTS, [2, 0, 2, 1]))
    tokenizer = Pretrained(str(tiny_bert)).tokenizer()
    start = int(rows.offsets["input_ids"][1])
    pieces = tokenizer.convert_ids_to_tokens(rows.sequences["input_ids"][start : start + 6].tolist())
    assert pieces == ["[CLS]", "the", "story", "was", "bad", "[SEP]"]
    assert rows.lengths.tolist() == [4, 6, 6, 3]
    assert set(rows.sequences) == {"input_ids"}
    batch = task.collate(rows, np.array([3, 0]), 0, (0, 0))
    assert batch["input_ids"].shape == (2, 4)
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert batch["labels"].tolist() == [1, 2]


def test_pairs_have_segments_and_the_longer_side_is_cut(tiny_bert: Path, tmp_path: Path) -> None:
    task = Classification(max_length=10)
    long, short = "the story was bad and the acting is awful", "good film"
    rows = encoded(tmp_path, task, tiny_bert, table([long, short], [0, 1], [short, long]))
    tokenizer = Pretrained(str(tiny_bert)).tokenizer()
    batch = batch_of(task, rows)
    first, second = (" ".join(tokenizer.convert_ids_to_tokens(ids)) for ids in batch["input_ids"].tolist())
    assert first == "[CLS] the story was bad and [SEP] good film [SEP]"
    assert second == "[CLS] good film [SEP] the story was bad and [SEP]"
    assert batch["token_type_ids"].tolist() == [[0] * 7 + [1] * 3, [0] * 4 + [1] * 6]
    model = network(task, tiny_bert).eval()
    logits = task.loss(model, batch).logits
    swapped = {**batch, "token_type_ids": 1 - batch["token_type_ids"]}
    assert not torch.allclose(logits, task.loss(model, swapped).logits, atol=1e-6)  # the model does see them


def test_an_empty_text_is_one_token_where_nothing_frames_it(tiny_gpt: Path, tmp_path: Path) -> None:
    task = Classification(max_length=8)
    rows = encoded(tmp_path, task, tiny_gpt, table(["", " "], [0, 1]))
    assert rows.lengths.tolist() == [1, 1]
    for pooling in ("last", "mean"):
        model = network(task, tiny_gpt, pooling=pooling).eval()
        assert task.loss(model, batch_of(task, rows)).logits.isfinite().all()


@pytest.mark.parametrize("labels", [[], ["only"]])
def test_fewer_than_two_labels_are_refused(tiny_bert: Path, labels: list[str]) -> None:
    with pytest.raises(DataError, match="needs two labels or more"):
        network(Classification(), tiny_bert, labels)


def test_the_settings_of_the_cache_are_those_of_the_encoding() -> None:
    assert Classification(max_length=8).settings() != Classification(max_length=9).settings()
    assert Classification(label_smoothing=0.1).settings() == Classification(dropout=0.3).settings()


def test_predictions_and_what_is_measured(tiny_bert: Path, tmp_path: Path) -> None:
    task = Classification(max_length=16)
    rows = table(TEXTS, [2, 0, 2, 1])
    split = Split(rows, encoded(tmp_path, task, tiny_bert, rows), Pretrained(str(tiny_bert)).tokenizer(), LABELS)
    model = network(task, tiny_bert)
    evaluation = pass_over(task, model, split, 3).finish(task, split)
    found = evaluation.predictions
    logits = task.loss(model.eval(), batch_of(task, split.encoded)).logits
    scores = torch.tensor(found["scores"])
    torch.testing.assert_close(scores, logits.exp() / logits.exp().sum(-1, keepdim=True), rtol=0, atol=1e-6)
    assert found["prediction"] == [LABELS[i] for i in logits.argmax(-1)]
    assert found["confidence"] == pytest.approx(scores.max(-1).values.tolist())
    assert found["loss"] == pytest.approx(
        [-scores[i, gold].log().item() for i, gold in enumerate([2, 0, 2, 1])], abs=1e-5
    )
    assert evaluation.values["loss"] == pytest.approx(sum(found["loss"]) / 4)
    assert list(evaluation.values) == ["loss", *task.measures]
    assert task.gold(split) == ["pos", "neg", "pos", "neutral"]
    assert all(isinstance(value, str | float | list) for column in found.values() for value in column)
