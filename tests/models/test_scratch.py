"""Models of any architecture with fresh weights, for a vocabulary that was trained on the data."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from omegaconf import OmegaConf
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from headway.config.paths import conf_dir
from headway.config.targets import instantiate, static_signature
from headway.errors import ModelError
from headway.models.base import keep, kept, own_tokenizer
from headway.models.pretrained import check_fit
from headway.models.scratch import Scratch
from headway.tokenizers.trained import Trained

SMALL: dict[str, Any] = {"layers": 2, "width": 32, "heads": 2, "max_positions": 40, "dropout": 0.0}
ENCODERS = ("bert", "distilbert", "roberta", "modernbert", "electra")
DECODERS = ("gpt2", "llama", "qwen3", "opt")
BOTH = ("t5", "bart", "marian")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return Trained("bpe", vocab_size=270).train(["a good film and a bad one"] * 3, "none")


def refusal(action: Any) -> str:
    with pytest.raises(ModelError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.tensor([[20, 30, 40, 50, 60], [70, 80, 90, 0, 0]])
    return ids, (ids > 0).long()


def built(architecture: str, kind: str, tokenizer: PreTrainedTokenizerFast, **options: Any) -> Any:
    torch.manual_seed(0)
    return getattr(Scratch(architecture, **{**SMALL, **options}), kind)(tokenizer, weights=True)


def outputs(model: Any, kind: str, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    if kind == "seq2seq":
        return model(
            input_ids=ids, attention_mask=mask, decoder_input_ids=torch.tensor([[5, 30, 40]] * len(ids))
        ).logits
    output = model(input_ids=ids, attention_mask=mask)
    return output.last_hidden_state if kind == "backbone" else output.logits


CASES = [
    *((a, "backbone") for a in (*ENCODERS, *DECODERS, *BOTH)),
    *((a, "masked_lm") for a in ENCODERS),
    *((a, "causal_lm") for a in DECODERS),
    *((a, "seq2seq") for a in BOTH),
]


@pytest.mark.parametrize(("architecture", "kind"), CASES)
def test_every_kind(architecture: str, kind: str, tokenizer: PreTrainedTokenizerFast) -> None:
    """Shapes, weights by the seed, padding without effect, a loss that falls, and a state that can be put back."""
    model = built(architecture, kind, tokenizer).eval()
    ids, mask = batch()
    together = outputs(model, kind, ids, mask)
    assert together.shape == (2, 3 if kind == "seq2seq" else 5, 32 if kind == "backbone" else 270)
    alone = outputs(model, kind, ids[1:, :3], mask[1:, :3])
    torch.testing.assert_close(together[1:, :3], alone, atol=1e-5, rtol=1e-4)

    twin = built(architecture, kind, tokenizer).eval()
    assert outputs(twin, kind, ids, mask).equal(together)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        logits = outputs(model.train(), kind, ids, mask)
        aim = (
            logits.square()
            if kind == "backbone"
            else F.cross_entropy(logits.flatten(0, 1), torch.full((logits[..., 0].numel(),), 9))
        )
        loss = aim.mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[2] < losses[0]

    twin.load_state_dict(model.state_dict())
    assert outputs(twin.eval(), kind, ids, mask).equal(outputs(model.eval(), kind, ids, mask))
    assert len(list(twin.parameters())) == len(list(model.parameters()))  # tied ones are still tied


@pytest.mark.parametrize("architecture", DECODERS)
def test_a_decoder_does_not_look_ahead(architecture: str, tokenizer: PreTrainedTokenizerFast) -> None:
    model = built(architecture, "causal_lm", tokenizer).eval()
    ids, mask = batch()
    other = ids.clone()
    other[0, -1] = 99
    a, b = (outputs(model, "causal_lm", each, mask) for each in (ids, other))
    torch.testing.assert_close(a[0, :4], b[0, :4])
    assert not torch.allclose(a[0, 4], b[0, 4])
    assert built(architecture, "backbone", tokenizer).causal


@pytest.mark.parametrize("architecture", [*ENCODERS, *BOTH])
def test_an_encoder_does(architecture: str, tokenizer: PreTrainedTokenizerFast) -> None:
    model = built(architecture, "backbone", tokenizer).eval()
    ids, mask = batch()
    other = ids.clone()
    other[0, -1] = 99
    a, b = (outputs(model, "backbone", each, mask) for each in (ids, other))
    assert not torch.allclose(a[0, 0], b[0, 0])
    assert not model.causal


@pytest.mark.parametrize("architecture", [*DECODERS, *BOTH])
@pytest.mark.parametrize("options", [{"do_sample": False}, {"num_beams": 3, "do_sample": False}, {"do_sample": True}])
def test_generation(architecture: str, options: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> None:
    kind = "seq2seq" if architecture in BOTH else "causal_lm"
    model = built(architecture, kind, tokenizer).eval()
    ids = torch.tensor([[20, 30, 40]])
    read: list[int] = []
    name = "decoder_input_ids" if kind == "seq2seq" else "input_ids"
    model.register_forward_pre_hook(lambda _, __, kwargs: read.append(kwargs[name].shape[1]), with_kwargs=True)
    torch.manual_seed(0)
    out = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, min_new_tokens=6, **options
    )
    assert read == [1 if kind == "seq2seq" else 3, 1, 1, 1, 1, 1]
    if options == {"do_sample": False}:  # the same as the most likely token of a whole pass each time
        start = torch.tensor([[tokenizer.bos_token_id]]) if kind == "seq2seq" else ids
        for _ in range(6):
            whole = {"input_ids": ids, "decoder_input_ids": start} if kind == "seq2seq" else {"input_ids": start}
            logits = model(**whole).logits[:, -1].clone()
            logits[:, tokenizer.eos_token_id] = -torch.inf
            start = torch.cat([start, logits.argmax(-1, keepdim=True)], 1)
        assert out.equal(start)
    model.generation_config.max_new_tokens = None
    if kind == "seq2seq":
        assert out[0, 0] == tokenizer.bos_token_id == model.config.decoder_start_token_id


def test_the_tokenizer_gives_vocabulary_and_special_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    for architecture, kind in (("gpt2", "causal_lm"), ("bart", "seq2seq"), ("t5", "seq2seq")):
        model = built(architecture, kind, tokenizer)
        settings = model.generation_config
        for role in ("pad", "bos", "eos"):
            name = f"{role}_token_id"
            assert getattr(model.config, name) == getattr(settings, name) == getattr(tokenizer, name), (
                architecture,
                role,
            )
        assert model.get_input_embeddings().num_embeddings == model.get_output_embeddings().out_features == 270
        assert settings.forced_eos_token_id is None


def test_sizes_are_those_of_the_same_configuration_by_hand(tokenizer: PreTrainedTokenizerFast) -> None:
    def shapes(model: torch.nn.Module) -> dict[str, Any]:
        return {name: value.shape for name, value in model.state_dict().items()}

    common = {"vocab_size": 270, "pad_token_id": 0}
    bert = BertConfig(
        num_hidden_layers=2,
        hidden_size=32,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=40,
        **common,
    )
    assert shapes(built("bert", "masked_lm", tokenizer).model) == shapes(BertForMaskedLM(bert))
    gpt = GPT2Config(n_layer=2, n_embd=32, n_head=2, n_positions=40, **common)
    assert shapes(built("gpt2", "causal_lm", tokenizer)) == shapes(GPT2LMHeadModel(gpt))
    narrow = built("llama", "causal_lm", tokenizer, intermediate=48, tie=False)
    assert narrow.model.layers[0].mlp.up_proj.out_features == 48
    assert narrow.lm_head.weight is not narrow.model.embed_tokens.weight
    dropped = built("bart", "seq2seq", tokenizer, dropout=0.3).config
    assert (dropped.dropout, dropped.attention_dropout, dropped.activation_dropout) == (0.3, 0.3, 0.3)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "gpt2", "bart", "modernbert", "t5"])
def test_positions(architecture: str, tokenizer: PreTrainedTokenizerFast) -> None:
    source = Scratch(architecture, **SMALL)
    assert source.positions() == (None if architecture == "t5" else 40)
    backbone = source.backbone(tokenizer, weights=True)
    assert backbone.positions == source.positions()
    ids = torch.full((1, 40), 9)
    backbone(ids, torch.ones_like(ids))
    if architecture != "t5":
        message = refusal(lambda: check_fit(source, tokenizer, 41))
        assert message == f"task.max_length=41: the model {architecture} has 40 positions; use 40 or less"


def test_next_sentence(tokenizer: PreTrainedTokenizerFast) -> None:
    model = Scratch("bert", **SMALL).masked_lm(tokenizer, weights=True, next_sentence=True)
    ids, mask = batch()
    output = model(ids, mask, mask)
    assert output.seq_relationship_logits.shape == (2, 2)
    (output.seq_relationship_logits.sum() + output.logits.sum()).backward()
    assert all(p.grad is not None for p in model.parameters())  # several devices would wait for one that has none


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"architecture": "bertt"}, "model.architecture=bertt: transformers has no such model; did you mean bert?"),
        ({"architecture": "zzzz"}, "transformers has no such model; such as bert, gpt2, llama, t5 or bart"),
        ({"architecture": "clip"}, "takes no layers, width, heads, so it cannot be made to size"),
        ({"heads": 3}, "model.width=32: cannot be divided among model.heads=3"),
        ({"layers": 0}, "model.layers=0"),
        ({"architecture": "deberta-v2"}, "does not support an attention implementation"),
    ],
)
def test_what_is_refused(options: dict[str, Any], words: str, tokenizer: PreTrainedTokenizerFast) -> None:
    assert words in refusal(lambda: Scratch(**{**SMALL, **options}).backbone(tokenizer, weights=True))


def test_no_model_that_sees_what_comes_is_a_causal_one(tokenizer: PreTrainedTokenizerFast) -> None:
    for architecture in ("bert", "xlnet", "bert-generation"):
        source = Scratch(architecture, **SMALL, attn_implementation="eager")
        message = refusal(lambda source=source: source.causal_lm(tokenizer, weights=True))
        assert f"{architecture} cannot be a causal language model" in message


def shipped() -> list[str]:
    files = (conf_dir() / "model").glob("*.yaml")
    return sorted(path.stem for path in files if "scratch.Scratch" in path.read_text())


@pytest.mark.parametrize("option", shipped())
def test_shipped_options_can_be_built(option: str, tokenizer: PreTrainedTokenizerFast) -> None:
    node = OmegaConf.load(conf_dir() / "model" / f"{option}.yaml")
    taken = static_signature("headway.models.scratch.Scratch")
    assert taken is not None
    assert set(map(str, node)) == {*taken.parameters, "_target_"}
    source = instantiate(node)
    kind = "seq2seq" if source.architecture in BOTH else "causal_lm" if source.architecture in DECODERS else "masked_lm"
    with torch.device("meta"):
        for build in (kind, "backbone"):
            assert 1e6 < sum(p.numel() for p in getattr(source, build)(tokenizer, weights=True).parameters()) < 1e7


def test_nothing_is_kept(tmp_path: Any) -> None:
    source = Scratch("gpt2")
    keep(source, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert kept(source, tmp_path) == source
    assert own_tokenizer(source) is None


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "mbart"])
def test_the_spread_of_fresh_weights_can_be_chosen(tokenizer: PreTrainedTokenizerFast, architecture: str) -> None:
    own = Scratch(architecture, layers=1, width=64, heads=2)
    for source, spread in ((own, 0.02), (replace(own, init_std=0.125), 0.125)):
        torch.manual_seed(0)
        table = source.backbone(tokenizer, weights=True).model.get_input_embeddings().weight
        assert table.std().item() == pytest.approx(spread, rel=0.15)
