"""Does a plain value fit an annotation? Answered from the annotation's text, without importing what it names."""

import ast
from collections.abc import Callable
from typing import Any

LISTS = frozenset({"list", "List", "Sequence", "Iterable", "Collection", "tuple", "Tuple", "set", "Set", "frozenset"})
DICTS = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})
OBJECTS = frozenset(
    {"Tensor", "Module", "Optimizer", "Parameter", "Callable", "dtype", "Generator"}
)  # never plain values
SIMPLE: dict[str, Callable[[Any], bool]] = {
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "float": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "str": lambda v: isinstance(v, str),
    "bool": lambda v: isinstance(v, bool),
    "Path": lambda v: isinstance(v, str),
    "PathLike": lambda v: isinstance(v, str),
    "None": lambda v: v is None,
}


def fits(annotation: str, value: Any) -> bool:
    """False only where it is certain; an annotation that is absent or not simple takes anything.

    `value` is plain data as a YAML file gives it: null, bool, int, float, str, list, dict.
    """
    try:
        return not annotation or _fits(ast.parse(annotation, mode="eval").body, value)
    except SyntaxError:
        return True


def _fits(node: ast.expr, value: Any) -> bool:
    match node:
        case ast.Constant(value=None):
            return value is None
        case ast.Constant(value=str() as text):
            return fits(text, value)
        case ast.BinOp(op=ast.BitOr()):
            return _fits(node.left, value) or _fits(node.right, value)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _fits_name(name, value)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return _fits_generic(name, inner, value)
    return True


def _fits_name(name: str, value: Any) -> bool:
    if name in SIMPLE:
        return SIMPLE[name](value)
    if name in LISTS:
        return isinstance(value, list)
    if name in DICTS | OBJECTS:
        return isinstance(value, dict)  # an object is written as a nested `_target_`
    return True


def _fits_generic(name: str, inner: list[ast.expr], value: Any) -> bool:
    if name in {"Optional", "Union"}:
        return (name == "Optional" and value is None) or any(_fits(part, value) for part in inner)
    if name == "Annotated":
        return _fits(inner[0], value)
    if name == "Literal":
        allowed = [part.value for part in inner if isinstance(part, ast.Constant)]
        return len(allowed) < len(inner) or value in allowed
    if not _fits_name(name, value):
        return False
    if name in {"tuple", "Tuple"} and not (len(inner) == 2 and ast.unparse(inner[1]) == "..."):
        return len(inner) == len(value) and all(map(_fits, inner, value))
    if name in LISTS:
        return all(_fits(inner[0], item) for item in value)
    if name in DICTS and len(inner) == 2:
        return all(_fits(inner[1], item) for item in value.values())
    return True


WORDS = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "None": "null"}


def in_words(annotation: str) -> str:
    """What an annotation takes, for a person: "a number or null", "one of cls, mean"."""
    try:
        return _words(ast.parse(annotation, mode="eval").body)
    except SyntaxError:
        return annotation


def _words(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=None):
            return "null"
        case ast.BinOp(op=ast.BitOr()):
            sides = [side for side in (node.left, node.right) if ast.unparse(side) not in OBJECTS]
            return " or ".join(map(_words, sides))
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return WORDS.get(name, "a list" if name in LISTS else name)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name)):
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if name == "Literal":
                return f"one of {', '.join(str(getattr(part, 'value', ast.unparse(part))) for part in inner)}"
            if name == "Optional":
                return f"{_words(inner[0])} or null"
            if name in {"tuple", "Tuple"} and ast.unparse(inner[-1]) != "...":
                return f"a list of {len(inner)}: {', '.join(map(_words, inner))}"
            if name in LISTS:
                return f"a list, each {_words(inner[0])}"
    return ast.unparse(node)
