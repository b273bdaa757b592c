"""Texts as token ids, on all cores and as arrays: `tokenizers` itself, without the dictionaries of lists around it."""

from collections.abc import Callable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from headway.data.encode import Ragged, ragged

ROWS = 8192  # texts a call at most: enough for many cores
Encodings = Sequence[Any]  # of tokenizers.Encoding


def encoder(tokenizer: PreTrainedTokenizerBase, *, offsets: bool = False, **options: Any) -> Callable[[Any], Encodings]:
    """What encodes a list of texts, or of pairs of them, as `tokenizer(texts, **options)` does.

    offsets: whether the encodings know which characters and words their tokens are of, which takes longer.
    """
    tokenizer([""], **options)  # sets truncation, padding and the like of what is called below
    if type(tokenizer)._encode_plus is not PreTrainedTokenizerFast._encode_plus:  # does more than its backend
        return lambda texts: tokenizer(texts, **options).encodings
    backend = tokenizer.backend_tokenizer
    call = backend.encode_batch if offsets else backend.encode_batch_fast
    special = bool(options.get("add_special_tokens", True))
    return lambda texts: call(texts, add_special_tokens=special)


def flat(encodings: Encodings, name: str = "ids") -> Ragged:
    """`ids` or `type_ids` of all of them."""
    return ragged((getattr(one, name) for one in encodings), "I")


def separable(encode: Callable[[Any], Encodings]) -> Callable[[str, str], bool]:
    """Whether two texts have the same tokens apart as one behind the other; `encode` with offsets, nothing framed."""

    def apart(one: str, two: str) -> bool:
        left, right, both = (list(zip(e.ids, e.offsets, strict=True)) for e in encode([one, two, one + two]))
        moved = [(token, (start + len(one), end + len(one))) for token, (start, end) in right]
        return bool(left) and left[-1][1][1] == len(one) and left + moved == both

    return apart
