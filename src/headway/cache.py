"""Where things are kept that can be made again."""

import os
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """HEADWAY_CACHE/kind, else in the user's cache folder; may be deleted at any time."""
    root = os.environ.get("HEADWAY_CACHE")
    base = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "headway"
    return base / kind
