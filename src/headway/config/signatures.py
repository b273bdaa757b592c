"""How to call a class or function, read from its source."""

import ast
import inspect
import re

from headway.config.definitions import Definition, Module, find_in, names_of, tail, tree

# decorators that leave the arguments as they are
KEEP_SIGNATURE = frozenset({"staticmethod", "classmethod", "final", "runtime_checkable", "total_ordering", "no_grad"})
NO_INIT = frozenset({"object", "ABC", "Protocol", "Generic", "Hashable", "Sized"})


def signature(definition: Definition) -> inspect.Signature | None:
    """How to call it, `self` left out; None where a decorator or a base class hides it. Annotations are strings."""
    if not isinstance(definition.node, ast.ClassDef):
        parameters = _parameters(definition.module, definition.node)
    else:
        parameters = _constructor(definition)
    return None if parameters is None else inspect.Signature(parameters)


def _constructor(definition: Definition) -> list[inspect.Parameter] | None:
    """Parameters of a class, by its own __init__, its dataclass fields or its bases', in this order."""
    node = definition.node
    assert isinstance(node, ast.ClassDef)
    decorators = list(map(tail, node.decorator_list))
    if node.keywords or not {*decorators} <= KEEP_SIGNATURE | {"dataclass"}:
        return None
    inits = [s for s in node.body if isinstance(s, ast.FunctionDef) and "__init__" in names_of(s)]
    if inits:
        parameters = _parameters(definition.module, inits[-1])
        return None if parameters is None else parameters[1:]
    if any("__new__" in names_of(s) for s in node.body):
        return None
    inherited: list[inspect.Parameter] = []
    for base in node.bases:
        if tail(base) in NO_INIT:
            continue
        found = find_in(definition.module, base.id) if isinstance(base, ast.Name) else None
        parameters = _constructor(found) if found and found.is_class else None
        if parameters is None:
            return None
        inherited = inherited or parameters
    return _fields(definition, inherited) if "dataclass" in decorators else inherited


def _fields(definition: Definition, inherited: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """A dataclass's fields as keyword parameters: their order never matters to a config."""
    fields = {p.name: p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in inherited}
    for statement in definition.node.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        value = statement.value
        if isinstance(value, ast.Call) and tail(value.func) == "field":
            options = {k.arg: k.value for k in value.keywords}
            if isinstance(off := options.get("init"), ast.Constant) and off.value is False:
                continue
            value = options.get("default") or options.get("default_factory")
        if "ClassVar" in ast.unparse(statement.annotation) or "KW_ONLY" in ast.unparse(statement.annotation):
            continue
        fields[statement.target.id] = inspect.Parameter(
            statement.target.id,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if value is None else ast.unparse(value),
            annotation=_annotation(definition.module, statement.annotation),
        )
    return list(fields.values())


def _parameters(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[inspect.Parameter] | None:
    if not set(map(tail, node.decorator_list)) <= KEEP_SIGNATURE:
        return None
    found: list[inspect.Parameter] = []
    kinds, empty = inspect.Parameter, inspect.Parameter.empty

    def add(arg: ast.arg, kind: inspect._ParameterKind, default: ast.expr | None) -> None:
        given = empty if default is None else ast.unparse(default)
        found.append(inspect.Parameter(arg.arg, kind, default=given, annotation=_annotation(module, arg.annotation)))

    plain = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(plain) - len(node.args.defaults)) + list(node.args.defaults)
    for index, (arg, default) in enumerate(zip(plain, defaults, strict=True)):
        only = index < len(node.args.posonlyargs)
        add(arg, kinds.POSITIONAL_ONLY if only else kinds.POSITIONAL_OR_KEYWORD, default)
    if node.args.vararg:
        add(node.args.vararg, kinds.VAR_POSITIONAL, None)
    for arg, given in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        add(arg, kinds.KEYWORD_ONLY, given)
    if node.args.kwarg:
        add(node.args.kwarg, kinds.VAR_KEYWORD, None)
    return found


def _annotation(module: Module, node: ast.expr | None) -> str:
    """An annotation as text, the module's own aliases (`Pooling = Literal[...]`) replaced by what they mean."""
    if node is None:
        return ""
    aliases: dict[str, ast.expr] = {}
    for statement in tree(module.file).body if module.file else ():
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Subscript | ast.BinOp):
            aliases.update(dict.fromkeys(names_of(statement), statement.value))
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)
    for name, meaning in aliases.items():
        text = re.sub(rf"(?<![\w.]){name}(?!\w)", f"({ast.unparse(meaning)})".replace("\\", r"\\"), text)
    return text
