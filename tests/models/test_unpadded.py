"""Without padding, every model gives what it gives with padding: states, losses, gradients."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    LlamaConfig,
    ModernBertConfig,
    PreTrainedConfig,
    RobertaConfig,
    T5Config,
)

from headway.models import attend, build, unpadded
from headway.models.build import Backbone, MaskedLM
from headway.models.dropout import LEVELS
from headway.models.heads import SequenceClassifier
from headway.models.layout import Layout
from headway.training import flops

SIZES = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "vocab_size": 200,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
}
SPECIAL = {"bos_token_id": 1, "eos_token_id": 2}
CONFIGS: dict[str, PreTrainedConfig] = {
    "bert": BertConfig(**SIZES),
    "roberta": RobertaConfig(**SIZES | SPECIAL),
    "electra": ElectraConfig(**SIZES, embedding_size=24),
    "distilbert": DistilBertConfig(vocab_size=200, dim=48, n_layers=3, n_heads=4, hidden_dim=96, pad_token_id=0),
    "gpt2": GPT2Config(vocab_size=200, n_embd=48, n_layer=3, n_head=4, n_positions=80, pad_token_id=0, **SPECIAL),
    "llama, two heads share keys": LlamaConfig(**SIZES | SPECIAL, num_key_value_heads=2),
}
LENGTHS = (7, 31, 1, 12, 7, 64)


def made(config: PreTrainedConfig) -> Any:
    torch.manual_seed(3)
    return AutoModel.from_config(deepcopy(config), attn_implementation="sdpa").eval()


def batch(left: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(5, 200, (len(LENGTHS), max(LENGTHS)), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    mask = mask.flip(1) if left else mask
    return ids * mask, mask


@pytest.mark.parametrize("name", CONFIGS)
def test_loss_and_gradients_equal_those_of_the_padded_batch(name: str) -> None:
    ids, mask = batch()
    found = []
    for unpad in (False, True):
        backbone = Backbone(made(CONFIGS[name]), unpad=unpad)
        assert backbone.unpadded == unpad
        torch.manual_seed(5)
        model = SequenceClassifier(backbone, 3).eval()
        loss = torch.nn.functional.cross_entropy(model(ids, mask), torch.tensor([0, 1, 2, 0, 1, 2]))
        loss.backward()
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        found.append((loss.item(), gradients))
    (expected, padded), (loss, row) = found
    assert loss == pytest.approx(expected, abs=1e-5)
    assert row.keys() == padded.keys()
    for key, gradient in padded.items():
        torch.testing.assert_close(row[key], gradient, atol=1e-5, rtol=1e-4, msg=key)
    assert max(gradient.abs().max() for gradient in padded.values()) > 1e-2, "else nothing was compared"


@pytest.mark.parametrize("left", [False, True])
def test_states_stand_where_their_tokens_do(left: bool) -> None:
    ids, mask = batch(left)
    layout = Layout.of(mask)
    assert torch.equal(layout.padded(layout.row(ids)[0, :, None]).squeeze(-1), ids)
    assert layout.lengths == tuple(sorted(LENGTHS))
    assert layout.groups == [(1, 1), (2, 7), (1, 12), (1, 31), (1, 64)]
    assert layout.positions.tolist() == [place for length in layout.lengths for place in range(length)]
    assert torch.equal(layout.inverse[layout.places], torch.arange(sum(LENGTHS)))


def test_sequences_do_not_see_each_other() -> None:
    backbone = Backbone(made(CONFIGS["bert"]))
    ids, mask = batch()
    other = torch.where(torch.arange(len(LENGTHS))[:, None] == 3, (ids + 9) % 200, ids) * mask
    with torch.no_grad():
        one, two = (backbone(given, mask).last_hidden_state for given in (ids, other))
    same = (one == two).all(-1).all(-1)
    assert same.tolist() == [True, True, True, False, True, True]


def test_masked_places_are_found_in_the_row() -> None:
    from transformers import AutoModelForMaskedLM

    ids, mask = batch()
    at = torch.tensor([3, 64 + 30, 3 * 64, 5 * 64 + 63])
    logits = []
    for unpad in (False, True):
        torch.manual_seed(3)
        model = MaskedLM(AutoModelForMaskedLM.from_config(deepcopy(CONFIGS["bert"])), unpad=unpad).eval()
        assert model.unpadded == unpad
        with torch.no_grad():
            logits.append((model(ids, mask, at=at).logits, model(ids, mask).logits * mask[..., None]))
    for padded, row in zip(*logits, strict=True):
        torch.testing.assert_close(row, padded, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["bert", "roberta", "electra", "distilbert", "llama, two heads share keys"])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("which", ["one of each", "some"])
def test_of_the_last_layer_only_what_is_read_is_computed(name: str, checkpointing: bool, which: str) -> None:
    """With the states and gradients of all, and products of fewer rows."""
    ids, mask = batch()
    ends = mask.sum(1) - 1 + torch.arange(len(mask)) * mask.shape[1]
    at = {"one of each": ends, "some": torch.tensor([64 + 30, 5, 64, 5 * 64 + 63, 5 * 64])}[which]
    found = []
    for narrow in (False, True):
        backbone = Backbone(made(CONFIGS[name]))
        assert backbone.can_be_asked
        if checkpointing:
            build.checkpoint_activations(backbone.model, "model")
            backbone.train()
            for part in backbone.modules():
                if isinstance(part, torch.nn.Dropout):
                    part.p = 0.0
        backbone.can_be_asked = narrow
        with flops.Products() as products:
            states = backbone(ids, mask, None, at).last_hidden_state
        (states * torch.linspace(-1, 1, 48)).square().sum().backward()
        gradients = {name: p.grad for name, p in backbone.named_parameters() if p.grad is not None}
        found.append((states.detach(), gradients, products.flops))
    (expected, every, more), (states, some, fewer) = found
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=1e-5)
    assert some.keys() == every.keys()
    for key, gradient in every.items():
        torch.testing.assert_close(some[key], gradient, atol=1e-5, rtol=1e-4, msg=key)
    assert fewer < 0.86 * more, "of one layer in three more than half"


def test_a_last_layer_that_mixes_tokens_after_attention_is_not_asked() -> None:
    model = made(CONFIGS["bert"])
    last = model.encoder.layer[-1]
    last.output.register_forward_hook(lambda _, __, states: states + 0.1 * states.mean(1, keepdim=True))
    assert not unpadded.switch_to(model, 0), "sequences would see each other"
    model = made(CONFIGS["gpt2"])  # its last line wants as many rows as it was given
    assert unpadded.switch_to(model, 0)
    assert not unpadded.can_be_asked(model)


@pytest.mark.parametrize(
    "config",
    [
        T5Config(vocab_size=200, d_model=48, num_layers=2, num_heads=4, d_ff=96, d_kv=12),
        ModernBertConfig(**SIZES | SPECIAL | {"local_attention": 16}, cls_token_id=1, sep_token_id=2),
    ],
    ids=["relative positions", "attention that reaches only so far"],
)
def test_what_cannot_be_run_so_is_padded(config: PreTrainedConfig) -> None:
    backbone = Backbone(made(config))
    assert not backbone.unpadded
    ids, mask = batch()
    assert torch.isfinite(backbone(ids, mask).last_hidden_state).all()


def test_a_model_that_reads_its_neighbours_is_found_out() -> None:
    model = made(CONFIGS["bert"])
    model.embeddings.register_forward_hook(lambda _, __, states: states + states.roll(1, 1))
    assert not unpadded.switch_to(model, 0)
    assert model.config._attn_implementation == "sdpa"


def test_the_pooler_of_the_model_itself_gets_first_tokens_alone_where_that_is_all_it_reads() -> None:
    ids, mask = batch()
    found = []
    for unpad in (False, True):
        torch.manual_seed(5)
        backbone = Backbone(made(CONFIGS["bert"]), "pooler", unpad=unpad)
        assert backbone.unpadded == unpad
        found.append(SequenceClassifier(backbone, 3, "pooler").eval()(ids, mask))
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-5)
    config = AlbertConfig(**SIZES, embedding_size=24)  # has a tanh after what it calls its pooler
    assert Backbone(made(config)).unpadded
    assert not Backbone(made(config), "pooler").unpadded


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_attention_with_dropout_is_that_without_where_nothing_is_dropped(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a processor it is our own then, left to right too."""
    ids, mask = batch()
    config = deepcopy(CONFIGS[name])
    for key in ("hidden_dropout_prob", "embd_pdrop", "resid_pdrop"):
        setattr(config, key, 0.0)
    asked: list[int] = []

    def all_kept(bits: torch.Tensor, zeros: int, dtype: torch.dtype) -> torch.Tensor:
        asked.append(zeros)
        return torch.full(bits.shape, 1 - zeros / LEVELS, dtype=dtype)

    monkeypatch.setattr(attend, "kept", all_kept)
    backbone = Backbone(made(config))
    with torch.no_grad():
        expected = backbone.eval()(ids, mask).last_hidden_state
        assert not asked
        found = backbone.train()(ids, mask).last_hidden_state
    assert set(asked) == {round(0.1 * LEVELS)}
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
