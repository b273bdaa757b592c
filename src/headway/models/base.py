"""What conf/model names: a recipe for networks. It holds no weights; a task asks it for the network it needs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.errors import ModelError

KINDS = {
    "backbone": "hidden states, for a head",
    "causal_lm": "a causal language model",
    "masked_lm": "a masked language model",
    "seq2seq": "an encoder and decoder",
}


class ModelSource(Protocol):
    """Each source has the methods below, and of `KINDS` those it can be: method(tokenizer, *, weights) -> nn.Module.

    With `weights` false a network is only built, for a checkpoint to fill. Fresh weights follow torch's generator.
    """

    def tokenizer(self) -> PreTrainedTokenizerBase | None:
        """The one it comes with; None where one is to be trained (config group tokenizer)."""

    def positions(self) -> int | None:
        """The longest input in tokens; None where any length will do."""

    def keep(self, folder: Path) -> None:
        """Write down what is needed to build it again without a hub or a package."""

    def kept(self, folder: Path) -> "ModelSource":
        """The same source, from what `keep` wrote."""


def network(source: Any, kind: str, tokenizer: PreTrainedTokenizerBase, *, weights: bool, **options: Any) -> nn.Module:
    """The network of one of `KINDS`. Raises: ModelError where this source cannot be that."""
    build: Callable[..., nn.Module] | None = getattr(source, kind, None)
    if build is None:
        can = ", ".join(words for name, words in KINDS.items() if hasattr(source, name))
        raise ModelError(
            f"model: {type(source).__name__} is not {KINDS[kind]}, which this task needs; it can be: {can}"
        )
    return build(tokenizer, weights=weights, **options)
