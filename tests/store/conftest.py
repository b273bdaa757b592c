"""A run folder in one call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway.store.writer import create_run

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    def make(**changes: Any) -> Path:
        fields: dict[str, Any] = {
            "project": "reviews",
            "name": None,
            "tags": [],
            "notes": None,
            "config_yaml": "seed: 1\n",
            "config_hash": "0123456789abcdef",
            "overrides": [],
            "command": ["headway", "train"],
            "seed": 1,
        }
        return create_run(tmp_path / "runs", **(fields | changes))

    return make
