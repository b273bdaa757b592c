"""Interpolated Kneser-Ney n-gram models over token ids. B batch, T tokens, V vocabulary, K n-grams of one length."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import CausalLMOutput

from headway.errors import ModelError
from headway.models.generation import check_sizes, configuration

Array = np.ndarray[Any, np.dtype[Any]]
FALLBACK = (0.5, 1.0, 1.5)  # discounts where the counts give none, as KenLM's --discount_fallback has them


@dataclass(frozen=True)
class KneserNey:
    """Interpolated Kneser-Ney smoothing (Kneser & Ney 1995; Chen & Goodman 1999), counted, not descended.

    order: n; a token is predicted from the n-1 before it. modified: three discounts for each length of n-gram (Chen &
    Goodman, section 3) instead of one.
    """

    order: int = 5
    modified: bool = True

    def causal_lm(self, tokenizer: PreTrainedTokenizerBase, *, weights: bool) -> "KneserNeyLM":
        """Uniform over the vocabulary until it is fitted. Raises: ModelError for an order below 1."""
        check_sizes(order=self.order)
        return KneserNeyLM(configuration(tokenizer), self.order, self.modified)


class KneserNeyLM(PreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]
    """p_k(w|h) = max(a(hw) - D, 0) / a(h·) + gamma(h) p_k-1(w|h'), h' being h without its first token; p_0 = 1/V.

    a is the count for k = n, and below that the number of different tokens seen before hw, where the beginning of a
    sequence counts as different each time (Heafield et al. 2013, section 3.2, say so of n-grams that begin with <s>).

    The n-grams of length k are `keys_k` [K] in order: (index of the first k-1 tokens in keys_k-1) * V + last token.
    `alpha_k` [K] is the first term above, `gamma_k` [K of k-1] the weight that a context leaves to shorter ones.
    """

    def __init__(self, config: PreTrainedConfig, order: int, modified: bool) -> None:
        super().__init__(config)
        self.order = order
        self.modified = modified
        self.vocabulary: int = config.vocab_size
        for k in range(1, order + 1):
            self.register_buffer(f"keys_{k}", torch.zeros(0, dtype=torch.int64))
            self.register_buffer(f"alpha_{k}", torch.zeros(0, dtype=torch.float64))
            self.register_buffer(f"gamma_{k}", torch.ones(int(k == 1), dtype=torch.float64))

    @property
    def device(self) -> torch.device:
        return self._table("gamma", 1).device  # transformers would ask a parameter

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def fit(self, sequences: Iterable[Array]) -> None:
        """Count. Each sequence is ids [T] of one text or block; its first token is context only.

        Raises: ModelError where there is no token to predict, or an id outside the vocabulary.
        """
        arrays = [np.asarray(sequence, dtype=np.int64) for sequence in sequences]
        tokens = np.concatenate([np.zeros(0, dtype=np.int64), *arrays])
        lengths = np.array([len(array) for array in arrays], dtype=np.int64)
        if len(tokens) <= np.count_nonzero(lengths):
            raise ModelError("model: no sequence has a second token to predict; give it longer texts")
        if tokens.min() < 0 or tokens.max() >= self.vocabulary:
            raise ModelError(
                f"model: token ids from {tokens.min()} to {tokens.max()}, wanted 0 to {self.vocabulary - 1}; "
                "use the tokenizer it was made for"
            )
        offset = np.arange(len(tokens)) - np.repeat(lengths.cumsum() - lengths, lengths)  # place within the sequence
        levels: list[tuple[Array, Array]] = []  # keys and adjusted counts of each length
        ids = np.zeros(len(tokens), dtype=np.int64)  # which n-gram of length k-1 ends here; of length 0 there is one
        adjusted = np.zeros(1, dtype=np.int64)
        for k in range(1, self.order + 1):
            ends = np.flatnonzero(offset >= k - 1)
            keys, first, found = np.unique(
                ids[ends - 1] * self.vocabulary + tokens[ends], return_index=True, return_inverse=True
            )
            # each n-gram is one more token that was seen before the n-gram without its first
            adjusted += np.bincount(ids[ends[first]], minlength=len(adjusted))
            ids = np.full(len(tokens), -1, dtype=np.int64)
            ids[ends] = found
            counted = offset >= k - 1 if k == self.order else offset == k - 1
            adjusted = np.bincount(ids[counted & (offset > 0)], minlength=len(keys))
            levels.append((keys, adjusted))
        contexts = 1
        for k, (keys, adjusted) in enumerate(levels, 1):
            discount = discounts(adjusted, self.modified)[np.minimum(adjusted, 3)]
            context = keys // self.vocabulary
            total = np.bincount(context, adjusted, contexts)
            gamma = np.ones(contexts)
            np.divide(np.bincount(context, discount, contexts), total, out=gamma, where=total > 0)
            alpha = (adjusted - discount) / np.maximum(total[context], 1)
            for name, value in (("keys", keys), ("alpha", alpha), ("gamma", gamma)):
                setattr(self, f"{name}_{k}", torch.from_numpy(value).to(self.device))
            contexts = len(keys)

    def token_losses(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """[B,T] -> nats [B,T-1] of token t+1 after those up to t, float64; 0 where either is padding."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        contexts = self._contexts(input_ids, mask)
        words = input_ids[:, 1:]
        p = torch.full(words.shape, 1 / self.vocabulary, dtype=torch.float64, device=words.device)
        for k, context in enumerate(contexts, 1):
            context = context[:, :-1]
            place = _find(self._table("keys", k), torch.where(context >= 0, context * self.vocabulary + words, -1))
            p = _at(self._table("alpha", k), place, 0.0) + _at(self._table("gamma", k), context, 1.0) * p
        return torch.where((mask[:, 1:] * mask[:, :-1]).bool(), -p.log(), 0.0)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        logits_to_keep: int = 0,
        return_dict: bool = True,
    ) -> CausalLMOutput:
        """[B,T] -> log-probabilities [B,T,V] as logits, of the last `logits_to_keep` tokens only if that is not 0."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        if logits_to_keep:  # no token sees further back than this
            input_ids, mask = (x[:, -(logits_to_keep + self.order - 2) or None :] for x in (input_ids, mask))
        contexts = [context[:, -logits_to_keep:] for context in self._contexts(input_ids, mask)]
        shape = contexts[0].shape
        p = torch.full((shape.numel(), self.vocabulary), 1 / self.vocabulary, dtype=torch.float64, device=mask.device)
        for k, context in enumerate(contexts, 1):
            context, keys = context.flatten(), self._table("keys", k)
            p *= _at(self._table("gamma", k), context, 1.0).unsqueeze(1)
            # the n-grams that go on from a context stand together in keys
            begin, end = (torch.searchsorted(keys, (context + more) * self.vocabulary) for more in (0, 1))
            count = torch.where(context >= 0, end - begin, 0)
            row = torch.repeat_interleave(count)
            place = torch.arange(len(row), device=row.device) + (begin - count.cumsum(0) + count)[row]
            p[row, keys[place] % self.vocabulary] += self._table("alpha", k)[place]
        return CausalLMOutput(logits=p.log().view(*shape, self.vocabulary))

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **options: Any
    ) -> dict[str, Any]:
        """There is no cache to fill: the last order-1 tokens are all that the next one depends on."""
        return {"input_ids": input_ids, "attention_mask": attention_mask, "logits_to_keep": 1}

    def _contexts(self, input_ids: Tensor, mask: Tensor) -> list[Tensor]:
        """For k = 1..n [B,T]: the index in keys_k-1 of the k-1 tokens that end at each; -1: never seen, or padding."""
        ids = torch.zeros_like(input_ids)
        contexts = [ids]
        for k in range(1, self.order):
            before = ids if k == 1 else nn.functional.pad(ids[:, :-1], (1, 0), value=-1)
            wanted = torch.where((before >= 0) & mask.bool(), before * self.vocabulary + input_ids, -1)
            ids = _find(self._table("keys", k), wanted)
            contexts.append(ids)
        return contexts

    def _table(self, name: str, k: int) -> Tensor:
        return self.get_buffer(f"{name}_{k}")

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Tables of a checkpoint are as long as what was counted, not as those of a model that has counted nothing."""
        for name, own in list(self.named_buffers(recurse=False)):
            if (loaded := state_dict.get(prefix + name)) is not None:
                setattr(self, name, own.new_empty(loaded.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def discounts(adjusted: Array, modified: bool) -> Array:
    """What is taken off counts of 0, 1, 2, and 3 or more, from how many n-grams have counts of 1 to 4 (adjusted [K]).

    One discount: n1/(n1+2 n2) (Ney et al. 1994). Modified: Chen & Goodman 1999, section 3. Where the counts are too few
    to give numbers that can be taken off, FALLBACK.
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(adjusted == count)) for count in (1, 2, 3, 4))
    if n1 == 0 or n2 == 0 or (modified and n3 == 0):
        return np.array([0.0, *(FALLBACK if modified else FALLBACK[:1] * 3)])
    y = n1 / (n1 + 2 * n2)
    if not modified:
        return np.array([0.0, y, y, y])
    found = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    return np.array([0.0, *(found if all(0 < d <= i for i, d in enumerate(found, 1)) else FALLBACK)])


def _find(keys: Tensor, wanted: Tensor) -> Tensor:
    """Index of each `wanted` in the ordered keys [K], or -1."""
    if not len(keys):
        return torch.full_like(wanted, -1)
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return torch.where(keys[place] == wanted, place, -1)


def _at(table: Tensor, index: Tensor, missing: float) -> Tensor:
    """table[index], and `missing` where the index is -1."""
    if not len(table):
        return torch.full(index.shape, missing, dtype=torch.float64, device=index.device)
    return torch.where(index >= 0, table[index.clamp(min=0)], missing)
