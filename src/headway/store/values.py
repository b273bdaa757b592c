"""What may be stored, and in which form: metric names, numbers, and the texts that users type."""

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from headway.errors import RunError
from headway.store.layout import RESERVED_KEYS

MAX_KEY_LENGTH = 256  # characters of a metric name
MAX_TEXT = 100_000  # characters of a name, tag or note; a longer one is a file pasted by mistake
NONFINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def check_key(key: str) -> str:
    """The metric name itself, or RunError saying what is wrong with it."""
    if not isinstance(key, str) or not key:
        raise RunError(f"metric name {key!r}: must be text, not empty")
    if key in RESERVED_KEYS:
        raise RunError(
            f"metric name {key!r} is taken by the row itself ({', '.join(sorted(RESERVED_KEYS))}); write train/{key}"
        )
    if len(key) > MAX_KEY_LENGTH:
        raise RunError(f"metric name {key[:40]!r}...: {len(key)} characters; at most {MAX_KEY_LENGTH}")
    for at, char in enumerate(key):
        if unicodedata.category(char) in ("Cc", "Cs"):
            raise RunError(f"metric name {key!r}: character {at + 1} is a control character or a lone surrogate")
    return key


def number(name: str, value: Any) -> float | int | str:
    """`value` as strict JSON holds it, NaN and the infinities as text. Raises RunError for what is no number."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        if not isinstance(value, int | float) and hasattr(value, "item"):
            value = value.item()  # a numpy scalar or a 0-d tensor on any device
        if type(value) is int and abs(value) <= 2**53:
            return value
        value = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        shown = repr(value)
        raise RunError(f"{name}: {shown[:80]} ({type(value).__name__}) is not one number") from error
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def check_text(what: str, text: str | None) -> None:
    """Names are data and may hold anything that is text; what cannot be stored and read back is refused by name."""
    if text is not None and not isinstance(text, str):
        raise RunError(f"{what} {text!r}: must be text")
    if text and len(text) > MAX_TEXT:
        raise RunError(f"{what} {text[:40]!r}...: {len(text)} characters; at most {MAX_TEXT}")
    for at, char in enumerate(text or ""):
        if unicodedata.category(char) == "Cs":
            raise RunError(f"{what} {text!r}: character {at + 1} is not valid text (a lone surrogate)")


def storable(value: Any) -> Any:
    """A copy for strict JSON: secrets replaced, bytes that are no text escaped, non-finite numbers as text."""
    from headway.config.redact import redact_text

    if isinstance(value, str):
        return redact_text(value.encode("utf-8", "backslashreplace").decode())
    if isinstance(value, float):
        return number("value", value)
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value
