"""Finding what a dotted path means without running it: modules by their files, names by their syntax trees.

Checking a config this way costs milliseconds; importing torch to ask AdamW for its arguments costs seconds.
"""

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path


class NotFoundError(LookupError):
    """It is certain that nothing has this name; the text says what has a name like it."""


@dataclass(frozen=True)
class Module:
    name: str
    file: Path | None  # None: compiled, or a folder without __init__.py
    folders: tuple[Path, ...]  # where its submodules are; empty if it is not a package


@dataclass(frozen=True)
class Definition:
    """A top-level class or function, where it is defined, whatever other names it goes by."""

    module: Module
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

    @property
    def is_class(self) -> bool:
        return isinstance(self.node, ast.ClassDef)


def find_module(dotted: str) -> Module:
    """Raises NotFoundError if no such module is installed. Imports nothing: Python is asked for the top level only."""
    top, *rest = dotted.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise NotFoundError(f"no package {top} is installed")
    origin = Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    module = Module(top, origin, tuple(Path(p) for p in spec.submodule_search_locations or ()))
    for part in rest:
        module = _submodule(module, part)
    return module


def _submodule(parent: Module, part: str) -> Module:
    name = f"{parent.name}.{part}"
    for folder in parent.folders:
        if (init := folder / part / "__init__.py").is_file():
            return Module(name, init, (init.parent,))
        if (file := folder / f"{part}.py").is_file():
            return Module(name, file, ())
        if any(folder.glob(f"{part}.*.so")) or any(folder.glob(f"{part}.*.pyd")):
            return Module(name, None, ())
        if (folder / part).is_dir():
            return Module(name, None, (folder / part,))
    near = [p.stem if p.suffix == ".py" else p.name for folder in parent.folders for p in folder.glob("[a-z]*")]
    raise NotFoundError(f"no module {name}{did_you_mean(part, near)}")


def find(dotted: str) -> Definition | None:
    """The definition behind `module.name`, following re-exports; None where only running the code would tell.

    Raises NotFoundError where there is certainly no such module or name.
    """
    module, _, name = dotted.rpartition(".")
    return find_in(find_module(module), name)


def find_in(module: Module, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Definition | None:
    """`find`, for a name as code of `module` would use it; `seen` ends circles of re-exports."""
    if (module.name, name) in seen or module.file is None:
        return None
    seen |= {(module.name, name)}
    body = tree(module.file).body
    bound = [statement for statement in _flat(body) if name in names_of(statement)]
    if not bound:
        return _find_starred(module, name, seen)
    statement = bound[-1]
    if len(bound) > 1 and statement not in body:
        return None  # bound in several branches: which one counts depends on where it runs
    match statement:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return Definition(module, statement)
        case ast.ImportFrom():
            source = next(alias.name for alias in statement.names if (alias.asname or alias.name) == name)
            try:
                return find_in(_imported(module, statement), source, seen)
            except NotFoundError:
                return None  # a submodule, or a name made at run time
        case ast.Import():
            raise NotFoundError(f"{module.name}.{name} is a module, not a class or function")
        case ast.Assign(value=ast.Name(id=other)):
            return find_in(module, other, seen)
    return None


def _find_starred(module: Module, name: str, seen: frozenset[tuple[str, str]]) -> Definition | None:
    assert module.file is not None
    stars = [s for s in _flat(tree(module.file).body) if isinstance(s, ast.ImportFrom) and s.names[0].name == "*"]
    for star in stars:
        try:
            return find_in(_imported(module, star), name, seen)
        except NotFoundError:
            continue
    text = module.file.read_text(encoding="utf-8", errors="replace")
    if "__getattr__" in text or "sys.modules[__name__]" in text or "globals()" in text:
        return None  # names appear when asked for
    known = [n for statement in _flat(tree(module.file).body) for n in names_of(statement)]
    raise NotFoundError(f"{module.name} has no {name}{did_you_mean(name, known)}")


def _imported(module: Module, statement: ast.ImportFrom) -> Module:
    if not statement.level:
        return find_module(statement.module or "")
    package = module.name.split(".")
    up = statement.level - bool(module.folders)  # a package's own level is itself
    base = package[: len(package) - up]
    return find_module(".".join([*base, *([statement.module] if statement.module else [])]))


@cache
def tree(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise NotFoundError(f"{file}:{getattr(error, 'lineno', 1)}: cannot be read as Python: {error}") from error


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run at import, those in branches included, those only for type checkers not."""
    for statement in body:
        yield statement
        match statement:
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                yield from _flat(statement.orelse)
            case ast.If():
                yield from _flat(statement.body + statement.orelse)
            case ast.Try():
                handlers = [s for handler in statement.handlers for s in handler.body]
                yield from _flat(statement.body + handlers + statement.orelse + statement.finalbody)


def names_of(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() if "overload" in map(tail, statement.decorator_list):
            return []
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [statement.name]
        case ast.Import():
            return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
        case ast.ImportFrom():
            return [alias.asname or alias.name for alias in statement.names]
        case ast.Assign():
            return [target.id for target in statement.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def tail(node: ast.expr) -> str:
    """`a.b.name(...)` or `name[...]` -> "name"."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def did_you_mean(word: str, known: list[str]) -> str:
    """The question "did you mean X?" with the nearest known word, or nothing."""
    near = get_close_matches(word, known, n=1, cutoff=0.6) or [k for k in known if k.lower() == word.lower()][:1]
    return f"; did you mean {near[0]}?" if near else ""
