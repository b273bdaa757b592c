"""Masks follow from seed, step and item; losses are transformers' own; segments are what BERT's were."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy import stats
from transformers import BertForMaskedLM, BertForPreTraining

from headway.data import portions
from headway.data.encode import Encoded, cached
from headway.data.typed import read_examples
from headway.errors import DataError, ModelError
from headway.models.pretrained import Pretrained
from headway.models.scratch import Scratch
from headway.store.run import Run
from headway.tasks.base import EVALUATION, Split
from headway.tasks.masked_lm import MaskedLanguageModelling
from headway.tokenizers.trained import Trained
from headway.training.evaluate import evaluate, open_trained, pass_over, predict
from headway.training.events import SilentChannel
from headway.worker import guarded

SENTENCE = "the film was very great and the story is good but it was not fine"
NAMES = ("alpha", "beta", "gamma", "delta")
TEXTS = [f"{SENTENCE}. {SENTENCE} {name}! a plot {name}. this is acting." for name in NAMES]


def encoded(folder: Path, task: MaskedLanguageModelling, model: Path, texts: list[str] = TEXTS) -> Encoded:
    tokenizer = Pretrained(str(model)).tokenizer()
    table = pa.table({"text": pa.array(texts, pa.large_string())})
    return cached(folder / "encoded", lambda: task.encode(tokenizer, table, "train"), "uint16")


def network(task: MaskedLanguageModelling, path: Path) -> Any:
    source = Pretrained(str(path), dropout=0.0)
    return task.model(source, source.tokenizer(), [], weights=True).eval()


def hidden(task: MaskedLanguageModelling, rows: Encoded, items: list[int], moment: tuple[int, int]) -> list[list[int]]:
    """Of each item, the places to predict."""
    batch = task.collate(rows, np.asarray(items), 0, moment)
    width = batch["input_ids"].shape[1]
    found: list[list[int]] = [[] for _ in items]
    for place in batch["masked"].tolist():
        found[place // width].append(place % width)
    return found


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("next_sentence", [False, True])
def test_masks_follow_from_seed_step_and_item_alone(
    tiny_bert: Path, tmp_path: Path, whole_words: bool, next_sentence: bool
) -> None:
    task = MaskedLanguageModelling(32, whole_words=whole_words, next_sentence=next_sentence)
    rows = encoded(tmp_path, task, tiny_bert, [*TEXTS, f"{SENTENCE}. ok."])
    together = hidden(task, rows, [3, 0, 4, 1], (7, 11))
    alone = [hidden(task, rows, [item], (7, 11))[0] for item in (3, 0, 4, 1)]
    assert together == alone
    assert hidden(task, rows, [3, 0, 4, 1], (7, 12)) != together
    assert hidden(task, rows, [3, 0, 4, 1], (8, 11)) != together
    assert hidden(task, rows, [3, 0, 1], EVALUATION) == hidden(task, rows, [3, 0, 1], EVALUATION)
    first, again = (MaskedLanguageModelling(32).collate(rows, np.arange(4), 0, (7, 11)) for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_share_of_tokens_and_what_becomes_of_them(tiny_bert: Path, tmp_path: Path) -> None:
    """15 % are predicted; of those 80 % hidden, 10 % random, 10 % kept: within four standard errors over 400 steps."""
    task = MaskedLanguageModelling(max_length=64, rate=0.15)
    rows = encoded(tmp_path, task, tiny_bert)
    mask = rows.facts["mask"]
    counts = np.zeros(4)
    real = 0
    for step in range(400):
        batch = task.collate(rows, np.arange(len(rows)), 0, (0, step))
        shown = batch["input_ids"].flatten()[batch["masked"]]
        same = shown == batch["targets"]
        counts += [len(shown), (shown == mask).sum(), same.sum(), (~same & (shown != mask)).sum()]
        real += int(batch["attention_mask"].sum()) - 2 * len(rows)
    total, masked, kept, random = counts
    assert total / real == pytest.approx(0.15, abs=0.01)
    for share, found in ((0.8, masked), (0.1, kept), (0.1, random)):
        assert abs(found / total - share) < 4 * np.sqrt(share * (1 - share) / total) + 0.002  # a random token may be it


def test_each_item_has_its_share_and_each_token_the_same_chance(tiny_bert: Path, tmp_path: Path) -> None:
    """Rounded, half to even, and at least one. Chances by chi-square, of draws without putting back."""
    task = MaskedLanguageModelling(max_length=128)
    sizes, steps = [0, 1, 3, 10, 30, 100], 2_000
    rows = encoded(tmp_path, task, tiny_bert, [" ".join(["film"] * size) for size in sizes])
    counts = np.zeros((len(sizes), 102))
    for step in range(steps):
        found = hidden(task, rows, list(range(len(sizes))), (3, step))
        assert [len(places) for places in found] == [0, 1, 1, 2, 4, 15]
        for item, places in enumerate(found):
            counts[item, places] += 1
    for item, size in enumerate(sizes[2:], 2):
        seen, share = counts[item, 1 : size + 1], max(1, round(0.15 * size)) / size
        chi_square = ((seen - steps * share) ** 2).sum() / (steps * share * (1 - share)) * (size - 1) / size
        assert counts[item].sum() == seen.sum()
        assert 1e-4 < stats.chi2.sf(chi_square, size - 1) < 1 - 1e-4


def test_replaced_tokens_are_drawn_from_the_whole_vocabulary(tiny_bert: Path, tmp_path: Path) -> None:
    task = MaskedLanguageModelling(max_length=128, rate=0.5)
    rows = encoded(tmp_path, task, tiny_bert, ["film " * 120])
    film, mask, size = int(rows.sequences["first_ids"][0]), rows.facts["mask"], rows.facts["vocabulary"]
    seen = [task.collate(rows, np.array([0]), 0, (5, step))["input_ids"][0, 1:-1] for step in range(800)]
    counts = np.bincount(torch.cat(seen), minlength=size)
    others = np.delete(counts, [film, mask])
    assert len(others) == size - 2
    assert stats.chisquare(others).pvalue > 1e-4


@pytest.mark.parametrize("next_sentence", [False, True])
def test_whole_words_are_hidden_together(tiny_bert: Path, tmp_path: Path, next_sentence: bool) -> None:
    """The first word drawn in any case, then all that still fit: so none that was left out would fit beside them."""
    task = MaskedLanguageModelling(max_length=64, whole_words=True, next_sentence=next_sentence)
    rows = encoded(tmp_path, task, tiny_bert, [*TEXTS, "plotting. unfilmable", "gamma\nalpha"])
    tokenizer = Pretrained(str(tiny_bert)).tokenizer()
    long = 0
    for step in range(100):
        batch = task.collate(rows, np.arange(len(rows)), 0, (0, step))
        ids, chosen = batch["input_ids"].flatten(), torch.zeros(batch["input_ids"].numel(), dtype=torch.bool)
        ids[batch["masked"]], chosen[batch["masked"]] = batch["targets"], True
        for row, picked in zip(ids.view(batch["input_ids"].shape), chosen.view(batch["input_ids"].shape), strict=True):
            words: list[list[bool]] = []  # of each word, whether its pieces were chosen
            before = "[CLS]"
            for token, one in zip(tokenizer.convert_ids_to_tokens(row.tolist()), picked.tolist(), strict=True):
                if token.startswith("##") and before not in ("[CLS]", "[SEP]"):
                    words[-1].append(one)
                elif token not in ("[CLS]", "[SEP]", "[PAD]"):
                    words.append([one])
                before = token
            assert all(len(set(word)) == 1 for word in words)
            share, total = max(1, round(0.15 * sum(map(len, words)))), int(picked.sum())
            taken = [len(word) for word in words if word[0]]
            assert total == sum(taken)
            assert total <= share or len(taken) == 1
            assert all(total + len(word) > share for word in words if not word[0])
            long += max(taken) > 1
    assert long > 50


def test_typed_masks_are_all_that_is_asked_of_a_text_and_do_not_count(tiny_bert: Path, tmp_path: Path) -> None:
    for whole_words in (False, True):
        task = MaskedLanguageModelling(32, whole_words=whole_words)
        rows = encoded(tmp_path / str(whole_words), task, tiny_bert, [SENTENCE, "the [MASK] was a [MASK]", SENTENCE])
        batch = task.collate(rows, np.arange(3), 0, (0, 1))
        assert hidden(task, rows, [0, 1, 2], (0, 1))[1] == [2, 5]
        assert batch["scored"].tolist() == [True, False, True]
        assert task.terms(rows, np.arange(3), (0, 1)).tolist() == [2, 0, 2]
        assert batch["targets"].tolist()[2:4] == [0, 0]
        assert batch["input_ids"][1, [2, 5]].tolist() == [rows.facts["mask"]] * 2
        assert hidden(task, rows, [0, 2], (0, 1)) == [hidden(task, rows, [0, 1, 2], (0, 1))[at] for at in (0, 2)]


def test_terms_are_the_targets(tiny_bert: Path, tmp_path: Path) -> None:
    for task in (MaskedLanguageModelling(32), MaskedLanguageModelling(32, whole_words=True)):
        rows = encoded(tmp_path / str(task.whole_words), task, tiny_bert)
        items = np.arange(len(rows))
        assert task.terms(rows, items, (0, 5)).sum() == len(task.collate(rows, items, 0, (0, 5))["targets"])


def test_the_loss_is_that_of_transformers(tiny_bert: Path, tmp_path: Path) -> None:
    task = MaskedLanguageModelling(max_length=24)
    rows = encoded(tmp_path, task, tiny_bert)
    ours = network(task, tiny_bert)
    theirs = BertForMaskedLM(ours.model.config).eval()
    theirs.load_state_dict(ours.model.state_dict())
    batch = task.collate(rows, np.arange(len(rows)), 0, (0, 3))
    labels = torch.full_like(batch["input_ids"], -100)
    labels.view(-1)[batch["masked"]] = batch["targets"]
    expected = theirs(batch["input_ids"], batch["attention_mask"], labels=labels).loss
    losses = task.loss(ours, batch).losses
    found = losses.sum() / task.terms(rows, np.arange(len(rows)), (0, 3)).sum()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_both_losses_are_those_of_berts_pretraining(tiny_bert: Path, tmp_path: Path) -> None:
    task = MaskedLanguageModelling(max_length=40, next_sentence=True)
    rows = encoded(tmp_path, task, tiny_bert)
    ours = network(task, tiny_bert)
    theirs = BertForPreTraining(ours.model.config).eval()
    theirs.load_state_dict(ours.model.state_dict())
    items = np.arange(len(rows))
    batch = task.collate(rows, items, 0, (0, 3))
    labels = torch.full_like(batch["input_ids"], -100)
    labels.view(-1)[batch["masked"]] = batch["targets"]
    expected = theirs(
        batch["input_ids"],
        batch["attention_mask"],
        batch["token_type_ids"],
        labels=labels,
        next_sentence_label=batch["apart"],
    ).loss
    found = task.loss(ours, batch).losses.sum(0) / torch.from_numpy(task.terms(rows, items, (0, 3))).sum(0)
    torch.testing.assert_close(found.sum(), expected, rtol=0, atol=1e-5)


def test_the_second_segment_follows_or_is_from_another_document(tiny_bert: Path, tmp_path: Path) -> None:
    task = MaskedLanguageModelling(max_length=40, next_sentence=True)
    rows = encoded(tmp_path, task, tiny_bert)
    apart, seen = 0, set[int]()
    for step in range(200):
        batch = task.collate(rows, np.array([0]), 0, (0, step))
        kinds, real = batch["token_type_ids"][0], batch["attention_mask"][0].bool()
        ids = batch["input_ids"][0].clone()
        ids[batch["masked"]] = batch["targets"]
        second = ids[real & (kinds == 1)][:-1].tolist()
        owners = [int(rows.examples[i]) for i in range(len(rows)) if rows.cut("second_ids", i).tolist() == second]
        if batch["apart"][0]:
            apart += 1
            assert owners
            assert all(owner != rows.examples[0] for owner in owners)
            seen |= set(owners)
        else:
            assert second == rows.cut("second_ids", 0).tolist()
        assert int(real.sum()) <= 40
        assert ids[int(real.sum()) - 1] == rows.facts["sep"]
    assert 70 < apart < 130  # half of 200, within four standard deviations
    assert len(seen) == len(TEXTS) - 1


def test_the_order_of_segments_can_be_learnt(tmp_path: Path) -> None:
    """Documents of four subjects: a fourth of the foreign segments is of the same one, so 7 in 8 is all there is."""
    draw = random.Random(0)
    texts = [". ".join(" ".join([NAMES[i % 4]] * draw.randint(3, 6)) for _ in range(8)) + "." for i in range(60)]
    tokenizer = Trained("word", min_frequency=1).train(iter(texts), framing="bert")
    task = MaskedLanguageModelling(max_length=24, next_sentence=True)
    table = pa.table({"text": pa.array(texts, pa.large_string())})
    rows = cached(tmp_path / "encoded", lambda: task.encode(tokenizer, table, "train"), "uint16")
    torch.manual_seed(0)
    source = Scratch("bert", layers=2, width=64, heads=4, max_positions=32, dropout=0.0)
    model = task.model(source, tokenizer, [], weights=True).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    items = np.random.default_rng(0)
    right = []
    for step in range(320):
        chosen = items.integers(0, len(rows), 32)
        batch = task.collate(rows, chosen, 0, (0, step))
        output = task.loss(model, batch)
        terms = torch.from_numpy(task.terms(rows, chosen, (0, step)))
        optimizer.zero_grad()
        (output.losses.sum(0) / terms.sum(0)).sum().backward()
        optimizer.step()
        right.append((output.logits[2].argmax(-1) == batch["apart"]).double().mean().item())
    assert 0.8 < np.mean(right[-80:]) < 0.93


@pytest.mark.parametrize("pairs", [False, True])
def test_a_long_text_read_in_pieces_has_the_same_items(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pairs: bool
) -> None:
    texts = [". ".join(TEXTS * 40), "one. two.", "the film! " * 90, "", "a\n\nb. " * 50]
    task = MaskedLanguageModelling(max_length=24, next_sentence=pairs)
    whole = encoded(tmp_path / "whole", task, tiny_bert, texts)
    for name, size in {"PORTION": 300, "PIECE": 100, "NEAR": 90, "TRIES": 90}.items():
        monkeypatch.setattr(portions, name, size)
    again = encoded(tmp_path / "pieces", task, tiny_bert, texts)
    for kind in ("sequences", "offsets", "columns"):
        one, two = (getattr(rows, kind) for rows in (whole, again))
        assert {name: array.tolist() for name, array in one.items()} == {name: a.tolist() for name, a in two.items()}


def test_a_batch_may_be_cut_and_asked_for_again(tiny_bert: Path, tmp_path: Path) -> None:
    task = MaskedLanguageModelling(max_length=24, next_sentence=True)
    rows = encoded(tmp_path, task, tiny_bert)
    items = np.arange(len(rows))
    whole = task.collate(rows, items, 0, (1, 2))
    part = task.collate(rows, items[1:2], 0, (1, 2))
    longest = part["input_ids"].shape[1]
    assert part["input_ids"].tolist() == whole["input_ids"][1:2, :longest].tolist()
    other = task.collate(rows, items, 0, (1, 3))
    again = task.collate(rows, items, 0, (1, 2))
    assert other["input_ids"].tolist() != whole["input_ids"].tolist()
    assert all(again[name].tolist() == values.tolist() for name, values in whole.items())


def test_a_text_of_one_sentence_has_no_next(tiny_bert: Path, tmp_path: Path) -> None:
    task = MaskedLanguageModelling(max_length=40, next_sentence=True)
    with pytest.raises(DataError, match=r"no document of train has two sentences; set task\.next_sentence=false"):
        encoded(tmp_path, task, tiny_bert, ["one sentence only"])


def test_a_tokenizer_without_a_mask_is_refused(tiny_gpt: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the tokenizer has no mask, cls or sep token"):
        encoded(tmp_path, MaskedLanguageModelling(), tiny_gpt)


def test_what_is_measured(tiny_bert: Path, tmp_path: Path) -> None:
    task = MaskedLanguageModelling(max_length=24, next_sentence=True)
    rows = encoded(tmp_path, task, tiny_bert)
    table = pa.table({"text": pa.array(TEXTS, pa.large_string())})
    split = Split(table, rows, Pretrained(str(tiny_bert)).tokenizer(), [])
    model = network(task, tiny_bert)
    found = pass_over(task, model, split, 3).finish(task, split)
    batch = task.collate(rows, np.arange(len(rows)), 0, EVALUATION)
    logits, _, order = task.loss(model, batch).logits
    assert found.values["mlm_accuracy"] == pytest.approx((logits.argmax(-1) == batch["targets"]).double().mean().item())
    nll = torch.nn.functional.cross_entropy(logits, batch["targets"]).item()
    assert found.values["mlm_loss"] == pytest.approx(nll, abs=1e-5)
    assert found.values["nsp_accuracy"] == pytest.approx((order.argmax(-1) == batch["apart"]).double().mean().item())
    both = nll + torch.nn.functional.cross_entropy(order, batch["apart"]).item()
    assert found.values["loss"] == pytest.approx(both, abs=1e-5)
    assert set(found.values) == {"loss", *task.measures}


@pytest.mark.parametrize("pairs", [False, True])
def test_from_training_to_filled_masks(training_run: Callable[..., Path], tmp_path: Path, pairs: bool) -> None:
    text = tmp_path / "documents.txt"
    text.write_text("".join(f"{line} number {i}.\n" for i in range(8) for line in TEXTS))
    source = {"_target_": "headway.data.sources.documents.read", "unit": "line", "path": str(text)}
    task = {"_target_": "headway.tasks.masked_lm.MaskedLanguageModelling", "max_length": 32, "next_sentence": pairs}
    run_dir = training_run({}, {"task": task, "data": {**source, "val_fraction": 0.2}, "data.path": str(text)})
    assert guarded(run_dir, SilentChannel()) == 0, (run_dir / "traceback.txt").read_text()
    run = Run.open(run_dir)
    assert any("val/mlm_accuracy" in row for row in run.rows())
    again = evaluate(run, "val", "last")
    assert [row for row in run.rows() if "val/loss" in row][-1]["val/loss"] == pytest.approx(again["metrics"]["loss"])
    if not pairs:
        trained = open_trained(run, "last")
        asked = read_examples([("the [MASK] was very [MASK]", None)], source, trained.task.examples)
        [answer] = predict(trained, asked, run)
        assert len(answer["prediction"]) == 2
        assert [len(mask) for mask in answer["best"]] == [5, 5]
        assert all(0 < entry["score"] <= 1 for mask in answer["best"] for entry in mask)
