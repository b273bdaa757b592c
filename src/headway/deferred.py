"""A package that is imported at once and executed when something of it is asked for: torch's compiler.

Lightning, transformers and torch's optimizers import `torch._dynamo` to mark functions that it must not trace, or to
ask whether a model was compiled. Most runs compile nothing, and executing it costs 0.3 CPU seconds, with what it and
transformers import of `torch.distributed` 0.65 of 2.
"""

import importlib.util
import sys
import threading
from collections.abc import Callable
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"
APART = f"{COMPILER}._trace_wrapped_higher_order_op"  # transformers' masks want it; it uses nothing of the package
_lock = threading.RLock()


def defer_compiler() -> None:
    """Let `torch._dynamo` be a stand-in from now on, unless it is imported already.

    The stand-in marks nothing, so a process that is to compile must not call this. Whatever else is asked of it, such
    as `torch.compile` by somebody's model, executes the package, in place and once: it works, for what came later.
    """
    import torch

    if COMPILER in sys.modules:
        return
    spec = importlib.util.find_spec(COMPILER)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _Deferred
    vars(module).update(
        disable=_unmarked,
        allow_in_graph=_unmarked,
        assume_constant_result=_unmarked,
        graph_break=lambda *_, **__: None,
        OptimizedModule=_Compiled,
    )
    sys.modules[COMPILER] = module
    torch._dynamo = module
    sys.meta_path.insert(0, _PackageFirst())


class _Deferred(ModuleType):
    executing = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the interpreter asks modules for much that they may lack
            raise AttributeError(name)
        self.execute(name)
        return getattr(self, name)

    def execute(self, name: str) -> None:
        with _lock:
            if self.executing:  # asked by a module of its own that was imported before this attribute was made
                raise AttributeError(name)
            if type(self) is ModuleType:  # by another thread, while this one waited
                return
            self.executing = True
            try:
                self.__spec__.loader.exec_module(self)  # type: ignore[union-attr]
                self.__class__ = ModuleType  # type: ignore[assignment]
            finally:
                del self.executing


class _PackageFirst:
    """A finder that executes the package before its first module is found, as an import of it would have."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        package = sys.modules.get(COMPILER)
        if name == APART or not name.startswith(f"{COMPILER}.") or not isinstance(package, _Deferred):
            return None
        if not package.executing:
            package.execute(name)
            if (module := sys.modules.get(name)) is not None:
                return ModuleSpec(name, _Present(module))
        return None


class _Present(Loader):
    """A loader of a module that was loaded while it was searched for, and would else be loaded a second time."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__
        module.__spec__ = None  # or the import goes by it, instead of by what is found

    def create_module(self, _: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


def _unmarked(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    return _unmarked if function is None else function


class _IsCompiled(type):
    def __instancecheck__(cls, thing: object) -> bool:
        compiler = sys.modules.get(f"{COMPILER}.eval_frame")
        return compiler is not None and isinstance(thing, compiler.OptimizedModule)


class _Compiled(metaclass=_IsCompiled):
    """`OptimizedModule` to Lightning, which asks each model whether it is one."""
