"""What a config may name in `_target_`, how it is called, and making it.

A config can come from anyone, so a dotted path is not trusted because of how it begins: `headway.tasks.x.os.system`
begins well. It must be one module and one name in it, and what the name stands for must be *defined* in an allowed
place. Both are judged from source files before anything is imported, and the second again on the object itself.
"""

import functools
import importlib
import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omegaconf import Container, OmegaConf

from headway.config import signatures
from headway.config.definitions import NotFoundError, find
from headway.errors import ConfigError

CLASS, FUNCTION, EITHER = "class", "function", "class or function"
# where a target may be defined, and what it may be: making an object of these runs no code chosen by the config
DEFAULT_ALLOWED: dict[str, str] = {
    "headway.tasks.": CLASS,
    "headway.models.": CLASS,
    "headway.tokenizers.": CLASS,
    "headway.data.sources.": FUNCTION,
    "headway.training.schedules.": FUNCTION,
    "headway.trackers.": CLASS,
    "torch.optim.": CLASS,
    "torch.nn.modules.": CLASS,
    "torchmetrics.aggregation.": CLASS,
    "torchmetrics.classification.": CLASS,
    "torchmetrics.regression.": CLASS,
    "torchmetrics.text.": CLASS,
    "transformers.optimization.": EITHER,
}
FACADES = ("torch.nn", "torchmetrics", "transformers")  # modules that only re-export: a path may go through them
# never, not even when a user allows a whole package: these load, build or run code, or are this list
NEVER = (
    *("torch.hub", "torch.load", "torch.serialization", "torch.jit", "torch.package", "torch.ops", "torch.compiler"),
    *("torch.utils.cpp_extension", "torch.utils.model_zoo", "transformers.dynamic_module_utils", "headway.config"),
    *("builtins", "os", "posix", "nt", "sys", "subprocess", "shutil", "importlib", "runpy", "pickle", "ctypes"),
)
SPECIAL = ("_target_", "_partial_")
# set from --allow and --trust-remote-code for every process of a run, whatever starts it
ALLOW_VARIABLE, TRUST_VARIABLE = "HEADWAY_ALLOW", "HEADWAY_TRUST_REMOTE_CODE"


def allowed(extra: Sequence[str] = ()) -> dict[str, str]:
    """The default places and those the user added by `--allow` or HEADWAY_ALLOW (a,b); a config cannot add any."""
    added = [*extra, *os.environ.get(ALLOW_VARIABLE, "").split(",")]
    return DEFAULT_ALLOWED | {f"{prefix.strip().rstrip('.')}.": EITHER for prefix in added if prefix.strip()}


def target_problem(dotted: object, allow: Sequence[str] = ()) -> str | None:
    """Why `_target_` may not be `dotted`, or None. Reads source files; imports nothing."""
    if not isinstance(dotted, str) or not all(part.isidentifier() for part in dotted.split(".")) or "." not in dotted:
        return f"{dotted!r} is not a dotted path such as torch.optim.AdamW"
    places = allowed(allow)
    module = dotted.rpartition(".")[0]
    if any(part.startswith("_") for part in dotted.split(".")) or _within(dotted, NEVER):
        return f"{dotted} is never allowed"
    try:
        found = find(dotted)
    except NotFoundError as error:
        return str(error)
    if not _within(dotted, places) and module not in FACADES:
        return _refusal(dotted, places)
    if found is None:
        return None  # made at run time; `load_target` judges the object itself
    kind = CLASS if found.is_class else FUNCTION
    return _definition_problem(dotted, found.module.name, found.node.name, kind, places)


def static_signature(dotted: str) -> inspect.Signature | None:
    """How to call a class or function, read from its source; None where only importing it would tell."""
    try:
        found = find(dotted)
    except NotFoundError:
        return None
    return None if found is None else signatures.signature(found)


def instantiate(node: Mapping[str, Any], /, **extra: Any) -> Any:
    """Call `node["_target_"]` with the node's other keys and `extra`; with `_partial_: true` only bind them.

    Nested nodes with a `_target_` are made first. A null target gives None.
    Raises: ConfigError for a target that is not allowed or does not take these arguments.
    """
    plain = OmegaConf.to_container(node, resolve=True) if isinstance(node, Container) else node
    assert isinstance(plain, Mapping)
    return _make({**plain, **extra})


def _make(value: Any) -> Any:
    if isinstance(value, list):
        return [_make(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "_target_" not in value:
        return {key: _make(item) for key, item in value.items()}
    dotted = value["_target_"]
    if dotted is None:
        return None
    made = load_target(dotted)
    kwargs = {key: _make(item) for key, item in value.items() if key not in SPECIAL}
    if value.get("_partial_"):
        return functools.partial(made, **kwargs)
    try:
        inspect.signature(made).bind(**kwargs)
    except TypeError as error:
        raise ConfigError([f"{dotted}: {error}"]) from error
    try:
        return made(**kwargs)
    except ValueError as error:  # the target's own check of its arguments
        raise ConfigError([f"{dotted}: {error}"]) from error


def load_target(dotted: str) -> Any:
    """Import an allowed class or function. Raises ConfigError, before any import where the source tells."""
    problem = target_problem(dotted)
    if problem:
        raise ConfigError([f"_target_: {problem}"])
    module, _, name = dotted.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError([f"_target_: {dotted} cannot be imported: {error}"]) from error
    kind = CLASS if inspect.isclass(found) else FUNCTION if inspect.isfunction(found) else "neither"
    home = getattr(found, "__module__", None) or ""
    problem = _definition_problem(dotted, home, getattr(found, "__qualname__", name), kind, allowed())
    if problem:
        raise ConfigError([f"_target_: {problem}"])
    return found


def _definition_problem(dotted: str, module: str, name: str, kind: str, places: Mapping[str, str]) -> str | None:
    home = f"{module}.{name}"
    if _within(home, NEVER):
        return f"{dotted} is never allowed"
    kinds = {places[place] for place in places if _within(home, (place,))}
    if not kinds:
        return _refusal(dotted if home == dotted else f"{dotted} (defined as {home})", places)
    if kind not in (CLASS, FUNCTION):
        return f"{dotted} is neither a class nor a function"
    if EITHER not in kinds and kind not in kinds:
        return f"{dotted} is a {kind}; a {' or '.join(sorted(kinds))} is needed there"
    return None


def _within(dotted: str, places: Iterable[str]) -> bool:
    return any(dotted == place.rstrip(".") or dotted.startswith(f"{place.rstrip('.')}.") for place in places)


def _refusal(dotted: str, places: Mapping[str, str]) -> str:
    return (
        f"{dotted} is not allowed; allowed are {', '.join(f'{place}*' for place in places)}; "
        "if you trust the code, add --allow PACKAGE to the command"
    )
