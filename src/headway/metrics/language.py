"""Losses of language models as the field quotes them."""

import math

Values = dict[str, float]


def perplexity(loss_sum: float, tokens: int, bytes_: int) -> Values:
    """From the summed loss (nats) of `tokens` predicted tokens that spell `bytes_` bytes of UTF-8.

    loss: nats a token. perplexity: its exponential, infinite where that overflows. bits_per_byte: does not
    depend on the tokenizer, so models of different vocabularies compare. NaN where nothing was counted.
    """
    loss = _ratio(loss_sum, tokens)
    return {"loss": loss, "perplexity": _exp(loss), "bits_per_byte": _ratio(loss_sum / math.log(2), bytes_)}


def masked(correct: int, total: int, loss_sum: float) -> Values:
    """From the summed loss (nats) of `total` masked tokens, of which `correct` were guessed. NaN for none."""
    return {"loss": _ratio(loss_sum, total), "accuracy": _ratio(correct, total)}


def _ratio(numerator: float, denominator: int) -> float:
    return numerator / denominator if denominator else math.nan


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
