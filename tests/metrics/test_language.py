"""Losses of language models, by hand."""

import math

import pytest

from headway.metrics.language import masked, perplexity


def test_a_uniform_guess_among_the_bytes() -> None:
    """256 equally likely bytes cost 8 bits each; as tokens of two bytes, 65,536 possibilities."""
    values = perplexity(50 * math.log(65536), tokens=50, bytes_=100)
    assert values == pytest.approx({"loss": math.log(65536), "perplexity": 65536, "bits_per_byte": 8})


def test_what_overflows_is_infinite_and_nothing_is_nan() -> None:
    assert perplexity(1e6, tokens=1, bytes_=1)["perplexity"] == math.inf
    assert all(math.isnan(value) for value in perplexity(0.0, tokens=0, bytes_=0).values())
    assert math.isnan(perplexity(math.nan, tokens=1, bytes_=1)["perplexity"])


def test_masked() -> None:
    assert masked(3, 4, 2.0) == {"loss": 0.5, "accuracy": 0.75}
    assert all(math.isnan(value) for value in masked(0, 0, 0.0).values())
