"""Transformers without padding: the real tokens of a batch in one row, attention within each sequence only.

Embeddings, matrix products, norms and activations are of single tokens, so a row of all real tokens gives what the
padded batch gives; attention is told where each sequence lies. The results are scattered back to [B,T,...], so nothing
outside this file knows. And of the last layer only what is read is computed: a classifier reads one token of a text,
for which that layer needs keys and values of all tokens, but one query, one output and one feed-forward.
B sequences, T tokens of the longest, S real tokens of all, R tokens that are read, H heads, D width.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_map
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from headway.models import varlen
from headway.models.attend import How, attend, cut
from headway.models.dropout import zeros_of
from headway.models.layers import stacks
from headway.models.layout import Layout

T = TypeVar("T")
NAME = "unpadded"  # among transformers' attention implementations
TOLERANCE = 1e-4  # between the two ways, on the model's own weights in single precision
_TRIED = (3, 7, 5)  # lengths of the sequences on which a model is tried


class LastLayer:
    """What the last layer keeps of all tokens, so that it can be asked for some of them: query, key, value."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.kept: tuple[Tensor, Tensor, Tensor] | None = None


class _Kept(Exception):  # noqa: N818 no error: the way out of the layer as soon as it attends
    pass


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    layout: Layout | LastLayer | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """query [1,H,S,D/H], key and value with as many heads or fewer -> [1,S,H,D/H]; without a layout, SDPA as ever.

    In a last layer that is asked for some tokens: query [1,H,R,D/H] -> [1,R,H,D/H].
    """
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, is_causal, **others)
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    how = (query.shape[-1] ** -0.5 if scaling is None else scaling, dropout, causal)
    if isinstance(layout, Layout):
        return _within(query, key, value, layout, *how), None
    if layout.kept is None:
        layout.kept = query, key, value
        raise _Kept
    every, key, value = layout.kept
    order = layout.layout.one_each(causal) if query.device.type == "cpu" else None
    if order is None:
        return _within(every, key, value, layout.layout, *how)[:, layout.layout.asked], None
    return _within(query[:, :, order], key, value, layout.layout, *how)[:, order.argsort()], None


def _within(
    query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float, dropout: float, causal: bool
) -> Tensor:
    """query [1,H,S,D/H], or [1,H,B,D/H] of one token that sees all others of its sequence -> [1,S or B,H,D/H].

    On a GPU one kernel takes all sequences, where one does; else those of one length are a call, which needs no mask.
    """
    repeats = query.shape[1] // key.shape[1]
    key, value = (repeat_kv(one, repeats) for one in (key, value))
    whole = query.squeeze(0), key.squeeze(0), value.squeeze(0)  # [H,S,D/H]; the gradient of [0] would fill zeros
    if (kind := query.device.type) in varlen.DEVICES:
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query.dtype
        if kernel := varlen.kernel(query.device, dtype, query.shape[-1], dropout > 0, causal):
            q, k, v = (one.transpose(0, 1).to(dtype) for one in whole)
            return varlen.attend_within(q, k, v, varlen.How(kernel, layout.bounds, scale, dropout, causal))[None]
    seen = layout.groups
    asking = seen if query.shape[2] == key.shape[2] else [(count, 1) for count, _ in seen]
    if zeros := zeros_of(dropout, query.device):
        return attend(*whole, how=How(asking, seen, scale, zeros, causal)).transpose(0, 1)[None]
    parts = (cut(one, groups) for one, groups in zip(whole, (asking, seen, seen), strict=True))
    rows = [
        F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scale, is_causal=causal and q.shape[2] > 1)
        for q, k, v in zip(*parts, strict=True)
    ]
    return torch.cat([row.transpose(1, 2).flatten(0, 1) for row in rows])[None]


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def only_what_is_asked(block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Hook before the last layer: what each token gives to others of all tokens, all the rest of those asked for.

    It is entered twice, so nothing here knows how it is made: left as soon as it attends, then with those tokens only.
    """
    layout = kwargs.get("layout")
    if layout is None or layout.asked is None:
        return None
    last = LastLayer(layout)
    with suppress(_Kept):
        block.forward(*args, **kwargs | {"layout": last})
    size = (1, len(layout.places))
    args, kwargs = tree_map(
        lambda one: one[:, layout.asked] if isinstance(one, Tensor) and one.shape[:2] == size else one, (args, kwargs)
    )
    return args, kwargs | {"layout": last}


def run(model: Callable[..., Any], first_position: int, layout: Layout, input_ids: Tensor, **others: Tensor) -> Tensor:
    """The model's states or logits for the row, [S,D], or for what of it the layout asks, [R,D].

    Only a model whose last layer can be asked (`can_be_asked`) may get a layout that asks.
    input_ids, others: [B,T]. first_position: that of a sequence's first token.
    """
    output = model(
        input_ids=layout.row(input_ids),
        attention_mask=layout.places.new_zeros(1, 1, 1, 1),  # of four dimensions it is taken as it is, and never read
        position_ids=(layout.positions + first_position)[None],
        layout=layout,
        **{name: layout.row(one) for name, one in others.items()},
    )
    return cast(Tensor, output[0][0])


def switch_to(model: PreTrainedModel, first_position: int, *, pools: bool = False) -> bool:
    """Let the model run without padding, where that gives its own results; False leaves it as it was.

    It is tried on three short sequences, as other kinds of attention, relative positions or convolutions do not show in
    a configuration; so is a last layer that computes only what is asked for. Takes some hundredths of a second.
    pools: its own pooler is wanted too, and must give for the first token of each text alone what it gives for all.
    """
    before = model.config._attn_implementation
    if model.device.type == "meta":  # it has no weights to be tried with
        return False
    if before != "sdpa" or not model._supports_attention_backend or _window(model) is not None:
        return False
    mask, ids = _sequences(model)
    given = _computed(model, lambda: model(input_ids=ids, attention_mask=mask))
    if given is None or (pools and not _pools_first_tokens(model, given)):
        return False
    expected = given[0].flatten(0, 1)
    layout = Layout.of(mask)

    def agrees(layout: Layout, at: Tensor) -> bool:
        found = _computed(model, lambda: run(model, first_position, layout, ids))
        return found is not None and _close(found, expected[at])

    model.set_attn_implementation(NAME)
    if not agrees(layout, layout.places):
        model.set_attn_implementation(before)
        return False
    if len(towers := stacks(model)) == 1:
        hook = towers[0].blocks[-1].register_forward_pre_hook(only_what_is_asked, with_kwargs=True)
        ends = mask.sum(1) - 1 + torch.arange(len(mask)) * mask.shape[1]
        if not agrees(layout.asking(ends), ends):
            hook.remove()
    return True


def can_be_asked(model: PreTrainedModel) -> bool:
    """Whether its last layer computes only what a layout asks for."""
    return any(only_what_is_asked in block._forward_pre_hooks.values() for block in model.modules())


def runs_unpadded(model: Any) -> bool:
    """Whether it was switched to it."""
    return getattr(getattr(model, "config", None), "_attn_implementation", None) == NAME


def kernels(model: nn.Module, device: torch.device, dtype: torch.dtype) -> str | None:
    """What attends on this GPU in a network that runs without padding, in words; None where none does so."""
    part = next((part for part in model.modules() if runs_unpadded(part)), None)
    if part is None:
        return None
    config = cast(PreTrainedModel, part).config.get_text_config()
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    causal = any(getattr(inner, "is_causal", False) for inner in part.modules())
    return varlen.words(device, dtype, width, causal)


def _sequences(model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    """attention_mask and input_ids to try it on, [3,7] each."""
    mask = (torch.arange(max(_TRIED)) < torch.tensor(_TRIED)[:, None]).long()
    embedding = cast(nn.Embedding, model.get_input_embeddings())
    ids = embedding.num_embeddings - 1 - torch.arange(mask.numel()).view_as(mask) % (embedding.num_embeddings - 5)
    return mask, ids


def _computed(model: PreTrainedModel, compute: Callable[[], T]) -> T | None:
    """None where the model's forward takes no such arguments."""
    was_training = model.training
    model.train(False)
    try:
        with torch.inference_mode():
            return compute()
    except (TypeError, ValueError, RuntimeError, IndexError):
        return None
    finally:
        model.train(was_training)


def _pools_first_tokens(model: PreTrainedModel, given: Any) -> bool:
    pooler = getattr(model, "pooler", None)
    alone = _computed(model, lambda: pooler(given[0][:, :1])) if isinstance(pooler, nn.Module) else None
    return alone is not None and _close(alone, given[1])


def _close(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE)


def _window(model: PreTrainedModel) -> int | None:
    """How far attention reaches, where that is less than the whole sequence: trying short ones would not show it."""
    text = model.config.get_text_config()
    reach = getattr(text, "sliding_window", None) or getattr(text, "local_attention", None)
    return reach if isinstance(reach, int) and reach < getattr(text, "max_position_embeddings", 0) else None
