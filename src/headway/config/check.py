"""Every problem of a composed configuration, found without importing what it names."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, InterpolationToMissingValueError, OmegaConfBaseException

from headway.config.definitions import did_you_mean
from headway.config.freeze import resolver_problems
from headway.config.redact import redact_text, secret_problems
from headway.config.targets import SPECIAL, static_signature, target_problem
from headway.config.values import fits, in_words

# what Headway itself hands to a target, beside its keys in the config
PROVIDED = {"optimizer": ("params",), "scheduler": ("step", "total")}
REFUSED = {
    "trust_remote_code": "a config cannot ask for this; if you trust the code, add --trust-remote-code to the command",
    "weights_only": "a config cannot set this; weights are never unpickled",
}
UNKNOWN = object()  # in place of a value that is missing or cannot be resolved: reported once, then passed over


def check(cfg: DictConfig, *, allow: Sequence[str] = ()) -> list[str]:
    """Every problem as one line, "optimizer.lrr: ..."; an empty list if a run can start. Lines hold no secrets.

    `allow`: further prefixes that a `_target_` may begin with. Data and models are not opened: that is the worker's.
    """
    problems: list[str] = []
    plain = _resolved(cfg, "", problems)
    problems += _schema_problems(plain)
    problems += _node_problems(plain, "", allow)
    problems += secret_problems(cfg)
    problems += resolver_problems(cfg)
    return [redact_text(problem) for problem in dict.fromkeys(problems)]


def _resolved(node: Any, path: str, problems: list[str]) -> Any:
    """Plain data, interpolations resolved, UNKNOWN where that fails."""
    if isinstance(node, DictConfig):
        return {key: _value(node, key, f"{path}.{key!s}".lstrip("."), problems) for key in node}
    if isinstance(node, ListConfig):
        return [_value(node, index, f"{path}[{index}]", problems) for index in range(len(node))]
    return node


def _value(parent: DictConfig | ListConfig, key: Any, path: str, problems: list[str]) -> Any:
    if OmegaConf.is_missing(parent, key):
        problems.append(f"{path}: has no value yet; give it with {path}=VALUE")
        return UNKNOWN
    try:
        value = parent[key]
    except InterpolationToMissingValueError as error:
        problems.append(f"{path}: refers to a key without a value ({_first(error)})")
    except InterpolationResolutionError as error:
        problems.append(f"{path}: {_first(error)}")
    except OmegaConfBaseException as error:
        problems.append(f"{path}: cannot be read: {_first(error)}")
    except RecursionError:
        problems.append(f"{path}: its interpolations go round in a circle")
    else:
        return _resolved(value, path, problems)
    return UNKNOWN


def _first(error: Exception) -> str:
    text = str(error).split("\n")[0].rstrip(".")
    _, _, cause = text.partition("raised while resolving interpolation: ")
    return cause.strip("'\"") if cause else text


def _schema_problems(plain: Any) -> Iterator[str]:
    from pydantic import ValidationError

    from headway.config.schema import Config

    try:
        Config.model_validate(_known(plain))
    except ValidationError as failed:
        by_place: dict[tuple[str | int, ...], list[Any]] = {}
        for error in failed.errors(include_url=False):
            by_place.setdefault(_place(error["loc"], plain), []).append(error)
        for place, errors in by_place.items():
            value = _at(plain, place)
            if value is not UNKNOWN and not (isinstance(value, float) and not math.isfinite(value)):  # said elsewhere
                yield _schema_line(place, errors, plain)


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items() if item is not UNKNOWN}
    if isinstance(value, list):
        return [_known(item) for item in value if item is not UNKNOWN]
    return value


def _place(loc: tuple[str | int, ...], plain: Any) -> tuple[str | int, ...]:
    """Where an error is, without the names pydantic adds for the branches of a union."""
    at = plain
    for depth, part in enumerate(loc):
        inside = part in at if isinstance(at, dict) else isinstance(at, list) and part in range(len(at))
        if not inside:
            return loc[: depth + 1] if isinstance(at, dict) and depth < 2 else loc[:depth]
        at = at[part]
    return loc


def _at(plain: Any, place: tuple[str | int, ...]) -> Any:
    for part in place:
        plain = plain.get(part) if isinstance(plain, dict) else plain[part] if isinstance(part, int) else None
    return plain


def _schema_line(place: tuple[str | int, ...], errors: list[Any], plain: Any) -> str:
    from headway.config import schema

    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    kind = errors[0]["type"]
    value = _at(plain, place)
    if kind == "extra_forbidden":
        model = schema.Config if len(place) == 1 else schema.Config.model_fields[str(place[0])].annotation
        known = list(getattr(model, "model_fields", {}))
        return f"{path}: unknown key{did_you_mean(str(place[-1]), known)} (known: {', '.join(sorted(known))})"
    if kind == "missing":
        return f"{path}: has no value; give it with {path}=VALUE"
    if kind == "value_error":
        text = str(errors[0]["ctx"]["error"])
        return f"{path}: {text}" if path else text
    if kind == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{path}: {value!r} is a number here; for text quote it twice: {path}='\"{value}\"'"
    wanted = " or ".join(dict.fromkeys(_wanted(error) for error in errors))
    return f"{path}: {_shown(value)} does not fit; {wanted}"


def _wanted(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Input ").replace("should be", "must be").replace("a valid ", "a ")
    message = message.replace("a integer", "a whole number")
    return re.sub(r"a dictionary( or instance of \w+)?", "a mapping of keys to values", message)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _node_problems(value: Any, path: str, allow: Sequence[str]) -> Iterator[str]:
    """Numbers that are none, keys no config may have, and targets, at any depth."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{path}: {value} is not a finite number"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _node_problems(item, f"{path}[{index}]", allow)
    elif isinstance(value, dict):
        for key, item in value.items():
            here = f"{path}.{key}" if path else str(key)
            if key in REFUSED:
                yield f"{here}: {REFUSED[key]}"
            elif str(key).startswith("_") and key not in SPECIAL:
                yield f"{here}: unknown; the only special keys are {' and '.join(SPECIAL)}"
            yield from _node_problems(item, here, allow)
        if isinstance(value.get("_target_"), str):
            yield from _target_problems(value, path, allow)


def _target_problems(node: dict[str, Any], path: str, allow: Sequence[str]) -> Iterator[str]:
    dotted = node["_target_"]
    if refused := target_problem(dotted, allow):
        yield f"{path}._target_: {refused}"
        return
    arguments = {key: value for key, value in node.items() if key not in (*SPECIAL, *REFUSED)}
    from headway.config.schema import COMMON

    if path in COMMON:
        arguments = {key: value for key, value in arguments.items() if key not in COMMON[path].model_fields}
    yield from _range_problems(arguments, path)
    found = static_signature(dotted)
    if found is None:
        return
    parameters, provided = found.parameters, PROVIDED.get(path, ())
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = [n for n, p in parameters.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for key in provided:
        if key not in named and not open_ended:
            yield f"{path}._target_: {dotted} takes no {key}, so it cannot be used as {path}"
            return
    settable = [name for name in named if name not in provided]
    for key, value in arguments.items():
        if key not in settable:
            if not open_ended:
                hint = did_you_mean(key, settable)
                yield f"{path}.{key}: {dotted} takes no {key}{hint} (takes: {', '.join(settable)})"
        elif value is not UNKNOWN and not fits(parameters[key].annotation, _known(value)):
            yield f"{path}.{key}: {_shown(value)} does not fit; must be {in_words(str(parameters[key].annotation))}"
    if not node.get("_partial_"):
        for name in settable:
            if parameters[name].default is parameters[name].empty and name not in arguments:
                yield f"{path}.{name}: {dotted} needs it; give it with +{path}.{name}=VALUE"


def _range_problems(arguments: dict[str, Any], path: str) -> Iterator[str]:
    from headway.config.schema import RANGES

    for key in arguments.keys() & RANGES.keys():
        words, least, most = RANGES[key]
        values = arguments[key] if isinstance(arguments[key], list) else [arguments[key]]
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if any(not least <= number <= most for number in numbers if math.isfinite(number)):
            yield f"{path}.{key}: {_shown(arguments[key])} is out of range; must be {words}"
