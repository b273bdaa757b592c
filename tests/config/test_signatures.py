"""Signatures read from source equal those that Python gives once the code is imported."""

import inspect
import sys
from pathlib import Path

import pytest

from headway.config.definitions import NotFoundError, find
from headway.config.targets import static_signature

PACKAGE = {
    "__init__.py": "from .impl import Base as Renamed, func\nfrom .stars import *\nfrom . import impl\n",
    "stars.py": "def starred(a: int = 1): ...\n",
    "impl.py": """
import dataclasses, functools, os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal
if TYPE_CHECKING:
    from os import nothing
Mode = Literal["a", "b"]
def func(a, b: int = 2, *args, c: "str", d: Mode | None = None, **rest): ...
def positional(a, /, b): ...
@functools.wraps(func)
def wrapped(*args): ...
class Base:
    def __init__(self, size: int, rate: float = 0.5) -> None: ...
class Child(Base): ...
class Empty: ...
class Meta(metaclass=type): ...
class Outside(os.PathLike): ...
@dataclass(repr=False)
class Data:
    path: str
    mode: Mode = "a"
    many: list[str] = field(default_factory=list)
    kind: ClassVar[int] = 3
    hidden: int = field(default=1, init=False)
@dataclasses.dataclass
class More(Data):
    extra: int = 0
alias = func
try:
    import nothing_like_it
    def either(a): ...
except ImportError:
    def either(b): ...
""",
    "broken.py": "def half(:\n",
    "lazy.py": "def __getattr__(name): return name\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, text in PACKAGE.items():
        (tmp_path / "sigs_pkg").mkdir(exist_ok=True)
        (tmp_path / "sigs_pkg" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return "sigs_pkg"


def shape(signature: inspect.Signature | None) -> list[tuple[str, bool]] | None:
    return None if signature is None else [(p.name, p.default is p.empty) for p in signature.parameters.values()]


@pytest.mark.parametrize(
    "name",
    ["impl.func", "impl.positional", "impl.Base", "impl.Child", "impl.Empty", "impl.Data", "impl.More", "impl.alias"],
)
def test_equals_the_real_signature(package: str, name: str) -> None:
    dotted = f"{package}.{name}"
    static = static_signature(dotted)
    assert package not in sys.modules, "reading a signature must import nothing"
    module, _, attribute = dotted.rpartition(".")
    real = inspect.signature(getattr(__import__(module, fromlist=["x"]), attribute))
    for loaded in [m for m in sys.modules if m.startswith(package)]:
        del sys.modules[loaded]
    assert shape(static) == shape(real)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Renamed", ["size", "rate"]), ("func", ["a", "b", "args", "c", "d", "rest"]), ("starred", ["a"])],
)
def test_follows_reexports(package: str, name: str, expected: list[str]) -> None:
    found = static_signature(f"{package}.{name}")
    assert found is not None
    assert list(found.parameters) == expected


@pytest.mark.parametrize("name", ["impl.wrapped", "impl.Meta", "impl.Outside", "impl.either", "lazy.anything"])
def test_says_nothing_where_it_cannot_know(package: str, name: str) -> None:
    assert static_signature(f"{package}.{name}") is None


def test_own_aliases_are_spelled_out(package: str) -> None:
    found = static_signature(f"{package}.impl.Data")
    assert found is not None
    assert found.parameters["mode"].annotation == "(Literal['a', 'b'])"


@pytest.mark.parametrize(
    ("dotted", "says"),
    [
        ("sigs_pkg.impl.Bsae", "sigs_pkg.impl has no Bsae; did you mean Base?"),
        ("sigs_pkg.impll.Base", "no module sigs_pkg.impll; did you mean impl?"),
        ("sigs_pkg.impl.os", "sigs_pkg.impl.os is a module, not a class or function"),
        ("sigs_pkg.impl.os.system", "no module sigs_pkg.impl.os"),
        ("sigs_pkg.broken.half", "broken.py:1: cannot be read as Python"),
        ("no_such_package_here.x", "no package no_such_package_here is installed"),
    ],
)
@pytest.mark.usefixtures("package")
def test_says_what_is_certainly_not_there(dotted: str, says: str) -> None:
    with pytest.raises(NotFoundError, match=says.replace("?", r"\?")):
        find(dotted)


@pytest.mark.parametrize("name", ["AdamW", "SGD", "Adafactor", "RMSprop", "NAdam", "RAdam", "Adagrad", "Adam"])
def test_torch_optimizers(name: str) -> None:
    static = static_signature(f"torch.optim.{name}")
    import torch

    assert shape(static) == shape(inspect.signature(getattr(torch.optim, name)))
