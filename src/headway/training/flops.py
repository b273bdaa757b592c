"""Floating point operations of training, counted at the matrix products that a model really asks for.

A product of M x K by K x N is 2MKN operations, once forward and once backward for each operand that has a gradient: 6
for each weight and row of a layer that is trained, 4 of the first one, 2 of a frozen layer that no gradient passes
(Kaplan et al. 2020, section 2.1; Chowdhery et al. 2022, appendix B, which adds attention as here, and counts a causal
one in full). What is computed a second time to save memory is not counted, as there: these are the model's operations.
Embedding lookups, norms and activations are none. Padding counts where the model computes it. Counted are linear
layers, products of matrices, scaled dot product attention, our own and recurrent layers; not convolutions, `einsum` and
`nn.MultiheadAttention`.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from headway.models import varlen
from headway.models.attend import How

FIRST, EVERY = 8, 64  # steps that are counted: the first of an attempt, then one in so many


class Products(TorchFunctionMode):
    """While entered, adds up operations. What is called, and so every result, stays the same."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(
        self, func: Any, types: Iterable[Any], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if (rule := RULES.get(getattr(func, "__name__", ""))) is not None:
            self.flops += 2 * rule(result, *args, **kwargs)
        return result


class Flops:
    """Operations of a training from those of some of its steps: in proportion to their tokens."""

    def __init__(self) -> None:
        self.products = Products()
        self.tokens = 0  # of the steps that were counted, all ranks together
        self._seen, self._counting = 0, False

    def of(self, batch: Mapping[str, Any]) -> AbstractContextManager[Any]:
        """To be entered around the forward pass of a micro-batch."""
        if batch["micro"] == 0:
            self._counting = self._seen < FIRST or batch["step"] % EVERY == 0
            self._seen += 1
            self.tokens += batch["tokens"] if self._counting else 0
        return self.products if self._counting else nullcontext()

    @property
    def per_token(self) -> float:
        """Of this rank, for each token of all ranks."""
        return self.products.flops / self.tokens if self.tokens else 0.0


def _times(*operands: Tensor) -> int:
    return 1 + sum(operand.requires_grad for operand in operands)


def _linear(_: Tensor, input: Tensor, weight: Tensor, *__: Any, **___: Any) -> int:
    return input.numel() * weight.shape[0] * _times(input, weight)


def _matmul(result: Tensor, input: Tensor, other: Tensor, **_: Any) -> int:
    return result.numel() * input.shape[-1] * _times(input, other)


def _addmm(result: Tensor, _: Tensor, input: Tensor, other: Tensor, **__: Any) -> int:
    return _matmul(result, input, other)


def _attention(result: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    length = key.shape[-2]
    return _seen(query.numel() * length, result.numel() * length, query, key, value)


def _attend(_: Tensor, query: Tensor, key: Tensor, value: Tensor, how: How) -> int:
    groups = zip(how.asking, how.seen, strict=True)
    pairs = len(query) * sum(count * asking * seen for (count, asking), (_, seen) in groups)
    return _seen(pairs * query.shape[-1], pairs * value.shape[-1], query, key, value)


def _attend_within(_: Tensor, query: Tensor, key: Tensor, value: Tensor, how: varlen.How) -> int:
    pairs = query.shape[1] * how.at.pairs
    return _seen(pairs * query.shape[-1], pairs * value.shape[-1], query, key, value)


def _seen(scores: int, sums: int, query: Tensor, key: Tensor, value: Tensor) -> int:
    """Queries with keys, then weights with values: so many operations each, once."""
    weights = query.requires_grad or key.requires_grad
    return scores * _times(query, key) + sums * (_times(value) + weights)


def _recurrent(results: Any, input: Tensor, *others: Any) -> int:
    """Each weight matrix of each layer meets each row once. input: [B,T,E], or packed [rows,E]."""
    lists = [one for one in others if isinstance(one, list | tuple)]
    weights = sum(tensor.numel() for one in lists for tensor in one if tensor.dim() == 2)
    return input.numel() // input.shape[-1] * weights * (3 if results[0].requires_grad else 1)


RULES: dict[str, Callable[..., int]] = {
    "linear": _linear,
    **dict.fromkeys(("matmul", "mm", "bmm"), _matmul),
    **dict.fromkeys(("addmm", "baddbmm"), _addmm),
    "scaled_dot_product_attention": _attention,
    "attend": _attend,
    "attend_within": _attend_within,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
}
