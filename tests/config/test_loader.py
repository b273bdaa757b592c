"""The loader composes once what is asked for twice, and what it hands out is the caller's own."""

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from headway.config.compose import train_main
from headway.config.loader import make_loader
from headway.config.paths import conf_dir


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The overrides of every composition that Hydra makes."""
    seen: list[list[str]] = []
    real = ConfigLoaderImpl.load_configuration

    def load(self: ConfigLoaderImpl, config_name: str, overrides: list[str], *others: object) -> DictConfig:
        seen.append(list(overrides))
        return real(self, config_name, overrides, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", load)
    return seen


def test_only_another_question_is_composed_anew(composed: list[list[str]]) -> None:
    loader = make_loader(conf_dir())
    first = loader.load_configuration("train", ["seed=1"], RunMode.RUN)
    with open_dict(first):
        first.seed = 7
        first.trainer.more = [1]
    second = loader.load_configuration("train", ["seed=1"], RunMode.RUN)
    assert second.seed == 1
    assert "more" not in second.trainer
    assert second.hydra.overrides.task == ["seed=1"]
    assert composed == [["seed=1"]]
    assert loader.load_configuration("train", ["seed=2"], RunMode.RUN).seed == 2
    assert composed == [["seed=1"], ["seed=2"]]


def test_a_run_is_composed_once(composed: list[list[str]]) -> None:
    seeds: list[int] = []

    def job(config: DictConfig, _: list[str]) -> int:
        seeds.append(config.seed)
        return 0

    assert train_main(["seed=5"], job) == 0
    assert seeds == [5]
    assert composed == [["seed=5"]]
