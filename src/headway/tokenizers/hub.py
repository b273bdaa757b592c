"""A tokenizer that somebody else trained."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from headway.models.locate import load_tokenizer


@dataclass(frozen=True)
class Hub:
    """path: hub id, local folder, local .gguf file, or "package:NAME/inner/path" for data of an installed package."""

    path: str
    revision: str | None = None

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Raises: ModelError where there is no fast tokenizer to be had."""
        return load_tokenizer(self.path, self.revision, "tokenizer.path")
