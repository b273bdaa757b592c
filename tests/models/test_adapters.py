"""Adapters in backbones with heads and in language models."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedTokenizerFast

from headway.errors import ModelError
from headway.models.adapters import Lora, Peft
from headway.models.heads import SequenceClassifier
from headway.models.pretrained import Pretrained
from headway.models.scratch import Scratch
from headway.tokenizers.trained import Trained

SIZES: dict[str, Any] = {"layers": 2, "width": 32, "heads": 2, "max_positions": 40, "dropout": 0.0}
CASES = [
    *((a, "backbone") for a in ("bert", "gpt2", "t5", "modernbert")),
    *((a, "causal_lm") for a in ("gpt2", "llama")),
    *((a, "seq2seq") for a in ("bart", "marian")),
    ("bert", "masked_lm"),
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return Trained("bpe", vocab_size=270).train(["a good film"], "none")


def built(architecture: str, kind: str, tokenizer: PreTrainedTokenizerFast) -> Any:
    torch.manual_seed(0)
    network = getattr(Scratch(architecture, **SIZES), kind)(tokenizer, weights=True)
    return SequenceClassifier(network, 2, "mean") if kind == "backbone" else network


def logits(model: Any) -> torch.Tensor:
    ids = torch.tensor([[20, 30, 40, 50], [60, 70, 80, 90]])
    extra = {"decoder_input_ids": ids} if getattr(getattr(model, "config", None), "is_encoder_decoder", False) else {}
    output = model(input_ids=ids, attention_mask=torch.ones_like(ids), **extra)
    return output if isinstance(output, torch.Tensor) else output.logits


@pytest.mark.parametrize(("architecture", "kind"), CASES)
def test_lora(architecture: str, kind: str, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    """Nothing changes at first; only adapters and heads learn; the state goes into a model made anew."""
    model = built(architecture, kind, tokenizer).eval()
    before, old = logits(model), {name: p.clone() for name, p in model.named_parameters()}
    adapted = Lora().apply(model).eval()
    assert adapted is model
    torch.testing.assert_close(logits(model), before, rtol=1e-6, atol=1e-7)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    heads = {"output.weight", "output.bias"} if kind == "backbone" else set()
    assert heads < trained
    assert all("lora_" in name for name in trained - heads)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(4):
        loss = logits(model.train()).log_softmax(-1)[..., 1].mean().neg()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[3] < losses[0]
    assert all((p.grad is not None) == (name in trained) for name, p in model.named_parameters())
    for name, p in model.named_parameters():
        if name not in trained:
            assert p.equal(old[name.replace(".base_layer.", ".")])

    torch.save(model.state_dict(), tmp_path / "state")
    torch.manual_seed(9)
    again = Lora().apply(built(architecture, kind, tokenizer))
    again.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    torch.testing.assert_close(logits(again.eval()), logits(model.eval()), rtol=0, atol=0)


def test_the_update_is_that_of_the_paper(tokenizer: PreTrainedTokenizerFast) -> None:
    """W + (alpha / r) B A (Hu et al. 2022, section 4.1), also in GPT-2's transposed layers."""
    for architecture, target in (("gpt2", "c_attn"), ("llama", "q_proj")):
        model = built(architecture, "causal_lm", tokenizer).eval()
        plain = copy.deepcopy(model)
        Lora(r=4, alpha=6, dropout=0.0, target_modules=[target]).apply(model)
        for layer in model.modules():
            if hasattr(layer, "lora_B"):
                torch.nn.init.normal_(layer.lora_B["default"].weight)
        for (name, merged), layer in zip(
            ((n, m) for n, m in plain.named_modules() if n.endswith(target)),
            (m for n, m in model.named_modules() if n.endswith(target)),
            strict=True,
        ):
            update = layer.lora_B["default"].weight @ layer.lora_A["default"].weight * 6 / 4
            with torch.no_grad():
                merged.weight += update.T if architecture == "gpt2" else update
            assert update.abs().max() > 0, name
        torch.testing.assert_close(logits(model), logits(plain), rtol=1e-4, atol=1e-5)


def test_the_usual_layers_are_the_librarys(tokenizer: PreTrainedTokenizerFast) -> None:
    ours, theirs = (built("llama", "causal_lm", tokenizer) for _ in range(2))
    Lora().apply(ours)
    wrapped = get_peft_model(theirs, LoraConfig(r=8, lora_alpha=16))
    names = {n.removeprefix("base_model.model.") for n, p in wrapped.named_parameters() if p.requires_grad}
    assert {n for n, p in ours.named_parameters() if p.requires_grad} == names


def test_lora_on_llama_generates(tiny_llama: Path) -> None:
    source = Pretrained(str(tiny_llama), from_scratch=True)
    tokenizer = source.tokenizer()
    torch.manual_seed(0)
    model = Lora(target_modules="all-linear").apply(source.causal_lm(tokenizer, weights=True)).eval()
    assert "lora_A" in dict(model.model.layers[0].mlp.up_proj.named_children())
    for layer in model.modules():
        if hasattr(layer, "lora_B"):
            torch.nn.init.normal_(layer.lora_B["default"].weight)
    ids = torch.tensor([[5, 6, 7]])
    options: dict[str, Any] = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False}
    out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)
    assert out.shape == (1, 8)
    assert out[0, 3] == model(ids).logits[0, -1].argmax()


def test_what_is_trained_besides(tokenizer: PreTrainedTokenizerFast) -> None:
    model = Lora(trained=["*LayerNorm*", "*query.bias"]).apply(built("bert", "backbone", tokenizer))
    trained = {name for name, p in model.named_parameters() if p.requires_grad and "lora_" not in name}
    assert {name.replace(".base_layer", "") for name in trained} == {
        *("output.weight", "output.bias"),
        *(
            n
            for n, _ in built("bert", "backbone", tokenizer).named_parameters()
            if "LayerNorm" in n or "query.bias" in n
        ),
    }
    with pytest.raises(ModelError, match=r"adapter\.trained: no parameter matches \['nothing'\]; names look like "):
        Lora(trained=["nothing"]).apply(built("bert", "backbone", tokenizer))


def test_a_pooler_that_nothing_reads_stays_frozen(tiny_bert: Path) -> None:
    source = Pretrained(str(tiny_bert), freeze=["encoder.layer.0.*"])
    model = Lora(target_modules="all-linear", bias="all").apply(SequenceClassifier(source.backbone(), 2, "mean"))
    ids = torch.tensor([[2, 5, 3]])
    model(ids, torch.ones_like(ids)).sum().backward()
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {name for name, p in model.named_parameters() if p.grad is not None}
    assert any("encoder.layer.1.output.dense.lora_B" in name for name in trained)
    assert not any("encoder.layer.0." in name and "lora" in name for name in trained)


@pytest.mark.parametrize("kind", ["lora", "ia3", "loha", "lokr", "oft", "hra"])
@pytest.mark.parametrize(("architecture", "network"), [("bert", "backbone"), ("llama", "causal_lm")])
def test_other_methods(
    kind: Any, architecture: str, network: str, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    options: dict[str, Any] = {} if kind == "ia3" else {"target_modules": "all-linear"}
    if kind == "oft":
        options["oft_block_size"] = 8
    model = built(architecture, network, tokenizer).eval()
    before = logits(model)
    Peft(kind, options).apply(model).eval()
    torch.testing.assert_close(logits(model), before, rtol=1e-5, atol=1e-5)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name in trained:
                p.add_(0.02 * torch.randn_like(p))
    logits(model.train()).square().mean().backward()
    assert all((p.grad is not None) == (name in trained) for name, p in model.named_parameters())
    assert not torch.allclose(logits(model.eval()), before)
    torch.save(model.state_dict(), tmp_path / "state")
    torch.manual_seed(9)
    again = Peft(kind, options).apply(built(architecture, network, tokenizer))
    again.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    torch.testing.assert_close(logits(again.eval()), logits(model))


@pytest.mark.parametrize(
    ("adapter", "words"),
    [
        (Lora(target_modules=["no_such"]), "adapter: lora cannot be put into this model (Target modules"),
        (Lora(r=0), "adapter: lora cannot be put into this model"),
        (Peft("prefix_tuning"), "adapter.kind=prefix_tuning: choose one of lora, ia3"),  # type: ignore[arg-type]
        (Peft("lora", {"rank": 3}), "adapter.options.rank: lora takes no such option"),
        (Peft("lora", {"megatron_config": {"a": 1}}), "adapter.options.megatron_config: nested settings are not taken"),
    ],
)
def test_what_is_refused(adapter: Any, words: str, tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ModelError) as caught:
        adapter.apply(built("bert", "backbone", tokenizer))
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
