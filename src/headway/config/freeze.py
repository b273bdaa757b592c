"""The one config of a run as text: what every rank, on every node and after every restart, reads."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.grammar_parser import parse

from headway.config.redact import redact_config, redact_values
from headway.errors import ConfigError

# Hydra's facts of the moment of composing: another rank, or a restart, would find other values
MOMENTS = frozenset({"now", "hydra", "python_version"})
MOMENT = re.compile(rf"\$\{{\s*(?:{'|'.join(sorted(MOMENTS))})\s*:[^{{}}]*\}}")
# resolvers that only read the config itself or, by name, the environment
RESOLVERS = frozenset(
    {"oc.create", "oc.decode", "oc.deprecated", "oc.dict.keys", "oc.dict.values", "oc.env", "oc.select"}
)
LARGEST, DEEPEST = 2**20, 32  # bytes and levels of a config; real ones have a few thousand, and four


def freeze(cfg: DictConfig, environ: Mapping[str, str] = os.environ) -> str:
    """YAML in the order of composition, interpolations unresolved, secrets as references to the environment.

    `${now:...}`, `${hydra:...}` and `${python_version:...}` become the values they have now.
    Raises: ConfigError for an interpolation that `thaw` would refuse, or a Hydra value that is not known here.
    """
    plain = settle(cfg)
    plain.pop("hydra", None)  # how it was composed and launched, not what was run
    text = redact_values(OmegaConf.to_yaml(redact_config(plain, environ)), environ)
    thaw(text)
    return text


def settle(cfg: DictConfig) -> DictConfig:
    """A copy in which Hydra's facts of the moment are values; other interpolations stay. Raises: ConfigError."""
    return OmegaConf.create(_settled(OmegaConf.to_container(cfg, resolve=False), cfg))


def _settled(value: Any, cfg: DictConfig) -> Any:
    if isinstance(value, dict):
        return {key: _settled(item, cfg) for key, item in value.items()}
    if isinstance(value, list):
        return [_settled(item, cfg) for item in value]
    if not isinstance(value, str):
        return value
    if whole := MOMENT.fullmatch(value):
        return _moment(whole[0], cfg)
    return MOMENT.sub(lambda found: str(_moment(found[0], cfg)), value)


def _moment(interpolation: str, cfg: DictConfig) -> Any:
    # apart from the config, which may be read-only, but with its cache: one `now` is the same everywhere in it
    holder = OmegaConf.create({"value": interpolation})
    OmegaConf.copy_cache(from_config=cfg, to_config=holder)
    try:
        value = holder["value"]
    except OmegaConfBaseException as error:
        reason = str(error).split("\n")[0]
        raise ConfigError([f"{interpolation}: not known here, so it cannot be recorded ({reason})"]) from error
    OmegaConf.copy_cache(from_config=holder, to_config=cfg)
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def config_hash(yaml_text: str) -> str:
    """First 16 hex digits of the SHA-256 of the frozen text: equal exactly when every rank read the same bytes."""
    return hashlib.sha256(yaml_text.encode("utf-8")).hexdigest()[:16]


def thaw(path_or_text: str | Path) -> DictConfig:
    """A frozen config, read-only, interpolations lazy. Somebody else's config runs nothing when it is read.

    A Path, or text without a line break that names an existing file, is read from disk.
    Raises: ConfigError for YAML that is broken, huge, uses aliases (a small file can unfold to terabytes) or
        names a resolver that is not one of OmegaConf's own readers of config and environment.
    """
    where, text = _read(path_or_text)
    try:
        _plain_mapping(text, where)
        cfg = OmegaConf.create(text)
    except (yaml.YAMLError, OmegaConfBaseException, RecursionError, ValueError) as error:
        raise ConfigError([f"{where}: not a config: {' '.join(str(error).split())[:300]}"]) from error
    assert isinstance(cfg, DictConfig)
    if problems := resolver_problems(cfg, RESOLVERS):
        raise ConfigError([f"{where}: {problem}" for problem in problems])
    OmegaConf.set_struct(cfg, True)
    OmegaConf.set_readonly(cfg, True)
    return cfg


def _plain_mapping(text: str, where: str) -> None:
    """Refuse, at the first sign of it, YAML that would unfold or nest beyond any config."""
    depth, index = 0, -1
    for index, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError([f"{where}: YAML aliases (*name) are not read"])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ConfigError([f"{where}: nested more than {DEEPEST} deep"])
        if index == 2 and not isinstance(event, yaml.MappingStartEvent):  # after the starts of stream and document
            raise ConfigError([f"{where}: a config is a mapping of keys to values"])
    if index < 2:
        raise ConfigError([f"{where}: empty"])


def _read(source: str | Path) -> tuple[str, str]:
    if isinstance(source, Path) or ("\n" not in source and len(source) < 4096 and Path(source).is_file()):
        path = Path(source)
        try:
            if path.stat().st_size > LARGEST:
                raise ConfigError([f"{path}: {path.stat().st_size:,} bytes is no config"])
            return str(path), path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    if len(source) > LARGEST:
        raise ConfigError([f"config: {len(source):,} characters is no config"])
    return "config", source


def resolver_problems(cfg: DictConfig, allowed: frozenset[str] = RESOLVERS | MOMENTS) -> list[str]:
    """Interpolations that call another resolver than those `allowed`: by default, those that can be frozen."""
    return list(_strange(OmegaConf.to_container(cfg, resolve=False), "", allowed))


def _strange(value: Any, path: str, allowed: frozenset[str]) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _strange(item, f"{path}.{key}" if path else str(key), allowed)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strange(item, f"{path}[{index}]", allowed)
    elif isinstance(value, str) and "${" in value:
        try:
            tree = parse(value)
        except OmegaConfBaseException as error:
            yield f"{path}: {str(error).splitlines()[0]}"
            return
        for name in _resolver_names(tree):
            if name not in allowed:
                yield f"{path}: the resolver {name} cannot be recorded; allowed are {', '.join(sorted(allowed))}"


def _resolver_names(tree: Any) -> Iterator[str]:
    """By OmegaConf's own grammar: a name may itself be an interpolation, which text search would miss."""
    if type(tree).__name__ == "ResolverNameContext":
        yield tree.getText()
    for index in range(tree.getChildCount()) if hasattr(tree, "getChildCount") else ():
        yield from _resolver_names(tree.getChild(index))
