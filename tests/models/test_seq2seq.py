"""The GRU encoder and decoder: teacher forcing, state and padding. B batch, S source tokens, T target tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from headway.errors import ModelError
from headway.models.seq2seq import GruAttention, GruSeq2Seq

SOURCE = torch.tensor([[5, 6, 7, 8, 9], [10, 11, 0, 0, 0], [12, 5, 6, 0, 0]])
MASK = (SOURCE > 0).long()
TARGET = torch.tensor([[2, 20, 21, 22], [2, 23, 24, 0], [2, 25, 0, 0]])


@pytest.fixture
def tokenizer(tiny_bert: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_bert)


@pytest.fixture
def model(tokenizer: PreTrainedTokenizerBase) -> GruSeq2Seq:
    """With outputs far from uniform, and an attention that looks somewhere."""
    torch.manual_seed(4)
    source = GruAttention(width=12, embedding=8, layers=2, dropout=0.5, tie=False)
    model = source.seq2seq(tokenizer, weights=True).eval()
    for weight in (model.encoder.embedding.weight, model.score.weight, model.combine.weight):
        nn.init.normal_(weight)
    nn.init.normal_(model.output.weight, std=3)
    return model


def test_a_whole_target_is_its_steps(model: GruSeq2Seq) -> None:
    whole = model(SOURCE, MASK, TARGET).logits
    assert whole.shape == (3, 4, model.config.vocab_size)
    encoded, state = model.encoder(SOURCE, MASK), None
    for step in range(4):
        output = model(
            attention_mask=MASK,
            decoder_input_ids=TARGET[:, step : step + 1],
            encoder_outputs=encoded,
            past_key_values=state,
            use_cache=True,
        )
        torch.testing.assert_close(output.logits[:, 0], whole[:, step], rtol=0, atol=1e-4)
        state = output.past_key_values


def test_attention_by_hand(model: GruSeq2Seq) -> None:
    """Luong et al. 2015, equations 5 to 8, for the first token of the second text."""
    memory = model.encoder(SOURCE, MASK).last_hidden_state[1, :2]
    start = torch.tanh(model.start(memory.mean(0))).view(2, 1, 12)
    state = model.network.layers(model.encoder.embedding(TARGET[1:2, :1]), start)[0][0, 0]
    weights = torch.softmax(torch.stack([state @ model.score.weight.T @ source for source in memory]), 0)
    assert 0.001 < weights[0] < 0.999
    context = weights[0] * memory[0] + weights[1] * memory[1]
    expected = model.output(torch.tanh(model.combine(torch.cat([context, state]))))
    torch.testing.assert_close(model(SOURCE, MASK, TARGET).logits[1, 0], expected, rtol=0, atol=1e-4)


def test_padding_does_not_matter(model: GruSeq2Seq) -> None:
    together = model(SOURCE, MASK, TARGET).logits
    for row, (sources, targets) in enumerate(((5, 4), (2, 3), (3, 2))):
        alone = model(SOURCE[row : row + 1, :sources], MASK[row : row + 1, :sources], TARGET[row : row + 1, :targets])
        torch.testing.assert_close(together[row, :targets], alone.logits[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("beams", [1, 3])
def test_generation_by_state_is_that_from_the_whole_prefix(model: GruSeq2Seq, beams: int) -> None:
    options: dict[str, Any] = {"num_beams": beams, "max_new_tokens": 9, "attention_mask": MASK}
    lengths: list[int] = []
    model.network.layers.register_forward_hook(lambda _module, args, _output: lengths.append(args[0].shape[1]))
    made = model.generate(SOURCE, **options)
    assert set(lengths) == {1}
    assert torch.equal(made, model.generate(SOURCE, use_cache=False, **options))
    assert made[:, 0].tolist() == [2, 2, 2]  # [CLS]
    if beams == 1:
        prefix = made[:, :1]
        for _ in range(made.shape[1] - 1):
            prefix = torch.cat([prefix, model(SOURCE, MASK, prefix).logits[:, -1:].argmax(-1)], dim=1)
        ended = F.pad((prefix == 3).cumsum(1) > 0, (1, 0))[:, :-1]  # after [SEP] comes [PAD]
        assert torch.equal(made, prefix.masked_fill(ended, 0))
        assert made.unique().numel() > 5
    for row, length in enumerate((5, 2, 3)):
        alone = model.generate(SOURCE[row : row + 1, :length], num_beams=beams, max_new_tokens=9)[0]
        assert made[row, : len(alone)].tolist() == alone.tolist()


def test_it_learns_to_turn_texts_round(tokenizer: PreTrainedTokenizerBase) -> None:
    torch.manual_seed(0)
    model = GruAttention(width=32, embedding=32, dropout=0.0).seq2seq(tokenizer, weights=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    draw = torch.Generator().manual_seed(0)

    def batch(size: int) -> tuple[Tensor, Tensor]:
        source = torch.randint(5, 15, (size, 3), generator=draw)
        return source, torch.cat([torch.full((size, 1), 2), source.flip(1), torch.full((size, 1), 3)], dim=1)

    for _ in range(200):
        source, target = batch(32)
        optimizer.zero_grad()
        logits = model(source, source**0, target[:, :-1]).logits
        F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten()).backward()
        optimizer.step()
    model.eval()
    source, target = batch(40)
    made = model.generate(source, attention_mask=source**0, max_new_tokens=4)
    assert (made == target).all(1).float().mean() > 0.9


def test_weights_can_be_loaded_and_are_shared_when_tied(tokenizer: PreTrainedTokenizerBase) -> None:
    source = GruAttention(width=12, embedding=8)
    model, empty = (source.seq2seq(tokenizer, weights=weights).eval() for weights in (True, False))
    assert model.output.weight is model.encoder.embedding.weight
    assert not torch.equal(empty(SOURCE, MASK, TARGET).logits, model(SOURCE, MASK, TARGET).logits)
    empty.load_state_dict(model.state_dict())
    assert torch.equal(empty(SOURCE, MASK, TARGET).logits, model(SOURCE, MASK, TARGET).logits)


def test_a_target_must_begin_with_something(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.cls_token = tokenizer.sep_token = None
    with pytest.raises(ModelError, match="no bos, cls or eos token"):
        GruAttention().seq2seq(tokenizer, weights=True)
