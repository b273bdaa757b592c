"""Folders that are made once and found again: each appears whole under its name, or not at all."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make` first if it is not there.

    It is written under another name, then renamed, so processes may race: the first wins.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temp = folder.with_name(f".tmp-{folder.name}-{uuid.uuid4().hex[:8]}")
        temp.mkdir()
        try:
            make(temp)
            temp.rename(folder)
        except OSError:
            if not folder.exists():  # lost a race only if the winner's folder stands
                raise
        finally:
            shutil.rmtree(temp, ignore_errors=True)
    return folder
