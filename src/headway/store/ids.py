"""Run ids: short, sortable by time, unique, and the only thing of a run that is ever used as a path."""

import secrets
import time

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"  # in ASCII order, so that ids sort as text


def new_run_id(now: float | None = None) -> str:
    """`20261122-045601-k3f9qa` for `now` (unix seconds): UTC, two base-36 digits of the second, four at random.

    Ids of one machine sort by creation to a millisecond; two in the same millisecond clash once in 1.7 million.
    """
    now = time.time() if now is None else now
    part = int(now % 1.0 * 36**2)
    tail = _ALPHABET[part // 36] + _ALPHABET[part % 36] + "".join(secrets.choice(_ALPHABET) for _ in range(4))
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime(now)) + tail
