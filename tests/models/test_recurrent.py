"""Recurrent backbones and language models: padding, state and generation. B batch, T tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from headway.errors import ModelError
from headway.models.recurrent import BothWays, Recurrent, RecurrentLM

SMALL: dict[str, Any] = {"width": 12, "embedding": 8, "layers": 2, "dropout": 0.5}
LENGTHS = (3, 7, 1)
MASK = torch.tensor([[1] * length + [0] * (7 - length) for length in LENGTHS])
CELLS = ["lstm", "gru", "rnn"]


@pytest.fixture
def tokenizer(tiny_gpt: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_gpt)


@pytest.fixture
def ids(tokenizer: PreTrainedTokenizerBase) -> Tensor:
    return torch.randint(1, len(tokenizer), (3, 7), generator=torch.Generator().manual_seed(5))


def language_model(tokenizer: PreTrainedTokenizerBase, cell: Any = "lstm", **changes: Any) -> RecurrentLM:
    """With large weights: generated texts are not all alike, and no choice is a matter of rounding."""
    torch.manual_seed(1)
    model = Recurrent(cell=cell, **(SMALL | changes)).causal_lm(tokenizer, weights=True).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return model


# --- backbones


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_padding_does_not_change_states(tokenizer: PreTrainedTokenizerBase, ids: Tensor, cell: Any, both: bool) -> None:
    backbone = Recurrent(cell=cell, bidirectional=both, **SMALL).backbone(tokenizer, weights=True).eval()
    assert (backbone.width, backbone.causal) == ((24, False) if both else (12, True))
    assert (backbone.pooling, backbone.pooler, backbone.positions) == ("mean" if both else "last", False, None)
    together = backbone(ids, MASK).last_hidden_state
    assert together.shape == (3, 7, backbone.width)
    for row, length in enumerate(LENGTHS):
        alone = backbone(ids[row : row + 1, :length], MASK[row : row + 1, :length]).last_hidden_state
        torch.testing.assert_close(together[row, :length], alone[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(backbone.network(backbone.embedding(ids)), backbone(ids, MASK**0).last_hidden_state)


@pytest.mark.parametrize("cell", CELLS)
def test_both_directions_are_those_of_torch(cell: str) -> None:
    """The same weights in torch's own bidirectional network, with packed sequences."""
    torch.manual_seed(0)
    ours = BothWays(cell, 8, 12, 2, 0.0)
    theirs = getattr(nn, cell.upper())(8, 12, 2, batch_first=True, bidirectional=True)
    for layer in range(2):
        for nets, suffix in ((ours.forwards, ""), (ours.backwards, "_reverse")):
            for name, parameter in nets[layer].named_parameters():
                getattr(theirs, name.replace("_l0", f"_l{layer}{suffix}")).data.copy_(parameter.data)
    inputs = torch.randn(3, 7, 8)
    packed = pack_padded_sequence(inputs, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = ours(inputs, MASK) * MASK.unsqueeze(-1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_lstms_begin_by_remembering(tokenizer: PreTrainedTokenizerBase) -> None:
    model = Recurrent(**SMALL).causal_lm(tokenizer, weights=True)
    for layer in range(2):
        bias = getattr(model.network.layers, f"bias_ih_l{layer}")
        assert bias[12:24].tolist() == [1.0] * 12
        assert bias[:12].abs().max() < 0.3
        assert bias[24:].abs().max() < 0.3


def test_weights_follow_the_seed_and_can_be_loaded(tokenizer: PreTrainedTokenizerBase, ids: Tensor) -> None:
    for build in (Recurrent(**SMALL).backbone, Recurrent(**SMALL).causal_lm, Recurrent(tie=True).causal_lm):
        models = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            models.append(build(tokenizer, weights=True).eval())
        outputs = [next(iter(model(ids, MASK).values())) for model in models]
        assert torch.equal(outputs[0], outputs[1])
        assert not torch.equal(outputs[0], outputs[2])
        empty = build(tokenizer, weights=False).eval()
        empty.load_state_dict(models[0].state_dict())
        assert torch.equal(next(iter(empty(ids, MASK).values())), outputs[0])


# --- language models


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_generation_by_state_is_that_from_the_whole_prefix(
    tokenizer: PreTrainedTokenizerBase, ids: Tensor, cell: str, beams: int
) -> None:
    model = language_model(tokenizer, cell)
    options: dict[str, Any] = {"num_beams": beams, "do_sample": False, "max_new_tokens": 12}
    by_state = model.generate(ids, **options)
    assert torch.equal(by_state, model.generate(ids, use_cache=False, **options))
    assert by_state[:, 7:].unique().numel() > 3
    if beams == 1:
        prefix = ids
        for _ in range(by_state.shape[1] - 7):
            prefix = torch.cat([prefix, model(prefix).logits[:, -1:].argmax(-1)], dim=1)
        ended = (by_state == 0).cumsum(1) > 0  # after the end of a text come only ends
        assert torch.equal(by_state, prefix.masked_fill(ended, 0))


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("use_cache", [True, False])
def test_prompts_padded_on_the_left(
    tokenizer: PreTrainedTokenizerBase, ids: Tensor, beams: int, use_cache: bool
) -> None:
    model = language_model(tokenizer)
    options: dict[str, Any] = {"num_beams": beams, "max_new_tokens": 8, "min_new_tokens": 8, "use_cache": use_cache}
    mask = MASK.flip(1)
    together = model.generate(ids, attention_mask=mask, **options)
    for row, length in enumerate(LENGTHS):
        alone = model.generate(ids[row : row + 1, -length:], **options)
        assert together[row, -8:].tolist() == alone[0, -8:].tolist()
    torch.testing.assert_close(model(ids, mask).logits[0, -3:], model(ids[:1, -3:]).logits[0])
    # padding on the right comes too late to matter
    torch.testing.assert_close(model(ids, MASK).logits[0, :3], model(ids[:1, :3]).logits[0])


def test_a_new_token_costs_one_step(tokenizer: PreTrainedTokenizerBase, ids: Tensor) -> None:
    model = language_model(tokenizer)
    lengths: list[int] = []
    model.embedding.register_forward_hook(lambda _module, args, _output: lengths.append(args[0].shape[1]))
    kept: list[int] = []
    model.output.register_forward_hook(lambda _module, args, _output: kept.append(args[0].shape[1]))
    model.generate(ids, max_new_tokens=5, min_new_tokens=5)
    assert lengths == [7, 1, 1, 1, 1]
    assert kept == [1] * 5


def test_sampling_repeats_with_its_seed_and_streams(tokenizer: PreTrainedTokenizerBase, ids: Tensor) -> None:
    model = language_model(tokenizer)

    class Streamer:
        def __init__(self) -> None:
            self.tokens: list[int] = []

        def put(self, value: Tensor) -> None:
            self.tokens += value.flatten().tolist()

        def end(self) -> None:
            self.tokens.append(-1)

    samples = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        streamer = Streamer()
        made = model.generate(ids[:1], do_sample=True, temperature=3.0, top_k=0, max_new_tokens=20, streamer=streamer)
        assert streamer.tokens == [*made[0].tolist(), -1]
        samples.append(made)
    assert torch.equal(samples[0], samples[1])
    assert not torch.equal(samples[0], samples[2])


def test_it_learns(tokenizer: PreTrainedTokenizerBase) -> None:
    """A text in which the token after depends on the two before."""
    text = torch.tensor([[1, 2, 3, 1, 4, 2, 1, 3, 4] * 4])
    torch.manual_seed(0)
    model = Recurrent(width=24, embedding=24, tie=True, dropout=0.0).causal_lm(tokenizer, weights=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(text, text**0).logits[0, :-1], text[0, 1:])
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    model.eval()
    assert model.generate(text[:, :9], max_new_tokens=18)[0].tolist() == text[0, :27].tolist()


def test_a_tied_output_is_the_embedding(tokenizer: PreTrainedTokenizerBase) -> None:
    model = Recurrent(width=8, embedding=8, tie=True).causal_lm(tokenizer, weights=True)
    assert model.output.weight is model.embedding.weight
    untied = Recurrent(width=8, embedding=8).causal_lm(tokenizer, weights=True)
    count = sum(p.numel() for p in untied.parameters()) - sum(p.numel() for p in model.parameters())
    assert count == 8 * len(tokenizer)


def test_what_cannot_be_built(tokenizer: PreTrainedTokenizerBase) -> None:
    for source, words in (
        (Recurrent(bidirectional=True), "model.bidirectional=true"),
        (Recurrent(tie=True, width=8, embedding=9), "model.embedding=9 and model.width=8"),
        (Recurrent(layers=0), "model.layers=0"),
    ):
        with pytest.raises(ModelError, match=words) as caught:
            source.causal_lm(tokenizer, weights=True)
        assert "\n" not in str(caught.value)


def test_special_tokens_stand_in_for_each_other(
    tokenizer: PreTrainedTokenizerBase, tiny_bert: Path, tiny_llama: Path
) -> None:
    """GPT-2's only special token does everything; BERT's [CLS] begins and its [SEP] ends."""
    roles = []
    for tokens in (tokenizer, *map(AutoTokenizer.from_pretrained, (tiny_bert, tiny_llama))):
        config = language_model(tokens).generation_config
        roles.append((config.bos_token_id, config.eos_token_id, config.pad_token_id))
    assert roles == [(0, 0, 0), (2, 3, 0), (1, 1, 1)]
