"""Dialogue fine-tuning: a causal language model learns what the assistant says. N dialogues, B batch, T tokens."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import DIALOGUES
from headway.data.portions import portions
from headway.errors import DataError
from headway.metrics.generation import generation
from headway.models.base import ModelSource, network
from headway.tasks.base import Batch, Columns, Moment, Output, Split
from headway.tasks.chat import Chat
from headway.tasks.decoding import Decoding, Request, end_tokens, generate, text_of
from headway.tasks.language_modelling import check_room, token_losses
from headway.tasks.seq2seq import generated, measured, token_perplexity

CHUNK = 256  # dialogues of a chunk


class Dialogue:
    """Cross-entropy of the tokens of every assistant message and of what ends it; all else is only context.

    max_length: tokens of a dialogue. A longer one loses its oldest exchanges (a user's message and what follows up to
    the next), never its system message; where its last exchange alone is too long, its first tokens. Both are counted.
    template: a Jinja chat template; null: the tokenizer's own, else a plain one, see `chat.PLAIN`. The vocabulary does
    not grow: what a template writes that is no special token of the tokenizer is ordinary text.
    metrics: bleu, chrf, rouge of the last message, where that is the assistant's, generated from what comes before it,
    without sampling; none: nothing is generated in evaluation. Of the max_length tokens the last max_new_tokens are
    then left for the answer. tokenize: sacreBLEU's name for how BLEU finds words.
    The rest: how evaluation and `headway predict` generate, see `decoding.Decoding`.
    Raises: ValueError.
    """

    examples = DIALOGUES
    monitor = "val/loss"
    monitor_mode = "min"
    framing = "none"
    needs = "causal_lm"

    def __init__(
        self,
        max_length: int = 512,
        template: str | None = None,
        metrics: Sequence[Literal["bleu", "chrf", "rouge"]] = ("chrf", "bleu"),
        tokenize: Literal["13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none"] = "13a",
        max_new_tokens: int = 64,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        beams: int = 1,
        length_penalty: float = 1.0,
        repetition_penalty: float = 1.0,
    ) -> None:
        if not 0 < max_new_tokens < max_length:
            raise ValueError("max_new_tokens must be 1 or more and below max_length")
        self.max_length, self.template = max_length, template
        self.metrics, self.tokenize = metrics, tokenize
        self.measures = (*measured(metrics), "perplexity")
        self.decoding = Decoding(max_new_tokens, temperature, top_k, top_p, beams, length_penalty, repetition_penalty)

    def settings(self) -> Mapping[str, Any]:
        names = {"max_length": self.max_length, "template": self.template, "new": self.decoding.max_new_tokens}
        return {"task": "dialogue", **names}

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str) -> Iterator[Chunk]:
        """Sequences input_ids, answers (0 or 1 each) and, but for training, prompt: what the last answer answers.

        Raises: DataError for a dialogue without an answer, which only what is to be predicted may be.
        """
        chat = Chat(tokenizer, self.template)
        for batch in portions(table.select(["messages", "origin"]), f"encoding {split}", CHUNK):
            rows = list(zip(batch.column("messages").to_pylist(), batch.column("origin").to_pylist(), strict=True))
            if split != "eval":
                rows = [(_answered(messages, origin, split), origin) for messages, origin in rows]
            found = [chat.whole(messages, self.max_length, origin) for messages, origin in rows]
            answers = [[0, *one.answers[1:]] for one in found]  # nothing comes before the first token
            sequences = {"input_ids": [one.ids for one in found], "answers": answers}
            if split != "train":
                room = self.max_length - self.decoding.max_new_tokens
                sequences["prompt"] = [chat.prompt(messages, room, origin).ids for messages, origin in rows]
            counts = {"tokens": list(map(sum, answers)), "cut": [(one.dropped or one.cut) > 0 for one in found]}
            yield Chunk(sequences, {name: np.asarray(values, np.int64) for name, values in counts.items()})

    def terms(self, encoded: Encoded, items: Array, moment: Moment) -> Array:
        terms: Array = encoded.columns["tokens"][items]
        return terms

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        """input_ids, attention_mask, answers [B,T]; to evaluate also prompt_ids, prompt_mask [B,P]."""
        ids, mask = encoded.padded("input_ids", items, pad)
        arrays = {"input_ids": ids, "attention_mask": mask, "answers": encoded.padded("answers", items, 0)[0]}
        if "prompt" in encoded.sequences:
            arrays["prompt_ids"], arrays["prompt_mask"] = encoded.padded("prompt", items, pad)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def model(
        self, source: ModelSource, tokenizer: PreTrainedTokenizerBase, labels: list[str], *, weights: bool
    ) -> nn.Module:
        """The language model; it also stops generating at the end of a turn."""
        model: Any = network(source, self.needs, tokenizer, weights=weights)
        if (end := Chat(tokenizer, self.template).end) is not None:
            model.generation_config.eos_token_id = sorted(end_tokens(model) | {end})
        built: nn.Module = model
        return built

    def loss(self, model: nn.Module, batch: Batch) -> Output:
        losses = token_losses(model, batch["input_ids"], batch["attention_mask"], batch["answers"])
        return Output(losses.sum(1))

    def rows(self, model: nn.Module, output: Output, batch: Batch) -> Columns:
        if not self.metrics:
            return {}
        prompt = {"input_ids": batch["prompt_ids"], "attention_mask": batch["prompt_mask"]}
        return {"generated": generate(model, prompt, self.decoding.certain())}

    def decode(self, rows: Columns, split: Split) -> Columns:
        """prediction: the last message anew. loss: nats per token of all the assistant's messages."""
        stop = Chat(split.tokenizer, self.template).stop
        return generated(rows, [text_of(split.tokenizer, ids, stop) for ids in rows.get("generated", ())])

    def measure(self, predictions: Columns, split: Split) -> tuple[dict[str, float], dict[str, Any]]:
        values: dict[str, float] = {}
        details: dict[str, Any] = {}
        texts = zip(predictions.get("prediction", ()), self.gold(split), strict=bool(self.metrics))
        pairs = [(text, gold) for text, gold in texts if gold is not None]
        if pairs:
            ours, theirs = zip(*pairs, strict=True)
            values, details = generation(ours, theirs, self.metrics, self.tokenize)
        shortened = int(split.encoded.columns["cut"].sum())
        values["perplexity"] = token_perplexity(predictions)
        return values, {**details, "dialogues": {"answered": len(pairs), "shortened": shortened}}

    def gold(self, split: Split) -> Sequence[Any]:
        """The last message of each dialogue, where that is the assistant's."""
        last = [messages[-1] for messages in split.table["messages"].to_pylist()]
        return [message["content"] if message["role"] == "assistant" else None for message in last]

    def request(
        self, model: nn.Module, tokenizer: PreTrainedTokenizerBase, row: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Request:
        """The assistant's answer; a last message of its own is answered anew.

        Raises: DataError where the model has no room for a question and an answer.
        """
        how = self.decoding.changed(options)
        chat = Chat(tokenizer, self.template)
        room = (getattr(model.config, "max_position_embeddings", None) or self.max_length) - how.max_new_tokens
        prompt = chat.prompt(row["messages"], max(room, 1), "predict")
        check_room(model, len(prompt.ids), how)
        return Request(prompt.ids, how, "" if chat.end is not None else chat.stop)


def _answered(messages: list[Any], origin: str, split: str) -> list[Any]:
    """The dialogue; to train on without what follows its last answer. Raises: DataError where there is none."""
    answers = [at for at, message in enumerate(messages) if at and message["role"] == "assistant"]
    if not answers:
        raise DataError(f"{origin}: no message of the assistant answers another; complete or remove this dialogue")
    return messages[: answers[-1] + 1] if split == "train" else messages
