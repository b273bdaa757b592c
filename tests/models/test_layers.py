"""Where the layers of a network are."""

from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    BertConfig,
    DistilBertConfig,
    GPT2Config,
    LlamaConfig,
    ModernBertConfig,
    T5Config,
)

from headway.models.layers import core, heights, stacks

BERT = {"num_hidden_layers": 3, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 300}
BART = {f"{side}_{what}": 2 for side in ("encoder", "decoder") for what in ("attention_heads", "ffn_dim")}
CASES: list[tuple[Any, Any, dict[str, int]]] = [
    (
        AutoModel,
        BertConfig(**BERT),
        {"embeddings.LayerNorm.bias": 4, "encoder.layer.0.": 3, "encoder.layer.2.": 1, "pooler.": 0},
    ),
    (
        AutoModelForCausalLM,
        GPT2Config(n_layer=3, n_embd=8, n_head=2, vocab_size=300),
        {"transformer.wte.": 4, "transformer.wpe.": 4, "transformer.h.0.": 3, "transformer.ln_f.": 0},
    ),
    (
        AutoModelForCausalLM,
        LlamaConfig(**BERT, pad_token_id=0),
        {"model.embed_tokens.": 4, "model.layers.0.": 3, "model.norm.": 0, "lm_head.": 0},
    ),
    (
        AutoModel,
        DistilBertConfig(n_layers=3, dim=8, n_heads=2, hidden_dim=8, vocab_size=300),
        {"embeddings.": 4, "transformer.layer.2.": 1},
    ),
    (
        AutoModel,
        ModernBertConfig(**(BERT | {"vocab_size": 51000})),
        {"embeddings.": 4, "layers.0.": 3, "final_norm.": 0},
    ),
    (
        AutoModelForSeq2SeqLM,
        T5Config(d_model=8, d_kv=4, d_ff=8, num_heads=2, num_layers=2, num_decoder_layers=3, vocab_size=300),
        {
            **{"shared.": 4, "encoder.block.0.": 2, "encoder.final_layer_norm.": 0},
            **{"decoder.block.0.": 3, "decoder.final_layer_norm.": 0},
        },
    ),
    (
        AutoModelForSeq2SeqLM,
        BartConfig(d_model=8, encoder_layers=2, decoder_layers=2, vocab_size=300, **BART),
        {
            **{"model.shared.": 3, "model.encoder.embed_positions.": 3, "model.encoder.layers.1.": 1},
            **{
                "model.decoder.embed_positions.": 3,
                "model.encoder.layernorm_embedding.": 0,
                "model.decoder.layers.0.": 2,
            },
        },
    ),
]


@pytest.mark.parametrize(("auto", "config", "expected"), CASES, ids=lambda v: getattr(v, "model_type", ""))
def test_heights_of_parameters(auto: Any, config: Any, expected: dict[str, int]) -> None:
    with torch.device("meta"):
        model = auto.from_config(config)
    found = heights(model)
    assert found.keys() == {name for name, _ in model.named_parameters()}
    for prefix, height in expected.items():
        assert {found[name] for name in found if name.startswith(prefix)} == {height}, prefix


def test_a_head_is_above_everything() -> None:
    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before = nn.Linear(2, 2)
            self.backbone = nn.ModuleDict({"model": AutoModel.from_config(BertConfig(**BERT))})
            self.many = nn.ModuleList([nn.Linear(8, 2) for _ in range(9)])  # layers of a head are no layers of a model

    head = Head()
    found = heights(head)
    assert core(head) is head.backbone["model"]
    assert {found[name] for name in found if name.startswith(("before", "many"))} == {0}
    assert found["backbone.model.encoder.layer.0.output.dense.weight"] == 3
    assert found["backbone.model.embeddings.word_embeddings.weight"] == 4


def test_other_networks() -> None:
    class Ours(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Sequential(nn.Embedding(5, 2), nn.ModuleList([nn.GRU(2, 2) for _ in range(2)]))
            self.output = nn.Linear(2, 2)

    assert set(heights(Ours()).values()) == {0, 1, 2, 3}
    assert heights(nn.LSTM(2, 2, num_layers=3)) == {}
    assert stacks(nn.ModuleList([nn.Linear(2, 2), nn.Tanh()])) == []
