"""What conf/model names: a recipe for networks. It holds no weights; a task asks it for the network it needs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.errors import ModelError

KINDS = {
    "backbone": "a backbone for a head",
    "causal_lm": "a causal language model",
    "masked_lm": "a masked language model",
    "seq2seq": "an encoder and decoder",
}


# A source has, of KINDS, methods for what it can be: method(tokenizer, *, weights) -> nn.Module. With `weights` false a
# network is only built, for a checkpoint to fill; fresh weights follow torch's generator. What it leaves out of the
# methods that are asked for below, it has no need of: an LSTM brings no tokenizer and takes any length.
ModelSource = Any


def own_tokenizer(source: ModelSource) -> PreTrainedTokenizerBase | None:
    """The tokenizer that a source comes with; None where one is to be trained (config group tokenizer)."""
    return source.tokenizer() if hasattr(source, "tokenizer") else None


def positions(source: ModelSource) -> int | None:
    """The longest input in tokens; None where any length will do."""
    return source.positions() if hasattr(source, "positions") else None


def keep(source: ModelSource, folder: Path) -> None:
    """Write down what is needed to build it again without a hub or a package; its arguments may say it all."""
    if hasattr(source, "keep"):
        source.keep(folder)


def kept(source: ModelSource, folder: Path) -> ModelSource:
    """The same source, from what `keep` wrote."""
    return source.kept(folder) if hasattr(source, "kept") else source


def network(
    source: ModelSource, kind: str, tokenizer: PreTrainedTokenizerBase, *, weights: bool, **options: Any
) -> nn.Module:
    """The network of one of `KINDS`. Raises: ModelError where this source cannot be that."""
    require(source, kind)
    build: Callable[..., nn.Module] = getattr(source, kind)
    return build(tokenizer, weights=weights, **options)


def require(source: ModelSource, kind: str) -> None:
    """Raises: ModelError where this source cannot be the kind of network, and says what it can be."""
    if not hasattr(source, kind):
        can = ", ".join(words for name, words in KINDS.items() if hasattr(source, name))
        name = type(source).__name__
        raise ModelError(f"model: {name} cannot be {KINDS[kind]}, which this task needs; it can be: {can}")
    if hasattr(source, "check"):  # one that depends on its architecture
        source.check(kind)
