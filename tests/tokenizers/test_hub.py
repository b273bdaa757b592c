"""Tokenizers by name."""

from pathlib import Path

import pytest

from headway.errors import ModelError
from headway.models.pretrained import Pretrained, tokenizer_fingerprint
from headway.tokenizers.hub import Hub


def test_it_is_the_one_of_the_model_there(tiny_gpt: Path) -> None:
    found = Hub(str(tiny_gpt)).tokenizer()
    assert tokenizer_fingerprint(found) == tokenizer_fingerprint(Pretrained(str(tiny_gpt)).tokenizer())
    assert found.pad_token == "<|endoftext|>"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/no/such/folder", "tokenizer.path=/no/such/folder: no such file or folder"),
        ("package:no_such/x", "tokenizer.path=package:no_such/x: package no_such is not installed"),
        ("no-one/no-such-model", "tokenizer.path=no-one/no-such-model: not in the local cache"),
    ],
)
def test_paths_that_lead_nowhere(path: str, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        Hub(path).tokenizer()
    assert str(caught.value).startswith(words)
