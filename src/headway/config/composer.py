"""Composing overrides with what Hydra would stop at first collected instead: each is judged, then all are composed."""

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import IConfigRepository
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf

from headway.config.definitions import did_you_mean
from headway.config.loader import COMPOSITION_ERRORS, one_line
from headway.config.targets import static_signature


@dataclass
class Composer:
    """Composes overrides. What is wrong with them gathers in `problems`, and the wrong ones are left out."""

    loader: ConfigLoaderImpl
    config_name: str
    multirun: bool = False
    problems: list[str] = field(default_factory=list)

    def compose(self, lines: Sequence[str]) -> tuple[DictConfig | None, list[DictConfig]]:
        """The composed config, its `hydra` node included, or None; and of a sweep also what every other value gives.

        In a sweep the first config takes each first value; each of the others changes one of them.
        """
        if not self.multirun:
            with suppress(*COMPOSITION_ERRORS):  # if all is well, which it mostly is, once is enough
                whole = self._load(list(lines))
                if whole.hydra.mode != RunMode.MULTIRUN:
                    return whole, []
        given = [override for override in map(self._parsed, lines) if override]
        repo = self._repository(given)
        if repo is None:
            return None, []
        given = [override for override in given if self._option_known(repo, override)]
        base = self._loaded([_alternatives(override)[0] for override in given if _is_group(repo, override)])
        if base is None:
            return None, []
        self.multirun = self.multirun or base.hydra.mode == RunMode.MULTIRUN
        if self.multirun:
            given = self._from_config(base, repo, given) + given
        given = [override for override in given if self._sweep_allowed(override)]
        given = [override for override in given if _is_group(repo, override) or self._key_known(base, repo, override)]
        cfg = self._loaded_without_culprits(repo, given)
        return cfg, [] if cfg is None else list(self._others(repo, given, cfg))

    def _parsed(self, line: str) -> Override | None:
        if "=" not in line and not line.startswith("~"):
            self.problems.append(f"{line}: what should it be? write {line}=VALUE")
            return None
        try:
            return OverridesParser.create(self.loader).parse_overrides([line])[0]
        except HydraException as error:
            reason = one_line(error).removeprefix(f"Error parsing override '{line}' ")
            quoted = "; text with special characters is quoted twice: key='\"a, b\"'"
            self.problems.append(f"{line}: not a valid override ({reason}){quoted}")
            return None

    def _repository(self, given: list[Override]) -> IConfigRepository | None:
        """The search path, with the folders of hydra.searchpath."""
        search = [str(override.input_line) for override in given if override.key_or_group == "hydra.searchpath"]
        try:
            _, repo = self.loader._parse_overrides_and_create_caching_repo(self.config_name, search)
        except COMPOSITION_ERRORS as error:
            self.problems.append(one_line(error))
            return None
        if repo.config_exists(self.config_name):
            return repo
        known = [name for name in repo.get_group_options("", ObjectType.CONFIG) if not name.startswith("_")]
        self.problems.append(f"--config-name={self.config_name}: no such config{_choices(self.config_name, known)}")
        return None

    def _option_known(self, repo: IConfigRepository, override: Override) -> bool:
        if not _is_group(repo, override) or (override.is_delete() and override.value() is None):
            return True
        known = repo.get_group_options(override.key_or_group, ObjectType.CONFIG)
        values = list(override.sweep_iterator()) if override.is_discrete_sweep() else [override.value()]
        asked = [item for value in values for item in (value if isinstance(value, list) else [value])]
        unknown = [name for name in map(_text, asked) if name.removesuffix(".yaml") not in known]
        unknown = [name for name in unknown if not repo.config_exists(f"{override.key_or_group}/{name}")]
        for name in unknown:
            self.problems.append(f"{override.key_or_group}={name}: no such option{_choices(name, known)}")
        return not unknown

    def _sweep_allowed(self, override: Override) -> bool:
        if not override.is_sweep_override() or (self.multirun and not override.is_hydra_override()):
            return True
        line, key = override.input_line, override.key_or_group
        if override.is_hydra_override():
            self.problems.append(f"{line}: Hydra's own settings cannot be swept over")
        else:
            value = override.get_value_string()
            other = f"; for a list write {key}=[{value}], for text {key}='\"{value}\"'"
            hint = other if override.is_choice_sweep() else ""
            self.problems.append(f"{line}: several values need -m, which runs once for each{hint}")
        return False

    def _from_config(self, base: DictConfig, repo: IConfigRepository, given: list[Override]) -> list[Override]:
        """Sweeps that the config itself asks for, under hydra.sweeper.params, but for those given anew."""
        params = OmegaConf.select(base, "hydra.sweeper.params") or {}
        overridden = {override.get_key_element() for override in given}
        found = [self._parsed(f"{key}={value}") for key, value in params.items() if key not in overridden]
        return [override for override in found if override and self._option_known(repo, override)]

    def _key_known(self, base: DictConfig, repo: IConfigRepository, override: Override) -> bool:
        """A plain override or a deletion must meet a key that is there; + and ++ may add one."""
        if override.is_add() or override.is_force_add():
            return True
        key = override.key_or_group
        parent, path, name = _deepest(base, key)
        if name is None:
            return True
        known = _keys(parent)
        if not path:
            known = sorted({*known, *repo.get_group_options("", ObjectType.GROUP)} - {"hydra"})
        here = f"{path}.{name}" if path else name
        inside = [f"{k}.{name}" for k in known if not path and name in _keys(base.get(k))]
        if override.package is not None:
            self.problems.append(f"{override.input_line}: {key} is not a group of configs{_choices(key, known)}")
        elif here == key and name in _arguments(parent):
            self.problems.append(f"{key}: not among the keys of this option; add it with +{override.input_line}")
        else:
            hint = f"; did you mean {' or '.join(inside)}?" if inside else _choices(name, known)
            self.problems.append(f"{here}: unknown key{hint}")
        return False

    def _loaded(self, lines: list[str]) -> DictConfig | None:
        try:
            return self._load(lines)
        except COMPOSITION_ERRORS as error:
            self.problems.append(one_line(error))
            return None

    def _load(self, lines: list[str]) -> DictConfig:
        return self.loader.load_configuration(self.config_name, lines, run_mode=RunMode.RUN)

    def _loaded_without_culprits(self, repo: IConfigRepository, given: list[Override]) -> DictConfig | None:
        """Composed from all of them or, if that fails, from the groups and each value that goes with those before it.

        The groups are known to compose.
        """
        lines = [_alternatives(override)[0] for override in given]
        with suppress(*COMPOSITION_ERRORS):
            return self._load(lines)
        chosen = [_is_group(repo, override) for override in given]
        sound = [line for line, group in zip(lines, chosen, strict=True) if group]
        for line in (line for line, group in zip(lines, chosen, strict=True) if not group):
            try:
                self._load([*sound, line])
                sound.append(line)
            except COMPOSITION_ERRORS as error:
                self.problems.append(f"{line}: {one_line(error)}")
        return self._loaded(sound)

    def _others(self, repo: IConfigRepository, given: list[Override], cfg: DictConfig) -> Iterator[DictConfig]:
        lines = [_alternatives(override)[0] for override in given]
        for index, override in enumerate(given):
            for line in _alternatives(override)[1:]:
                if _is_group(repo, override):
                    other = self._loaded([*lines[:index], line, *lines[index + 1 :]])
                else:  # composing anew would take a hundred times as long
                    other = copy.deepcopy(cfg)
                    ConfigLoaderImpl._apply_overrides_to_config(OverridesParser.create().parse_overrides([line]), other)
                if other is not None:
                    yield other


def _is_group(repo: IConfigRepository, override: Override) -> bool:
    return repo.group_exists(override.key_or_group) and not isinstance(override.value(), dict)


def _alternatives(override: Override) -> list[str]:
    """The override once for each of its values."""
    key = override.get_key_element()
    if override.is_discrete_sweep():
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    if override.is_interval_sweep():
        interval: Any = override.value()
        return [f"{key}={interval.start}", f"{key}={interval.end}"]
    return [str(override.input_line)]


def _deepest(cfg: Any, key: str) -> tuple[Any, str, str | None]:
    """(last node on the way to `key` that is there, its path, the next name, which is not there; None if all are)."""
    path: list[str] = []
    for part in [part for part in re.split(r"[.\[\]]+", key) if part]:
        here = ".".join(path)
        if isinstance(cfg, ListConfig) and part.isdigit() and int(part) < len(cfg):
            cfg = cfg._get_node(int(part))
        elif isinstance(cfg, DictConfig) and isinstance(cfg._content, dict) and part in cfg._content:
            cfg = cfg._get_node(part)
        else:
            return cfg, here, part
        path.append(part)
    return cfg, ".".join(path), None


def _keys(node: Any) -> list[str]:
    return [str(key) for key in node] if isinstance(node, DictConfig) else []


def _arguments(node: Any) -> list[str]:
    """What the target of a config node takes."""
    target = OmegaConf.select(node, "_target_") if isinstance(node, DictConfig) else None
    found = static_signature(target) if isinstance(target, str) else None
    return list(found.parameters) if found else []


def _choices(word: str, known: Sequence[str]) -> str:
    return f"{did_you_mean(word, list(known))} (there are: {', '.join(known)})" if known else ""


def _text(value: Any) -> str:
    return "null" if value is None else str(value)
