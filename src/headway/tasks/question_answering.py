"""Extractive question answering: the part of a context that answers a question, or that there is none.

N questions, B windows, T tokens, K spans kept of a window.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedTokenizerBase

from headway.data.alignment import question_windows
from headway.data.encode import Array, Chunk, Encoded
from headway.data.examples import QUESTIONS
from headway.data.portions import portions
from headway.errors import ModelError
from headway.metrics.spans import Candidates, Spans, best_spans, merge_windows
from headway.metrics.squad import best_thresholds, squad
from headway.models.base import ModelSource, network
from headway.models.heads import TokenClassifier
from headway.tasks.base import Batch, Columns, Moment, Output, Split

CHUNK = 1000  # questions a tokenizer call
NULL = 0  # the token, [CLS], where "no answer" starts and ends
UNKNOWN = -100  # where an answer starts that is not given
CONTEXT = ("starts", "ends")  # of each token, its characters in the context; -1 for all that is no context


class QuestionAnswering:
    """Cross-entropy of the token where the answer starts and of that where it ends, halved.

    (Devlin et al. 2019, sections 4.2 and 4.3.) Windows that do not hold the whole answer, and questions without one,
    start and end at the first token. Of several gold answers the first is learnt; any of them is right.

    max_length: tokens of a window, question and special ones included. stride: tokens of the context that neighbouring
    windows share. max_answer_tokens: the longest answer. n_best: answers kept of each window.
    null_threshold: no answer is predicted where its score is above that of the best answer by more than this; null:
    always an answer, for data where each question has one. dropout: before the output layer.
    """

    examples = QUESTIONS
    monitor = "val/f1"
    monitor_mode = "max"
    measures = ("exact_match", "f1", "best_exact_match", "best_f1")
    framing = "bert"
    needs = "backbone"

    def __init__(
        self,
        max_length: int = 384,
        stride: int = 128,
        max_answer_tokens: int = 30,
        n_best: int = 20,
        null_threshold: float | None = 0.0,
        dropout: float = 0.1,
    ) -> None:
        if not 0 <= stride < max_length:
            raise ValueError(f"stride={stride}: must be from 0 to max_length - 1, here {max_length - 1}")
        if max_answer_tokens < 1 or n_best < 1:
            raise ValueError("max_answer_tokens and n_best must be 1 or more")
        self.max_length, self.stride = max_length, stride
        self.max_answer_tokens, self.n_best = max_answer_tokens, n_best
        self.null_threshold, self.dropout = null_threshold, dropout

    def settings(self) -> Mapping[str, Any]:
        return {"task": "question_answering", "max_length": self.max_length, "stride": self.stride}

    def encode(self, tokenizer: PreTrainedTokenizerBase, table: pa.Table, split: str) -> Iterator[Chunk]:
        row = 0
        for batch in portions(table, f"encoding {split}", CHUNK):
            names = ("question", "context", "origin")
            questions, contexts, origins = (batch.column(name).to_pylist() for name in names)
            found = question_windows(tokenizer, questions, contexts, self.max_length, self.stride, origins)
            sequences: dict[str, list[list[int]]] = {name: [] for name in ("input_ids", "token_type_ids", *CONTEXT)}
            rows, gold = [], []
            for windows, answers in zip(found, batch.column("answers").to_pylist(), strict=True):
                for window in windows:
                    starts, ends = zip(*window.offsets, strict=True)
                    parts = (window.input_ids, window.token_type_ids, list(starts), list(ends))
                    for sequence, part in zip(sequences.values(), parts, strict=True):
                        sequence.append(part)
                    gold.append(_place(answers, np.asarray(starts), np.asarray(ends)))
                    rows.append(row)
                row += 1
            start, end = np.asarray(gold, np.int64).reshape(-1, 2).T
            yield Chunk(sequences, {"example": np.asarray(rows, np.int64), "start": start, "end": end})

    def terms(self, encoded: Encoded, items: Array, moment: Moment) -> Array:
        known: Array = (encoded.columns["start"][items] != UNKNOWN).astype(np.int64)
        return known

    def collate(self, encoded: Encoded, items: Array, pad: int, moment: Moment) -> Batch:
        ids, mask = encoded.padded("input_ids", items, pad)
        arrays = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": encoded.padded("token_type_ids", items, 0)[0],
            "allowed": encoded.padded("starts", items, -1)[0] >= 0,
            **{name: encoded.columns[name][items] for name in ("start", "end")},
        }
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def model(
        self, source: ModelSource, tokenizer: PreTrainedTokenizerBase, labels: list[str], *, weights: bool
    ) -> nn.Module:
        backbone = network(source, self.needs, tokenizer, weights=weights)
        if backbone.causal:
            raise ModelError(
                "model: reads left to right, so that the first token, where no answer is found, has seen nothing; "
                "take one that reads both ways, such as model=minilm or model=bilstm"
            )
        return TokenClassifier(backbone, 2, self.dropout)

    def loss(self, model: nn.Module, batch: Batch) -> Output:
        logits = model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]).float()
        logits = logits.masked_fill(batch["attention_mask"].unsqueeze(-1) == 0, float("-inf"))  # padding has no share
        start, end = (
            F.cross_entropy(logits[..., side], batch[name], reduction="none", ignore_index=UNKNOWN)
            for side, name in enumerate(("start", "end"))
        )
        return Output((start + end) / 2, logits)

    def rows(self, model: nn.Module, output: Output, batch: Batch) -> Columns:
        """Of each window its best spans, as `Spans`."""
        start, end = output.logits.unbind(-1)
        arrays = (tensor.cpu().numpy() for tensor in (start, end, batch["allowed"]))
        spans = best_spans(*arrays, max_answer_tokens=self.max_answer_tokens, top=self.n_best, null_at=NULL)
        return {name: values.tolist() for name, values in vars(spans).items()}

    def decode(self, rows: Columns, split: Split) -> Columns:
        spans = Spans(*(np.asarray(rows[name]) for name in ("starts", "ends", "scores", "null")))
        questions = split.encoded.examples.tolist()
        offsets = [
            np.stack([split.encoded.cut(name, item) for name in CONTEXT], axis=1) for item in range(len(questions))
        ]
        merged = merge_windows(spans, questions, offsets, self.n_best)
        contexts = split.table["context"].to_pylist()
        found = [self._answer(merged[question], context) for question, context in enumerate(contexts)]
        losses, terms = (np.bincount(questions, rows[name], len(contexts)) for name in ("loss", "terms"))
        columns = {
            name: [answer[name] for answer in found] for name in ("prediction", "confidence", "answer", "margin")
        }
        return {**columns, "loss": (losses / np.maximum(terms, 1)).tolist()}

    def _answer(self, candidates: Candidates, context: str) -> dict[str, Any]:
        """prediction: "" for none. confidence: its share among all candidates, none included. answer: the best there
        is, also where none is predicted. margin: the score of none minus that of it, null where no token could be one.
        """
        scores = [candidates.null, *(answer.score for answer in candidates.answers)]
        shares = torch.tensor(scores, dtype=torch.float64).softmax(0).tolist()
        if not candidates.answers:
            return {"prediction": "", "confidence": 1.0, "answer": "", "margin": None}
        best, margin = candidates.answers[0], candidates.margin
        text = context[best.start : best.end]
        absent = self.null_threshold is not None and margin > self.null_threshold
        return {
            "prediction": "" if absent else text,
            "confidence": shares[0 if absent else 1],
            "answer": text,
            "margin": margin,
        }

    def measure(self, predictions: Columns, split: Split) -> tuple[dict[str, float], dict[str, Any]]:
        golds = self.gold(split)
        values, details = squad(list(predictions["prediction"]), golds)
        margins = [float("inf") if margin is None else margin for margin in predictions["margin"]]
        best = best_thresholds(list(predictions["answer"]), golds, margins)
        values |= {"best_exact_match": best.pop("best_exact"), "best_f1": best.pop("best_f1")}
        details |= best | {name: value for name, value in values.items() if name not in self.measures}
        return {name: values[name] for name in self.measures}, details

    def gold(self, split: Split) -> list[Any]:
        rows = split.table["answers"].to_pylist()
        return [None if row is None else [answer["text"] for answer in row] for row in rows]


def _place(answers: Sequence[Mapping[str, Any]] | None, starts: Array, ends: Array) -> tuple[int, int]:
    """First and last token of the first answer in a window whose tokens stand at characters starts..ends, [T] each."""
    if answers is None:
        return UNKNOWN, UNKNOWN
    context = np.flatnonzero(starts >= 0)
    if not answers or not len(context):
        return NULL, NULL
    text = answers[0]["text"]
    begin = answers[0]["answer_start"] + len(text) - len(text.lstrip())
    until = begin + len(text.strip())
    first, last = context[starts[context] <= begin], context[ends[context] >= until]
    return (int(first[-1]), int(last[0])) if len(first) and len(last) else (NULL, NULL)
