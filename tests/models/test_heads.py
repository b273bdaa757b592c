"""Pooling and the classification head against sums done by hand. B batch, T tokens, D width."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from headway.errors import ModelError
from headway.models.heads import SequenceClassifier, place_of, pool, resolve_pooling
from headway.models.layout import read
from headway.models.pretrained import Pretrained

STATES = torch.arange(2 * 4 * 3, dtype=torch.float32).reshape(2, 4, 3)  # [B=2, T=4, D=3]
RIGHT = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])  # padded on the right
LEFT = torch.tensor([[0, 0, 0, 1], [0, 1, 1, 1]])
POOLED = torch.full((2, 3), 7.0)


@pytest.mark.parametrize(
    ("pooling", "mask", "expected"),
    [
        ("cls", RIGHT, [[0, 1, 2], [12, 13, 14]]),
        ("cls", LEFT, [[9, 10, 11], [15, 16, 17]]),
        ("last", RIGHT, [[9, 10, 11], [15, 16, 17]]),
        ("last", LEFT, [[9, 10, 11], [21, 22, 23]]),
        ("mean", RIGHT, [[4.5, 5.5, 6.5], [13.5, 14.5, 15.5]]),
        ("mean", LEFT, [[9, 10, 11], [18, 19, 20]]),
        ("max", RIGHT, [[9, 10, 11], [15, 16, 17]]),
        ("max", LEFT, [[9, 10, 11], [21, 22, 23]]),
        ("pooler", RIGHT, [[7, 7, 7], [7, 7, 7]]),
    ],
)
def test_pooling_by_hand(pooling: Any, mask: torch.Tensor, expected: list[list[float]]) -> None:
    at = place_of(mask, pooling) if pooling in ("cls", "last") else None
    hidden = SimpleNamespace(last_hidden_state=read(STATES, at), pooler_output=POOLED)
    assert pool(hidden, mask, pooling).tolist() == expected


def test_auto_is_first_token_for_encoders_and_last_for_decoders(tiny_bert: Path, tiny_gpt: Path) -> None:
    bert, gpt = Pretrained(str(tiny_bert)).backbone(), Pretrained(str(tiny_gpt)).backbone()
    assert resolve_pooling("auto", bert) == "cls"
    assert resolve_pooling("auto", gpt) == "last"
    for pooling, backbone, words in (
        ("sum", bert, "choose one of auto, cls, pooler, mean, max, last"),
        ("pooler", gpt, "no pooler"),
        ("cls", gpt, "has seen nothing"),
    ):
        with pytest.raises(ModelError, match=words):
            resolve_pooling(pooling, backbone)


@pytest.mark.parametrize(
    ("model", "pooling"),
    [
        *(("tiny_bert", pooling) for pooling in ("cls", "pooler", "mean", "last")),
        *((model, pooling) for model in ("tiny_gpt", "tiny_llama") for pooling in ("mean", "last")),
    ],
)
def test_padding_does_not_change_logits(model: str, pooling: str, request: pytest.FixtureRequest) -> None:
    source = Pretrained(str(request.getfixturevalue(model)), pooling=pooling)
    tokenizer = source.tokenizer()
    torch.manual_seed(0)
    head = SequenceClassifier(source.backbone(), 3, pooling).eval()
    texts = ["good film", "the acting was awful and this plot is not very fine but it was a great story", "bad"]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    assert batch["attention_mask"].sum(1).unique().numel() > 1
    with torch.inference_mode():
        together = head(batch["input_ids"], batch["attention_mask"])
        for row, text in enumerate(texts):
            alone = tokenizer(text, return_tensors="pt")
            logits = head(alone["input_ids"], alone["attention_mask"])
            torch.testing.assert_close(together[row : row + 1], logits, rtol=0, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 3e-5  # it does look at the text


def test_the_layer_on_top_is_dropout_and_a_matrix(tiny_bert: Path) -> None:
    torch.manual_seed(0)
    head = SequenceClassifier(Pretrained(str(tiny_bert), dropout=0.0).backbone(), 5, "mean", dropout=0.5)
    assert head.output.weight.shape == (5, 32)
    assert head.output.bias.tolist() == [0.0] * 5
    assert head.output.weight.std().item() == pytest.approx(0.02, rel=0.3)
    ids, mask = torch.tensor([[2, 5, 6, 3]]), torch.ones(1, 4, dtype=torch.long)
    head.eval().requires_grad_(False)
    states = head.backbone(ids, mask).last_hidden_state
    torch.testing.assert_close(head(ids, mask), states.mean(1) @ head.output.weight.T + head.output.bias)
    head.train()
    assert not torch.equal(head(ids, mask), head(ids, mask))
