"""Names people type: the splits' usual spellings, and suggestions for near misses."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

SPLITS = {
    "train": ("train", "training", "all"),
    "val": ("val", "dev", "valid", "validation"),
    "test": ("test", "testing"),
}
MAX_SHOWN = 60  # characters
METADATA = "meta."  # before the name of a column that only comes along: no column of an example has a dot in its name
_SHARD = re.compile(r"[-_]\d+-of-\d+$")  # train-00000-of-00002, as hub data sets are cut
_VERSION = re.compile(r"-v\d+(\.\d+)*$")  # dev-v2.0, as SQuAD's files are called


def split_of(stem: str) -> str | None:
    """The split a file or folder name stands for, in its own spelling (`dev` stays `dev`), or None."""
    name = _VERSION.sub("", unsharded(stem))
    return name if any(name.lower() in spellings for spellings in SPLITS.values()) and name.lower() != "all" else None


def unsharded(stem: str) -> str:
    """The name without the number of one of several files that belong together."""
    return _SHARD.sub("", stem)


def shown(word: str) -> str:
    """A name out of somebody's file, fit for one line of a terminal: clipped, nothing in it that does not print."""
    clipped = word if len(word) <= MAX_SHOWN else f"{word[:MAX_SHOWN]}..."
    return "".join(sign if sign.isprintable() else " " for sign in clipped)


def suggest(word: str, known: Iterable[str]) -> str:
    """'; did you mean X?' or nothing."""
    by_folded = {name[:MAX_SHOWN].casefold(): name for name in known}
    close = get_close_matches(word[:MAX_SHOWN].casefold(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {shown(by_folded[close[0]])}?" if close else ""


def listed(words: Iterable[str], most: int = 12) -> str:
    """At most `most` words, comma-separated."""
    every = [shown(word) for word in words]
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
