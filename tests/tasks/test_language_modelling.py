"""Every token is predicted once, and perplexity is what transformers' own loss and the textbook give."""

import itertools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from headway.data import portions
from headway.data.encode import Encoded, cached
from headway.data.typed import read_examples
from headway.errors import DataError, ModelError
from headway.models.pretrained import Pretrained
from headway.models.recurrent import Recurrent
from headway.models.unpadded import can_be_asked, runs_unpadded
from headway.store.run import Run
from headway.tasks import language_modelling
from headway.tasks.base import EVALUATION, Split
from headway.tasks.language_modelling import LanguageModelling, token_losses
from headway.training.evaluate import evaluate, open_trained, pass_over, respond
from headway.training.events import SilentChannel
from headway.training.flops import Products
from headway.worker import guarded

TrainingRun = Callable[..., Path]
TEXTS = ["the film is good", "", "a very great story but the acting was poor and the plot awful", "ok"]


def table(texts: list[str]) -> pa.Table:
    return pa.table({"text": pa.array(texts, pa.large_string())})


def encoded(folder: Path, task: LanguageModelling, model: Path, texts: list[str], split: str = "val") -> Encoded:
    tokenizer = Pretrained(str(model)).tokenizer()
    return cached(folder / split, lambda: task.encode(tokenizer, table(texts), split), "uint16")


def documents(model: Path, texts: list[str]) -> list[list[int]]:
    tokenizer = Pretrained(str(model)).tokenizer()
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


@pytest.mark.parametrize(("size", "stride"), [(8, 1), (8, 3), (8, 7), (5, 4), (64, 32)])
def test_every_token_of_a_text_is_scored_exactly_once(tiny_gpt: Path, tmp_path: Path, size: int, stride: int) -> None:
    task = LanguageModelling(max_length=size, stride=stride)
    found = encoded(tmp_path, task, tiny_gpt, TEXTS)
    for row, ids in enumerate(documents(tiny_gpt, TEXTS)):
        scored: list[int] = []
        for item in np.flatnonzero(found.examples == row):
            window = found.cut("input_ids", item)
            assert len(window) <= size
            first = found.columns["first"][item]
            assert first >= 1
            assert len(scored) == 0 or first >= size - stride  # as much context as is promised
            scored += window[first:].tolist()
        assert scored == ids
    sizes = np.bincount(found.examples, found.columns["bytes"], len(TEXTS))
    assert sizes.tolist() == [len(text.encode()) for text in TEXTS]
    assert task.terms(found, np.arange(len(found)), EVALUATION).sum() == sum(map(len, documents(tiny_gpt, TEXTS)))


def test_bytes_are_counted_in_utf_8_and_none_is_lost(tiny_bert: Path, tmp_path: Path) -> None:
    texts = ["  naïve 漢字 😀 film  ", "a\n\nb ", "e\u0301te\u0301"]
    found = encoded(tmp_path, LanguageModelling(max_length=4, stride=2), tiny_bert, texts)
    sizes = np.bincount(found.examples, found.columns["bytes"], 3)
    assert sizes.tolist() == [len(text.encode()) for text in texts]


@pytest.mark.parametrize("size", [4, 9, 200])
def test_packed_blocks_overlap_by_one_and_hold_everything(tiny_gpt: Path, tmp_path: Path, size: int) -> None:
    found = encoded(tmp_path, LanguageModelling(max_length=size, stride=2), tiny_gpt, TEXTS, "train")
    start = Pretrained(str(tiny_gpt)).tokenizer().eos_token_id
    whole = [token for ids in documents(tiny_gpt, TEXTS) for token in [start, *ids]]
    blocks = [found.cut("input_ids", item).tolist() for item in range(len(found))]
    assert [token for block in blocks for token in block[1:]] == whole[1:]
    assert all(block[0] == before[-1] for before, block in itertools.pairwise(blocks))
    assert {len(block) for block in blocks[:-1]} <= {size}


@pytest.mark.parametrize("kind", ["tiny_gpt", "tiny_llama"])
def test_documents_that_are_kept_apart_are_as_if_alone(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(kind)
    task, source = LanguageModelling(max_length=60, across=False), Pretrained(str(path), dropout=0.0)
    tokenizer = source.tokenizer()
    torch.manual_seed(0)
    model = task.model(source, tokenizer, [], weights=False).train()
    found = encoded(tmp_path, task, path, TEXTS * 2, "train")
    batch = task.collate(found, np.arange(len(found)), tokenizer.pad_token_id, EVALUATION)
    whole = documents(path, TEXTS * 2)
    assert len(found) == 1, "all of them in one block"
    assert task.terms(found, np.arange(1), EVALUATION).tolist() == [sum(map(len, whole))]
    packed = task.loss(model, batch).losses.sum()
    packed.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    alone = torch.zeros(())
    for ids in whole:
        if ids:
            one = torch.tensor([[tokenizer.eos_token_id, *ids]])
            alone = alone + model(input_ids=one, labels=one).loss * len(ids)
    alone.backward()
    assert packed.item() == pytest.approx(alone.item(), abs=1e-4)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, atol=1e-5, rtol=1e-4, msg=name)
    across = LanguageModelling(max_length=60)
    other = encoded(tmp_path / "across", across, path, TEXTS * 2, "train")
    seen = across.loss(model, across.collate(other, np.arange(1), tokenizer.pad_token_id, EVALUATION)).losses.sum()
    assert abs(seen.item() - alone.item()) > 1e-2


@pytest.mark.parametrize("size", [4, 9])
def test_what_is_scored_of_blocks_that_keep_documents_apart(tiny_gpt: Path, tmp_path: Path, size: int) -> None:
    task = LanguageModelling(max_length=size, stride=2, across=False)
    found = encoded(tmp_path, task, tiny_gpt, TEXTS * 5, "train")
    items = np.arange(len(found))
    batch = task.collate(found, items, 0, EVALUATION)
    scored = batch["scored"][:, 1:].numpy() > 0
    assert (scored.sum(1) == task.terms(found, items, EVALUATION)).all()
    assert (batch["input_ids"].numpy()[:, 1:][scored] != Pretrained(str(tiny_gpt)).tokenizer().eos_token_id).all()
    assert scored.sum() == sum(map(len, documents(tiny_gpt, TEXTS * 5)))


def test_a_network_that_cannot_keep_documents_apart_says_so(tiny_gpt: Path) -> None:
    source = Recurrent(width=16, embedding=16)
    task, tokenizer = LanguageModelling(max_length=16, across=False), Pretrained(str(tiny_gpt)).tokenizer()
    with pytest.raises(ModelError, match=r"task.across=false: this model cannot keep documents apart"):
        task.model(source, tokenizer, [], weights=True)


def split_of(folder: Path, task: LanguageModelling, path: Path, texts: list[str]) -> Split:
    return Split(table(texts), encoded(folder, task, path, texts), Pretrained(str(path)).tokenizer(), [])


@pytest.mark.parametrize("name", ["gpt", "llama"])
@pytest.mark.parametrize("few", [False, True])
def test_only_what_counts_is_computed_without_padding(name: str, few: bool, tiny_gpt: Path, tiny_llama: Path) -> None:
    """With the losses and gradients of the padded batch, whether most tokens count or few."""
    lengths = torch.tensor([9, 2, 14, 9])
    mask = (torch.arange(14) < lengths[:, None]).long()
    ids = torch.randint(2, 15, mask.shape, generator=torch.Generator().manual_seed(1)) * mask
    scored = mask * (torch.arange(14) >= (lengths - 3)[:, None]) if few else mask.clone()
    scored[:, 0] = 0
    found = []
    for attention in ("sdpa", "unpadded"):
        folder = {"gpt": tiny_gpt, "llama": tiny_llama}[name]
        source = Pretrained(str(folder), dropout=0.0, attn_implementation=attention, from_scratch=True)
        torch.manual_seed(0)
        model = source.causal_lm(source.tokenizer(), weights=True)
        assert runs_unpadded(model) == (attention == "unpadded")
        if runs_unpadded(model):
            assert can_be_asked(model) == (name == "llama")
        with Products() as products:
            losses = token_losses(model, ids, mask, scored)
        losses.sum().backward()
        found.append((losses.detach(), {key: one.grad for key, one in model.named_parameters()}, products.flops))
    (expected, padded, more), (losses, gradients, fewer) = found
    assert torch.equal(losses != 0, scored[:, 1:].bool())
    torch.testing.assert_close(losses, expected, atol=1e-5, rtol=1e-5)
    for key, gradient in padded.items():
        torch.testing.assert_close(gradients[key], gradient, atol=1e-5, rtol=1e-4, msg=key)
    assert fewer < (0.56 if few else 0.65) * more, "34 of 56 tokens are real, 11 count"


def test_perplexity_is_that_of_transformers_loss(tiny_llama: Path, tmp_path: Path) -> None:
    """One window a text: the mean of transformers' own loss, weighted by tokens."""
    task, source = LanguageModelling(max_length=64), Pretrained(str(tiny_llama), dropout=0.0)
    split = split_of(tmp_path, task, tiny_llama, TEXTS)
    torch.manual_seed(0)
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_config(source.configuration()).eval()
    found = pass_over(task, model, split, 3).finish(task, split)
    total, tokens = 0.0, 0
    for ids in documents(tiny_llama, TEXTS):
        if ids:
            whole = torch.tensor([[split.tokenizer.eos_token_id, *ids]])
            total += model(input_ids=whole, labels=whole).loss.item() * len(ids)
            tokens += len(ids)
    assert found.values["loss"] == pytest.approx(total / tokens, abs=1e-5)
    assert found.values["perplexity"] == pytest.approx(math.exp(total / tokens), rel=1e-5)
    bytes_ = sum(len(text.encode()) for text in TEXTS)
    assert found.values["bits_per_byte"] == pytest.approx(total / math.log(2) / bytes_, rel=1e-5)
    assert found.predictions["tokens"] == [len(ids) for ids in documents(tiny_llama, TEXTS)]
    assert found.details["scored"]["stride"] == 32


def test_windows_give_what_a_sliding_loop_gives(tiny_llama: Path, tmp_path: Path) -> None:
    """The loop of transformers' guide to perplexity, over a text longer than the window."""
    text = " ".join(TEXTS * 3)
    size, stride = 12, 5
    task, source = LanguageModelling(max_length=size, stride=stride), Pretrained(str(tiny_llama), dropout=0.0)
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_config(source.configuration()).eval()
    split = split_of(tmp_path, task, tiny_llama, [text])
    found = pass_over(task, model, split, 2).finish(task, split)
    ids = torch.tensor([[split.tokenizer.eos_token_id, *documents(tiny_llama, [text])[0]]])
    losses, before = 0.0, 1
    for begin in range(0, ids.shape[1], stride):
        end = min(begin + size, ids.shape[1])
        window = ids[:, begin:end]
        labels = window.clone()
        labels[:, : before - begin] = -100
        losses += model(input_ids=window, labels=labels).loss.item() * (end - before)
        before = end
        if end == ids.shape[1]:
            break
    assert found.values["loss"] == pytest.approx(losses / (ids.shape[1] - 1), abs=1e-5)


@pytest.mark.parametrize("wrong", [{"max_length": 1}, {"max_length": 8, "stride": 8}, {"max_length": 8, "stride": -1}])
def test_sizes_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="max_length must be 2 or more, and stride from 1 to max_length - 1"):
        LanguageModelling(**wrong)


SCRATCH = {
    "_target_": "headway.models.scratch.Scratch",
    **{"architecture": "gpt2", "layers": 1, "width": 16, "heads": 2, "max_positions": 64},
}
LSTM = {"_target_": "headway.models.recurrent.Recurrent", "width": 16, "embedding": 16}
NGRAM = {"_target_": "headway.models.ngram.KneserNey", "order": 3}


@pytest.mark.parametrize("model", [SCRATCH, LSTM, NGRAM], ids=["gpt2", "lstm", "ngram"])
def test_from_training_to_generated_text(training_run: TrainingRun, tmp_path: Path, model: dict[str, Any]) -> None:
    text = tmp_path / "plays.txt"
    text.write_text("".join(f"{TEXTS[0]} and {TEXTS[2]} number {i}\n" for i in range(40)))
    source = {"_target_": "headway.data.sources.documents.read", "unit": "line", "val_fraction": 0.2}
    changes = {
        "task": {"_target_": "headway.tasks.language_modelling.LanguageModelling", "max_length": 32},
        "data": {**source, "test_fraction": 0.1, "path": str(text)},
        "model": model,
        "tokenizer": {"_target_": "headway.tokenizers.trained.Trained", "kind": "character"},
    }
    run_dir = training_run({}, {**changes, "data.path": str(text), "model": model})
    assert guarded(run_dir, SilentChannel()) == 0, (run_dir / "traceback.txt").read_text()
    run = Run.open(run_dir)
    rows = [row for row in run.rows() if "val/perplexity" in row]
    assert rows[-1]["val/perplexity"] == pytest.approx(math.exp(rows[-1]["val/loss"]), rel=1e-6)
    again = evaluate(run, "test", "best")
    recorded = json.loads(next((run_dir / "artifacts").glob("evaluation-test-*.json")).read_text())
    assert again["metrics"] == pytest.approx(recorded["metrics"])
    trained = open_trained(run, "best")
    asked = read_examples([("the film", None)], changes["data"], trained.task.examples)
    answers = ["".join(pieces) for _, pieces in respond(trained, asked, {"max_new_tokens": 8, "seed": 1})]
    assert answers == ["".join(pieces) for _, pieces in respond(trained, asked, {"max_new_tokens": 8, "seed": 1})]
    assert len(answers) == 1
    assert 0 < len(answers[0]) <= 8  # a token is a character
    if model is SCRATCH:
        with pytest.raises(DataError, match=r"has 9 tokens and 60 more are asked for, but the model has 64 positions"):
            [list(pieces) for _, pieces in respond(trained, asked, {"max_new_tokens": 60})]


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("across", [True, False])
def test_a_long_text_read_in_pieces_has_the_same_items(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str, across: bool
) -> None:
    texts = [" ".join(TEXTS * 30), "ok", "a naïve\nfilm. " * 80, ""]
    task = LanguageModelling(max_length=16, stride=5, across=across)
    whole = encoded(tmp_path / "whole", task, tiny_bert, texts, split)
    for name, size in {"PORTION": 300, "PIECE": 100, "NEAR": 60}.items():
        monkeypatch.setattr(portions, name, size)
    taken: list[int] = []
    known = language_modelling.pieces

    def counted(*given: Any) -> Iterator[Any]:
        for some in known(*given):
            taken.append(len(some.texts))
            yield some

    monkeypatch.setattr(language_modelling, "pieces", counted)
    again = encoded(tmp_path / "pieces", task, tiny_bert, texts, split)
    assert sum(taken) > 30
    assert max(taken) <= 4
    for kind in ("sequences", "offsets", "columns"):
        one, two = (getattr(rows, kind) for rows in (whole, again))
        assert {name: array.tolist() for name, array in one.items()} == {name: a.tolist() for name, a in two.items()}


def test_texts_are_read_as_their_items_are_written(tiny_gpt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded because little of a table is under way at once, however large it is."""
    taken = 0
    known = language_modelling.pieces

    def counted(*given: Any) -> Iterator[Any]:
        nonlocal taken
        for some in known(*given):
            taken += 1
            yield some

    monkeypatch.setattr(language_modelling, "pieces", counted)
    monkeypatch.setattr(portions, "PORTION", 2000)
    monkeypatch.setattr(language_modelling, "CHUNK", 100)
    tokenizer = Pretrained(str(tiny_gpt)).tokenizer()
    for split in ("train", "val"):
        taken = 0
        chunks = LanguageModelling(max_length=8).encode(tokenizer, table(TEXTS * 2000), split)
        next(chunks)
        assert taken <= 6
        assert list(chunks)
        assert taken > 80
