"""Transformers without padding: the real tokens of a batch in one row, attention within each sequence only.

Embeddings, matrix products, norms and activations are of single tokens, so a row of all real tokens gives what the
padded batch gives; attention is told where each sequence lies. The results are scattered back to [B,T,...], so nothing
outside this file knows. B sequences, T tokens of the longest, S real tokens of all, H heads, D width.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from headway.models import varlen
from headway.models.dropout import dropped

NAME = "unpadded"  # among transformers' attention implementations
TOLERANCE = 1e-4  # between the two ways, on the model's own weights in single precision
_TRIED = (3, 7, 5)  # lengths of the sequences on which a model is tried


@dataclass(frozen=True)
class Layout:
    """Where the sequences of a batch lie in the row: shorter ones first, those of one length side by side.

    places: [S], of each token of the row in the flattened B*T. lengths: of each sequence, in the row's order.
    shape: (B, T).
    """

    places: Tensor
    lengths: tuple[int, ...]
    shape: tuple[int, int]

    @classmethod
    def of(cls, attention_mask: Tensor, documents: Tensor | None = None) -> Self:
        """attention_mask [B,T], 0 for padding, on whichever side. documents [B,T]: numbers of the texts that a row of
        the batch is packed of, 0, 1, ...; each is then a sequence of its own.
        """
        rows, columns = attention_mask.nonzero(as_tuple=True)
        texts = rows if documents is None else rows * (documents.max() + 1) + documents[rows, columns]
        _, own, counts = torch.unique_consecutive(texts, return_inverse=True, return_counts=True)
        order = counts[own].argsort(stable=True)
        size, width = attention_mask.shape
        return cls((rows * width + columns)[order], tuple(counts.sort().values.tolist()), (size, width))

    @cached_property
    def groups(self) -> list[tuple[int, int]]:
        """(how many sequences, of which length), in the row's order."""
        return [(len(list(some)), length) for length, some in groupby(self.lengths)]

    @cached_property
    def inverse(self) -> Tensor:
        """[B*T]: the place in the row of each token; of padding, nothing that is meant."""
        found = self.places.new_zeros(self.shape[0] * self.shape[1])
        return found.index_copy(0, self.places, torch.arange(len(self.places), device=found.device))

    @cached_property
    def positions(self) -> Tensor:
        """[S]: each token's place in its sequence, from 0."""
        lengths = torch.tensor(self.lengths)
        starts = torch.repeat_interleave(lengths.cumsum(0) - lengths, lengths)
        return (torch.arange(int(lengths.sum())) - starts).to(self.places.device)

    @cached_property
    def bounds(self) -> varlen.Bounds:
        """For a kernel that takes all lengths at once."""
        offsets = torch.tensor([0, *self.lengths]).cumsum(0)
        return varlen.Bounds(offsets.to(self.places.device), self.lengths[0], self.lengths[-1])

    def row(self, padded: Tensor) -> Tensor:
        """[B,T] -> [1,S]"""
        return padded.flatten()[self.places][None]

    def padded(self, row: Tensor) -> Tensor:
        """[1,S,D] -> [B,T,D], zeros where there is padding."""
        flat = row.new_zeros(self.shape[0] * self.shape[1], row.shape[-1])
        return flat.index_copy(0, self.places, row[0]).view(*self.shape, -1)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    layout: Layout | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """query [1,H,S,D/H], key and value with as many heads or fewer -> [1,S,H,D/H]; without a layout, SDPA as ever.

    On a GPU one kernel takes all sequences, where one does; else those of one length are a call, which needs no mask.
    """
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, is_causal, **others)
    repeats = getattr(module, "num_key_value_groups", 1)
    whole = [one[0] for one in (query, repeat_kv(key, repeats), repeat_kv(value, repeats))]  # [H,S,D/H]
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if query.device.type == "cuda":
        dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else query.dtype
        if kernel := varlen.kernel(query.device, dtype, query.shape[-1], dropout > 0, causal):
            q, k, v = (one.transpose(0, 1).to(dtype) for one in whole)
            return kernel(q, k, v, layout.bounds, scale, dropout, causal)[None], None
    within = _with_dropout if dropout and query.device.type == "cpu" else _without
    sizes = [count * length for count, length in layout.groups]
    rows = []
    for shape, *parts in zip(layout.groups, *(torch.split(one, sizes, 1) for one in whole), strict=True):
        q, k, v = (part.unflatten(1, shape).transpose(0, 1) for part in parts)  # [count, H, length, D/H]
        rows.append(within(q, k, v, scale, dropout, causal and shape[1] > 1).transpose(1, 2).flatten(0, 1))
    return torch.cat(rows)[None], None


def _without(query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float, causal: bool) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scale, is_causal=causal)


def _with_dropout(query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float, causal: bool) -> Tensor:
    """What scaled_dot_product_attention does in steps on a processor then, with our dropout."""
    scores = torch.matmul(query * scale, key.transpose(-1, -2))
    if causal:
        after = torch.ones(scores.shape[-2:], dtype=torch.bool).triu_(1)
        scores = scores.masked_fill(after, -torch.inf)
    return torch.matmul(dropped(scores.softmax(-1), dropout), value)


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def run(model: PreTrainedModel, first_position: int, layout: Layout, input_ids: Tensor, **others: Tensor) -> Any:
    """The model's output for the row. input_ids, others: [B,T]. first_position: that of a sequence's first token."""
    return model(
        input_ids=layout.row(input_ids),
        attention_mask=layout.places.new_zeros(1, 1, 1, 1),  # of four dimensions it is taken as it is, and never read
        position_ids=(layout.positions + first_position)[None],
        layout=layout,
        **{name: layout.row(one) for name, one in others.items()},
    )


def switch_to(model: PreTrainedModel, first_position: int) -> bool:
    """Let the model run without padding, where that gives its own results; False leaves it as it was.

    It is tried on three short sequences, as other kinds of attention, relative positions or convolutions do not show in
    a configuration. Takes some milliseconds.
    """
    before = model.config._attn_implementation
    if before != "sdpa" or not model._supports_attention_backend or _window(model) is not None:
        return False
    model.set_attn_implementation(NAME)
    if not (agrees := _agrees(model, first_position)):
        model.set_attn_implementation(before)
    return agrees


def runs_unpadded(model: Any) -> bool:
    """Whether it was switched to it."""
    return getattr(getattr(model, "config", None), "_attn_implementation", None) == NAME


def kernels(model: nn.Module, dtype: torch.dtype) -> str | None:
    """What attends on this machine's GPU in a network that runs without padding, in words; None where none does so."""
    part = next((part for part in model.modules() if runs_unpadded(part)), None)
    if part is None:
        return None
    config = cast(PreTrainedModel, part).config.get_text_config()
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    causal = any(getattr(inner, "is_causal", False) for inner in part.modules())
    return varlen.words(torch.device("cuda"), dtype, width, causal)


def _agrees(model: PreTrainedModel, first_position: int) -> bool:
    mask = (torch.arange(max(_TRIED)) < torch.tensor(_TRIED)[:, None]).long()
    embedding = cast(nn.Embedding, model.get_input_embeddings())
    ids = embedding.num_embeddings - 1 - torch.arange(mask.numel()).view_as(mask) % (embedding.num_embeddings - 5)
    was_training = model.training
    model.train(False)
    try:
        with torch.inference_mode():
            layout = Layout.of(mask)
            expected = model(input_ids=ids, attention_mask=mask)[0]
            found = layout.padded(run(model, first_position, layout, ids)[0])
            return torch.allclose(found, expected * mask[..., None], atol=TOLERANCE, rtol=TOLERANCE)
    except (
        TypeError,
        ValueError,
        RuntimeError,
        IndexError,
    ):  # its forward takes no such arguments, or it has no weights yet
        return False
    finally:
        model.train(was_training)


def _window(model: PreTrainedModel) -> int | None:
    """How far attention reaches, where that is less than the whole sequence: trying short ones would not show it."""
    text = model.config.get_text_config()
    reach = getattr(text, "sliding_window", None) or getattr(text, "local_attention", None)
    return reach if isinstance(reach, int) and reach < getattr(text, "max_position_embeddings", 0) else None
