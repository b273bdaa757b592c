"""Kneser-Ney models against the formulas written out slowly, against NLTK's, and against what probabilities must be."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from headway.errors import ModelError
from headway.models import ngram
from headway.models.ngram import FALLBACK, KneserNey, KneserNeyLM, discounts

Gram = tuple[int, ...]
BOS = 1


@pytest.fixture
def tokenizer(tiny_bert: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_bert)


def corpus(count: int = 60, words: int = 12) -> list[np.ndarray]:
    """Texts of 0 to 19 tokens after BOS, some words far more frequent than others."""
    draw = np.random.default_rng(7)
    weights = 1 / np.arange(1, words + 1)
    weights /= weights.sum()
    return [np.array([BOS, *draw.choice(words, size=draw.integers(0, 20), p=weights) + 5]) for _ in range(count)]


def fitted(tokenizer: PreTrainedTokenizerBase, order: int, modified: bool = True) -> KneserNeyLM:
    model = KneserNey(order, modified).causal_lm(tokenizer, weights=True)
    model.fit(iter(corpus()))
    return model


class Slow:
    """Chen & Goodman 1999, equations of interpolated Kneser-Ney, with dictionaries and a loop over the vocabulary."""

    def __init__(self, texts: list[list[int]], order: int, modified: bool, vocabulary: int) -> None:
        self.order, self.vocabulary = order, vocabulary
        self.counts: dict[int, Counter[Gram]] = {}
        for k in range(1, order + 1):
            if k == order:
                counted = Counter(tuple(t[i - k : i]) for t in texts for i in range(max(k, 2), len(t) + 1))
            else:
                longer = {tuple(t[i - k - 1 : i]) for t in texts for i in range(k + 1, len(t) + 1)}
                counted = Counter(gram[1:] for gram in longer)
                if k > 1:
                    counted += Counter(tuple(t[:k]) for t in texts if len(t) >= k)
            self.counts[k] = counted
        self.discounts = {}
        for k, counted in self.counts.items():
            n = Counter(counted.values())
            if modified:
                y = n[1] / (n[1] + 2 * n[2]) if n[1] else 0
                found = [i - (i + 1) * y * n[i + 1] / n[i] if n[i] else -1 for i in (1, 2, 3)]
                usable = n[1] and n[2] and n[3] and all(0 < d <= i for i, d in enumerate(found, 1))
                self.discounts[k] = found if usable else [0.5, 1, 1.5]
            else:
                self.discounts[k] = [n[1] / (n[1] + 2 * n[2]) if n[1] and n[2] else 0.5] * 3

    def p(self, word: int, context: Gram) -> float:
        k = len(context) + 1
        lower = self.p(word, context[1:]) if context else 1 / self.vocabulary
        following = {w: c for w in range(self.vocabulary) if (c := self.counts[k][(*context, w)])}
        if not following:
            return lower
        off = {w: self.discounts[k][min(c, 3) - 1] for w, c in following.items()}
        total = sum(following.values())
        return (following.get(word, 0) - off.get(word, 0)) / total + sum(off.values()) / total * lower


@pytest.mark.parametrize("modified", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_are_those_of_the_formula(tokenizer: PreTrainedTokenizerBase, order: int, modified: bool) -> None:
    slow = Slow([text.tolist() for text in corpus()], order, modified, len(tokenizer))
    model = fitted(tokenizer, order, modified)
    draw = torch.Generator().manual_seed(1)
    for text in [*corpus()[:8], torch.randint(0, 20, (12,), generator=draw).numpy()]:
        if len(text) < 2:
            continue
        ids = torch.tensor(text)[None]
        found = model.token_losses(ids)[0]
        assert found.dtype == torch.float64
        logits = model(ids).logits[0]
        for i in range(1, len(text)):
            p = slow.p(int(text[i]), tuple(text[max(0, i - order + 1) : i].tolist()))
            assert found[i - 1].exp().item() == pytest.approx(1 / p, rel=1e-9)
            assert logits[i - 1, text[i]].exp().item() == pytest.approx(p, abs=1e-12, rel=1e-9)


def test_discounts_by_hand() -> None:
    """n1..n4 = 8, 4, 2, 1: Y = 8/16, so that D1 = 1 - 2*.5*4/8, D2 = 2 - 3*.5*2/4, D3+ = 3 - 4*.5*1/2."""
    adjusted = np.repeat([0, 1, 2, 3, 4, 9], [5, 8, 4, 2, 1, 1])
    assert discounts(adjusted, modified=True).tolist() == [0, 0.5, 1.25, 2.0]
    assert discounts(adjusted, modified=False).tolist() == [0, 0.5, 0.5, 0.5]
    for few in ([2, 3], [1, 1, 1], [1, 2, 2, 2, 2]):
        assert discounts(np.array(few), modified=True).tolist() == [0, *FALLBACK]
    assert discounts(np.array([1, 1]), modified=False).tolist() == [0, 0.5, 0.5, 0.5]


def test_agrees_with_nltk(tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of nltk.lm.KneserNeyInterpolated(3, discount=0.75), NLTK 3.10.4.

    It takes no discount off single words. Neither does ours, in effect, when the vocabulary is the words seen: what is
    taken off goes back in equal shares. Contexts are such that the beginning of the text does not count.
    """
    sentences = ("the cat sat on the mat", "the dog sat on the cat", "a dog saw the mat")
    text = [word for sentence in sentences for word in (".", *sentence.split())] + ["."]
    words = {word: i for i, word in enumerate(dict.fromkeys(text))}
    c, d, f, g = 0.040178571428571425, 0.020089285714285712, 0.08035714285714285, 0.024107142857142855
    e, h, j = 0.3366071428571429, 0.04821428571428571, 0.29910714285714285
    expected = {
        ("on", "the"): [h, 0.07232142857142856, e, h, g, e, 0.08571428571428572, g, g],
        ("the", "cat"): [j, 0.12053571428571427, c, j, c, c, f, c, c],
        ("sat", "on"): [c, 0.7790178571428572, d, c, d, d, c, d, d],
        ("dog", "saw"): [f, 0.5580357142857143, c, f, c, c, f, c, c],
    }
    monkeypatch.setattr(ngram, "discounts", lambda *_: np.array([0, 0.75, 0.75, 0.75]))
    model = KneserNey(3).causal_lm(tokenizer, weights=True)
    model.vocabulary = len(words)
    model.fit([np.array([words[word] for word in text])])
    for context, probabilities in expected.items():
        logits = model(torch.tensor([[words[word] for word in context]])).logits[0, -1]
        assert logits.exp().tolist() == pytest.approx(probabilities, abs=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_sum_to_one_after_anything(tokenizer: PreTrainedTokenizerBase, order: int) -> None:
    ids = torch.randint(0, len(tokenizer), (4, 30), generator=torch.Generator().manual_seed(2))
    seen = max(corpus(), key=len)
    ids[2, : len(seen)] = torch.tensor(seen)  # seen contexts among unseen ones
    for model in (fitted(tokenizer, order), KneserNey(order).causal_lm(tokenizer, weights=True)):
        p = model(ids).logits.exp()
        assert p.shape == (4, 30, len(tokenizer))
        assert p.min() > 0
        torch.testing.assert_close(p.sum(-1), torch.ones(4, 30, dtype=torch.float64), rtol=0, atol=1e-12)
        torch.testing.assert_close(
            -p.log()[:, :-1].gather(2, ids[:, 1:, None])[..., 0], model.token_losses(ids), rtol=0, atol=1e-12
        )
    assert p.unique().tolist() == pytest.approx([1 / len(tokenizer)])  # before it is fitted


def test_unseen_contexts_back_off(tokenizer: PreTrainedTokenizerBase) -> None:
    model = fitted(tokenizer, 3)
    never = 90
    after_never, after_five = model(torch.tensor([[never, never], [never, 5]])).logits[:, -1]
    alone = model(torch.tensor([[5]])).logits[0, -1]
    assert torch.equal(after_five, alone)
    assert torch.equal(after_never, model(torch.tensor([[never]])).logits[0, -1])
    assert not torch.equal(after_never, alone)


def test_the_first_token_is_context_only_and_contexts_do_not_cross(tokenizer: PreTrainedTokenizerBase) -> None:
    apart, joined = (KneserNey(2).causal_lm(tokenizer, weights=True) for _ in range(2))
    apart.fit([np.array([BOS, 5, 6]), np.array([BOS, 7]), np.array([BOS])])
    joined.fit([np.array([BOS, 5, 6, BOS, 7, BOS])])
    p, q = (model(torch.tensor([[6]])).logits[0, 0].exp() for model in (apart, joined))
    assert p[BOS] == p[90]  # never predicted: no more likely than a token never seen
    assert q[BOS] > 2 * q[90]
    assert p[5] == p[7] == p[6] > p[BOS]


def test_padding_does_not_matter(tokenizer: PreTrainedTokenizerBase) -> None:
    model = fitted(tokenizer, 4)
    seen = max(corpus(), key=len)
    text, pad = torch.tensor(seen[2:8]), int(seen[1])  # read as text, the padding would make a context that was seen
    alone, losses = model(text[None]).logits[0], model.token_losses(text[None])[0]
    for before, after in ((0, 4), (4, 0), (1, 3)):
        ids = torch.nn.functional.pad(text, (before, after), value=pad)[None]
        mask = torch.nn.functional.pad(text**0, (before, after))[None]
        assert torch.equal(model(ids, mask).logits[0, before : before + 6], alone)
        found = model.token_losses(ids, mask)[0]
        assert torch.equal(found[before : before + 5], losses)
        assert found.count_nonzero() == 5


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("order", [1, 4])
def test_generation(tokenizer: PreTrainedTokenizerBase, order: int, beams: int) -> None:
    model = fitted(tokenizer, order)
    prompt = torch.tensor([[BOS, 5, 6, 7], [BOS, 6, 5, 8]])
    sizes: list[int] = []
    model.register_forward_hook(lambda _module, _args, output: sizes.append(output.logits.shape[1]))
    made = model.generate(prompt, num_beams=beams, max_new_tokens=10)
    assert set(sizes) == {1}
    assert torch.equal(made, model.generate(prompt, num_beams=beams, max_new_tokens=10, use_cache=False))
    if beams == 1:
        prefix = prompt
        for _ in range(10):
            prefix = torch.cat([prefix, model(prefix).logits[:, -1:].argmax(-1)], dim=1)
        assert torch.equal(made, prefix)
    mask = torch.tensor([[0, 0, 1, 1, 1, 1]])
    padded = model.generate(
        torch.tensor([[5, 6, BOS, 5, 6, 7]]), attention_mask=mask, num_beams=beams, max_new_tokens=10
    )
    assert padded[0, 2:].tolist() == made[0].tolist()
    torch.manual_seed(0)
    first = model.generate(prompt, do_sample=True, max_new_tokens=10)
    torch.manual_seed(0)
    assert torch.equal(model.generate(prompt, do_sample=True, max_new_tokens=10), first)


def test_tables_are_saved_and_loaded(tokenizer: PreTrainedTokenizerBase) -> None:
    model = fitted(tokenizer, 4)
    file = io.BytesIO()
    torch.save({"model." + key: value for key, value in model.state_dict().items()}, file)
    file.seek(0)
    holder = torch.nn.ModuleDict({"model": KneserNey(4).causal_lm(tokenizer, weights=False)})
    holder.load_state_dict(torch.load(file, weights_only=True))
    ids = torch.tensor(max(corpus(), key=len))[None]
    assert torch.equal(holder["model"](ids).logits, model(ids).logits)
    with pytest.raises(RuntimeError, match="keys_5"):
        KneserNey(5).causal_lm(tokenizer, weights=False).load_state_dict(model.state_dict())
    model.fit([np.array([BOS, 5])])  # a second fit forgets the first
    assert model(ids).logits[0, -1].exp().unique().numel() <= 2


def test_what_cannot_be_counted(tokenizer: PreTrainedTokenizerBase) -> None:
    model = KneserNey(3).causal_lm(tokenizer, weights=True)
    for sequences, words in (
        ([], "no sequence has a second token"),
        ([np.array([1]), np.array([], dtype=np.int64)], "no sequence has a second token"),
        ([np.array([1, 2, 9999])], f"token ids from 1 to 9999, wanted 0 to {len(tokenizer) - 1}"),
    ):
        with pytest.raises(ModelError, match=words):
            model.fit(sequences)
    with pytest.raises(ModelError, match=r"model\.order=0"):
        KneserNey(0).causal_lm(tokenizer, weights=True)
