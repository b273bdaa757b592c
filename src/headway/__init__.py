"""Headway trains language models, records every run, and says which difference is real."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.store.index.store import Store as Store

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`headway.Store`, imported when it is first asked for: the command line starts without it."""
    if name == "Store":
        from headway.store.index.store import Store

        return Store
    raise AttributeError(f"module 'headway' has no attribute {name!r}")
