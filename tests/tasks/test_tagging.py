"""Tagging against transformers' own model, long texts in windows, and whole runs. B batch, T tokens."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from seqeval.metrics import f1_score
from transformers import AutoTokenizer, BertForTokenClassification

from headway.cli import main
from headway.data.encode import Encoded, cached
from headway.data.prepare import prepare
from headway.errors import ConfigError, DataError
from headway.models.pretrained import Pretrained
from headway.store.predictions import read_predictions
from headway.store.run import Run
from headway.tasks.base import EVALUATION, Split
from headway.tasks.tagging import NONE, Tagging
from headway.training.evaluate import evaluate, pass_over
from headway.training.events import SilentChannel
from headway.worker import guarded

LABELS = ["O", "B-film", "I-film", "B-person"]
SENTENCES = [["the", "story", "of", "star", "wars", "was", "good"], ["luke", "is", "in", "it"], ["plot"]]
TAGS = [[0, 0, 0, 1, 2, 0, 0], [3, 0, 0, 0], [0]]
DROPPED = "\u200b"  # BERT's normalizer removes it


def table(sentences: list[list[str]], tags: list[list[int] | None]) -> pa.Table:
    origins = [f"some.conll:{number}" for number in range(1, len(sentences) + 1)]
    return pa.table({"tokens": sentences, "tags": pa.array(tags, pa.list_(pa.int32())), "origin": origins})


def encoded(folder: Path, task: Tagging, model: Path, rows: pa.Table) -> Encoded:
    tokenizer = Pretrained(str(model)).tokenizer()
    return cached(folder / "encoded", lambda: task.encode(tokenizer, rows, "train"), "uint16")


def network(task: Tagging, path: Path, labels: list[str] = LABELS) -> Any:
    source = Pretrained(str(path), dropout=0.0)
    return task.model(source, source.tokenizer(), labels, weights=True)


def evaluated(folder: Path, task: Tagging, model: Any, path: Path, rows: pa.Table, labels: list[str] = LABELS) -> Any:
    split = Split(rows, encoded(folder, task, path, rows), AutoTokenizer.from_pretrained(path), labels)
    return split, pass_over(task, model, split, 2).finish(task, split)


def test_the_loss_is_that_of_transformers(tiny_bert: Path, tmp_path: Path) -> None:
    task = Tagging(max_length=64, dropout=0.0)
    torch.manual_seed(0)
    ours = network(task, tiny_bert).train()
    config = Pretrained(str(tiny_bert), dropout=0.0).configuration()
    config.num_labels = len(LABELS)
    theirs = BertForTokenClassification(config).train()
    theirs.bert.load_state_dict(ours.backbone.model.state_dict(), strict=False)
    theirs.classifier.load_state_dict(ours.output.state_dict())

    rows = encoded(tmp_path, task, tiny_bert, table(SENTENCES, TAGS))
    items = np.arange(3)
    batch = task.collate(rows, items, 0, EVALUATION)
    output = task.loss(ours, batch)
    expected = theirs(batch["input_ids"], batch["attention_mask"], labels=batch["tags"])
    real = batch["attention_mask"] == 1
    torch.testing.assert_close(output.logits[real], expected.logits[real], rtol=0, atol=1e-6)
    loss = output.losses.sum() / task.terms(rows, items, EVALUATION).sum()
    torch.testing.assert_close(loss, expected.loss, rtol=0, atol=1e-6)
    loss.backward()
    expected.loss.backward()
    for ours_p, theirs_p in zip(ours.output.parameters(), theirs.classifier.parameters(), strict=True):
        torch.testing.assert_close(ours_p.grad, theirs_p.grad, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("piece", "at"), [("first", [1, 2, 3, 5]), ("last", [1, 2, 4, 5])])
def test_a_word_has_its_tag_at_one_piece(tiny_bert: Path, tmp_path: Path, piece: Any, at: list[int]) -> None:
    task = Tagging(max_length=64, piece=piece)
    rows = encoded(tmp_path, task, tiny_bert, table([["the", "a", "of", "plot"]], [[3, 2, 1, 0]]))
    batch = task.collate(rows, np.array([0]), 0, EVALUATION)
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    pieces = tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist())
    assert pieces == ["[CLS]", "the", "a", "o", "##f", "plot", "[SEP]"]
    expected = dict(zip(at, [3, 2, 1, 0], strict=True))
    assert batch["tags"][0].tolist() == [expected.get(place, NONE) for place in range(7)]
    assert task.terms(rows, np.array([0]), EVALUATION).tolist() == [4]


@pytest.mark.parametrize("piece", ["first", "last"])
def test_a_long_text_has_each_word_once(tiny_bert: Path, tmp_path: Path, piece: Any) -> None:
    task = Tagging(max_length=12, stride=4, piece=piece, dropout=0.0)
    words = [word for sentence in SENTENCES * 4 for word in sentence]
    gold = [tag for sentence in TAGS * 4 for tag in sentence]
    rows = table([["plot"], words, []], [[1], gold, []])
    torch.manual_seed(1)
    model = network(task, tiny_bert)
    split, evaluation = evaluated(tmp_path, task, model, tiny_bert, rows)
    items = split.encoded
    assert items.examples.tolist().count(1) > 5
    where = items.examples[np.repeat(np.arange(len(items)), items.lengths)]
    assert sorted(items.sequences["words"][where == 1].tolist())[-len(words) :] == list(range(len(words)))
    assert items.columns["terms"].sum() == len(words) + 1

    found = evaluation.predictions
    assert [len(tags) for tags in found["prediction"]] == [1, len(words), 0]
    # each word as the window says that it is read in, one window at a time
    for item in range(len(items)):
        batch = task.collate(items, np.array([item]), 0, EVALUATION)
        with torch.inference_mode():
            shares = task.loss(model.eval(), batch).logits[0].softmax(-1)
        for place, word in enumerate(batch["words"][0].tolist()):
            if word >= 0:
                example = int(items.examples[item])
                assert found["prediction"][example][word] == LABELS[shares[place].argmax()]
                assert found["confidence"][example][word] == pytest.approx(shares[place].max().item(), abs=1e-4)
    terms = items.columns["terms"]
    total = sum(loss * terms[items.examples == row].sum() for row, loss in enumerate(found["loss"]))
    assert evaluation.values["loss"] == pytest.approx(total / terms.sum())


def test_predictions_and_what_is_measured(tiny_bert: Path, tmp_path: Path) -> None:
    task = Tagging(max_length=16, stride=4)
    torch.manual_seed(5)
    split, evaluation = evaluated(tmp_path, task, network(task, tiny_bert), tiny_bert, table(SENTENCES, TAGS))
    gold = [[LABELS[tag] for tag in sentence] for sentence in TAGS]
    assert task.gold(split) == gold
    assert evaluation.values["f1"] == pytest.approx(f1_score(gold, evaluation.predictions["prediction"]))
    assert list(evaluation.values) == ["loss", *task.measures]
    assert evaluation.details["scheme"] == "bio"
    assert evaluation.details["per_type"]["film"]["support"] == 1


def test_sentences_without_tags_are_tagged(tiny_bert: Path, tmp_path: Path) -> None:
    task = Tagging(max_length=16, stride=4)
    rows = table(SENTENCES, [None, None, None])
    items = encoded(tmp_path, task, tiny_bert, rows)
    model = network(task, tiny_bert)
    split = Split(rows, items, AutoTokenizer.from_pretrained(tiny_bert), LABELS)
    found = pass_over(task, model, split, 2).finish(task, split, scored=False).predictions
    assert [len(tags) for tags in found["prediction"]] == [7, 4, 1]
    assert found["loss"] == [0, 0, 0]
    assert task.gold(split) == [None, None, None]


@pytest.mark.parametrize(("entities", "labels", "usual"), [(True, LABELS, "O"), (False, ["DET", "NN", "VB"], "VB")])
def test_a_word_without_pieces_has_the_usual_tag(
    tiny_bert: Path, tmp_path: Path, entities: bool, labels: list[str], usual: str
) -> None:
    task = Tagging(max_length=16, stride=4, entities=entities)
    model = network(task, tiny_bert, labels)
    with torch.no_grad():
        model.output.bias.copy_(torch.eye(len(labels))[2] * 99)
    rows = table([["good", DROPPED, "film"]], [[0, 1, 2]])
    _, evaluation = evaluated(tmp_path, task, model, tiny_bert, rows, labels)
    assert evaluation.predictions["prediction"] == [[labels[2], usual, labels[2]]]
    assert evaluation.predictions["confidence"] == [[1, 0, 1]]
    assert list(evaluation.values) == ["loss", *task.measures]


def test_entities_and_plain_tags_are_measured_differently(tiny_bert: Path) -> None:
    assert "f1" in Tagging().measures
    assert Tagging(entities=False).measures == ("f1_macro", "accuracy")
    assert (Tagging().monitor, Tagging(entities=False).monitor) == ("val/f1", "val/accuracy")
    network(Tagging(entities=False), tiny_bert, ["DET", "NN"])
    with pytest.raises(DataError, match=r"'DET'.*set task\.entities=false"):
        network(Tagging(), tiny_bert, ["DET", "NN"])


def test_malformed_tags_are_named(tiny_bert: Path) -> None:
    with pytest.raises(DataError, match="tag 'L-film' beside 'B-film'"):
        network(Tagging(), tiny_bert, ["O", "B-film", "L-film"])


def test_a_tag_that_data_labels_leaves_out_is_named(tiny_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^some\.conll:2: data\.labels leaves out the tag of a word; rename it"):
        encoded(tmp_path, Tagging(), tiny_bert, table(SENTENCES, [TAGS[0], [3, 0, -1, 0], [0]]))


@pytest.mark.parametrize("arguments", [{"stride": 128}, {"stride": -1}, {"piece": "middle"}])
def test_arguments_that_mean_nothing_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"stride=|piece="):
        Tagging(**arguments)


def test_the_settings_of_the_cache_are_those_of_the_encoding() -> None:
    assert len({json.dumps(Tagging(**a).settings()) for a in [{}, {"stride": 3}, {"piece": "last"}]}) == 3
    assert Tagging(entities=False, dropout=0.5).settings() == Tagging().settings()


# --- whole runs ---


def write_films(folder: Path) -> Path:
    """Films are "good" and "bad" with the word behind them, in sentences of up to 24 words."""
    draw = np.random.default_rng(0)
    folder.mkdir()
    for split, count in {"train": 120, "dev": 20, "test": 15}.items():
        sentences = []
        for number in range(count):
            lines = [f"{split}{number}\tO"]
            for word in draw.choice(["good", "bad", "the", "a", "was", "not"], draw.integers(1, 12)).tolist():
                film = word in ("good", "bad")
                lines += [f"{word}\tB-film", "story\tI-film"] if film else [f"{word}\tO", "plot\tO"]
            sentences.append("\n".join(lines) + "\n")
        (folder / f"{split}.conll").write_text("\n".join(sentences))
    return folder


def config_for(data: Path, **groups: Any) -> dict[str, Any]:
    return {
        "task": {"_target_": "headway.tasks.tagging.Tagging", "max_length": 20, "stride": 6, "dropout": 0.0},
        "data": {"_target_": "headway.data.sources.conll.read", "path": str(data), "val_fraction": 0.0},
        "optimizer.lr": 5e-3,
        "trainer.max_epochs": 2,
        **groups,
    }


MODELS: dict[str, dict[str, Any]] = {
    "bert": {},
    "bilstm of pieces": {
        "model": {"_target_": "headway.models.recurrent.Recurrent", "bidirectional": True, "width": 32},
        "tokenizer": {"_target_": "headway.tokenizers.trained.Trained", "kind": "wordpiece", "vocab_size": 200},
        "optimizer.lr": 2e-2,
    },
    "bilstm of words": {
        "model": {"_target_": "headway.models.recurrent.Recurrent", "bidirectional": True, "width": 32},
        "tokenizer": {"_target_": "headway.tokenizers.trained.Trained", "kind": "whitespace", "vocab_size": 200},
        "optimizer.lr": 2e-2,
    },
}


@pytest.mark.parametrize("model", MODELS)
def test_a_run_learns_is_evaluated_and_predicts(
    training_run: Callable[..., Path], tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_films(tmp_path / "films")
    path = training_run({}, copy.deepcopy(config_for(data, **MODELS[model])))
    assert guarded(path, SilentChannel()) == 0, (path / "traceback.txt").read_text()
    run = Run.open(path)
    assert run.summary()["test/f1"]["last"] > 0.9

    found = read_predictions(run, "test").to_pylist()
    prepared = prepare(config_for(data)["data"], Tagging.examples)
    expected = prepared.splits["test"].to_pylist()
    assert [row["id"] for row in found] == [row["id"] for row in expected]
    assert [row["tokens"] for row in found] == [row["tokens"] for row in expected]
    assert [row["gold"] for row in found] == [[prepared.labels[tag] for tag in row["tags"]] for row in expected]
    assert all(len(row["prediction"]) == len(row["confidence"]) == len(row["tokens"]) for row in found)
    assert evaluate(run, "test", "best")["metrics"]["f1"] == run.summary()["test/f1"]["last"]

    capsys.readouterr()
    assert main(["predict", str(path), "Was the good story, a plot?", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["tokens"] == ["Was", "the", "good", "story", ",", "a", "plot", "?"]
    assert row["prediction"][2:4] == ["B-film", "I-film"]
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("a\ngood\nstory\n\nbad\nstory\n")
    assert main(["predict", str(path), str(tokens), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["tokens"] for row in rows] == [["a", "good", "story"], ["bad", "story"]]
    assert rows[0]["prediction"][1:] == ["B-film", "I-film"]
    tokens.write_text("a\tO\ngood\tB-film\nstory\tI-film\n")
    assert main(["predict", str(path), str(tokens), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tokens"] == ["a", "good", "story"]
    assert evaluate(run, "file", "best", tokens)["examples"] == 1
    assert main(["predict", str(path), "a good story"]) == 0
    assert "good[B-film] story[I-film]" in capsys.readouterr().out


def test_a_model_that_reads_left_to_right_can_tag(
    training_run: Callable[..., Path], tmp_path: Path, tiny_gpt: Path
) -> None:
    changes = config_for(write_films(tmp_path / "films")) | {"task.piece": "last", "trainer.max_epochs": 1}
    changes["model"] = {"_target_": "headway.models.pretrained.Pretrained", "path": str(tiny_gpt)}
    path = training_run({}, changes)
    assert guarded(path, SilentChannel()) == 0, (path / "traceback.txt").read_text()
    assert Run.open(path).summary()["test/accuracy"]["last"] > 0.5


def test_unaligned_tags_are_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(
        '{"tokens": ["a", "b"], "tags": ["O", "B-x"]}\n{"tokens": ["a", "b"], "tags": ["O"]}\n'
    )
    data = {"_target_": "headway.data.sources.files.read", "path": str(tmp_path / "train.jsonl"), "val_fraction": 0.0}
    with pytest.raises(DataError, match=r"train\.jsonl:2: 2 tokens but 1 tags; each token needs one"):
        prepare(data, Tagging.examples)


def test_no_room_for_the_stride_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="windows of 6 tokens cannot share 7"):
        encoded(tmp_path, Tagging(max_length=8, stride=7), tiny_bert, table(SENTENCES, list(TAGS)))
