"""Importing what is heavy for less: a worker spends more on imports than on all that it prepares."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import DistributionFinder


@contextmanager
def unwatched() -> Iterator[None]:
    """Without a look for garbage, then or later, at what the block makes: modules are a million objects that stay.

    It saves 0.9 of 4.8 CPU seconds of imports, and 0.1 to 0.3 in each full collection while training.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def import_lightning() -> None:
    """Lightning without SciPy and matplotlib, which torchmetrics loads wherever it finds them.

    It saves 0.8 of 4 CPU seconds. Metrics that compute with SciPy still do. What is asked after once stays unknown,
    though: matplotlib to `plot` of torchmetrics; SciPy to transformers, whose models of images and sound need it.
    """
    with hidden("scipy", "matplotlib"):
        import pytorch_lightning  # noqa: F401


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """As if they were not installed, for code that asks before it imports. One that is imported already stays."""
    absent = [name for name in packages if name not in sys.modules]
    finder = _Unversioned(absent)
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(absent))  # None: find_spec gives None, and an import raises ModuleNotFoundError
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in absent:
            del modules[name]


class _Unversioned:
    """A finder that finds no module, and lets none after it find the metadata of these packages."""

    def __init__(self, packages: list[str]) -> None:
        self.packages = packages

    def find_spec(self, *_: Any) -> None:
        return None

    def find_distributions(self, context: "DistributionFinder.Context") -> tuple[()]:
        from importlib.metadata import PackageNotFoundError  # every command imports this module

        if context.name in self.packages:
            raise PackageNotFoundError(context.name)
        return ()
