"""Importing what is heavy for less: a worker spends more on imports than on all that it prepares."""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.deferred import defer_compiler

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


@contextmanager
def lean(*, processes: int = 1, compiles: bool = False) -> Iterator[None]:
    """For importing Lightning, transformers and what of ours needs them, without what this process has no use for.

    It saves half of 4 CPU seconds. torchmetrics loads SciPy and matplotlib wherever it finds them (0.8); metrics that
    compute with SciPy still do. What is asked after once stays unknown, though: matplotlib to `plot` of torchmetrics;
    SciPy to transformers, whose models of images and sound need it. transformers reads its folders of models twice
    (0.3), and loads torch's sharding (DTensor, FSDP), which a single one of `processes` does without. Unless it
    `compiles`, torch's compiler waits to be asked for (`headway.deferred`; with sharding 0.65).
    """
    with unwatched():
        if not compiles:
            defer_compiler()
        with hidden("scipy", "matplotlib"):
            _import_transformers(distributed=processes > 1)
            yield


def _import_transformers(*, distributed: bool) -> None:
    """transformers with its models listed once and, unless `distributed`, as where torch is built without that."""
    import torch.distributed
    import transformers
    from transformers.utils import import_utils

    available = torch.distributed.is_available() and distributed
    with replaced(torch.distributed, "is_available", lambda: available):
        import_utils.is_torch_distributed_available()  # which remembers

    models = Path(transformers.__file__).with_name("models")
    found = import_utils.create_import_structure_from_path  # remembers too, but not under the path's other spelling
    once = partial(_called_with, found, {str(models / "__init__.py"): models})
    with replaced(import_utils, "create_import_structure_from_path", once):
        import transformers.models


def _called_with(function: Callable[[Any], Any], instead: Mapping[Any, Any], argument: Any) -> Any:
    return function(instead.get(argument, argument))


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


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
