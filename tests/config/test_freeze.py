"""The frozen text holds what was asked, no secrets, and reading it back runs nothing."""

import os
from datetime import datetime
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import ReadonlyConfigError

from headway.config.compose import compose
from headway.config.freeze import config_hash, freeze, settle, thaw
from headway.errors import ConfigError

CANARY = "canary-5d1f0c9e77"


def test_round_trip_is_exact_and_deterministic() -> None:
    cfg = compose(["seed=3", "optimizer.lr=3e-5", "tags=[a,b]", "notes='x: \"y\" # ü \\U0001f600'"])
    text = freeze(cfg)
    assert text == freeze(cfg) == freeze(thaw(text))
    assert OmegaConf.to_container(thaw(text), resolve=True) == OmegaConf.to_container(cfg, resolve=True)
    assert list(thaw(text))[:5] == ["project", "name", "tags", "notes", "seed"], "in the order of conf/train.yaml"


def test_numbers_survive(tmp_path: Path) -> None:
    cfg = OmegaConf.create(
        {"a": 5e-5, "b": 1e-8, "c": 0.1 + 0.2, "d": 3, "e": "3", "f": "1e-5", "g": True, "h": "true"}
    )
    (tmp_path / "c.yaml").write_text(freeze(cfg))
    assert thaw(tmp_path / "c.yaml") == cfg == thaw(str(tmp_path / "c.yaml"))


def test_interpolations_stay_and_secrets_are_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", CANARY)
    cfg = OmegaConf.create(
        {
            "asked": "${oc.env:WANDB_API_KEY}",
            "via": "${asked}",
            "typed": f"x{CANARY}y",
            "list": [{CANARY: CANARY}],
            "wrapped": f"{'long ' * 40}{CANARY} {'long ' * 40}",
        }
    )
    text = freeze(cfg)
    assert CANARY not in text
    assert "${oc.env:WANDB_API_KEY}" in text
    assert thaw(text).via == CANARY, "it is read where it is used"
    assert thaw(text).typed == f"x{CANARY}y"


def test_command_line_secrets_become_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", CANARY)
    text = freeze(compose([f"notes=before {CANARY}", f"tags=['{CANARY}']", f"+data.labels={{a: '{CANARY}'}}"]))
    assert CANARY not in text
    assert text.count("${oc.env:MY_TOKEN}") == 3


def test_facts_of_the_moment_are_settled() -> None:
    cfg = compose(["name=run-${now:%Y}-${hydra:job.name}", "notes=${now:%f}", "tags=['${now:%f}']"])
    frozen = thaw(freeze(cfg))
    assert frozen.name == f"run-{datetime.now().year}-headway"
    assert frozen.notes == frozen.tags[0], "one moment, not one for each mention"
    assert freeze(frozen) == freeze(cfg)


def test_unknown_facts_are_named() -> None:
    with pytest.raises(ConfigError, match=r"hydra:job.num.*not known here"):
        settle(OmegaConf.create({"name": "${hydra:job.num}"}))


def test_hash() -> None:
    assert config_hash("a: 1\n") == config_hash("a: 1\n")
    assert config_hash("a: 1\n") != config_hash("a: 2\n")
    assert len(config_hash("")) == 16


def test_thawed_configs_cannot_be_changed() -> None:
    cfg = thaw("a: {b: 1}\n")
    with pytest.raises(ReadonlyConfigError):
        cfg.a.b = 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: ${evil:x}\n", "a: the resolver evil"),
        ("a:\n- {b: 'x ${oc.env:HOME} ${evil:y}'}\n", r"a\[0\].b: the resolver evil"),
        ("a: ${oc.select:${evil:x}}\n", "evil"),
        ("a: ${${b}:x}\nb: evil\n", "the resolver"),
        ("a: ${now:%Y}\n", "now"),
        ("a: ${b\n", "a"),
        ("a: !!python/object/apply:os.system [id]\n", "not a config"),
        ("a: &x [1, 2]\nb: [*x, *x]\n", "aliases"),
        ("a: [1\n", "not a config"),
        ("- 1\n", "mapping"),
        ("just words", "mapping"),
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("a: 1\n---\nb: 1\n", "not a config"),
        ("a: " + "[" * 20000, "nested more than"),
        ("a: 1\n" * 300_000, "no config"),
    ],
)
def test_thaw_refuses(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        thaw(text)


def test_thaw_runs_no_registered_resolver() -> None:
    ran: list[str] = []
    OmegaConf.register_new_resolver("marker", ran.append, replace=True)
    try:
        with pytest.raises(ConfigError):
            thaw("a: ${marker:x}\n")
    finally:
        OmegaConf.clear_resolver("marker")
    assert ran == []


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        thaw(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml: cannot be read"):
        thaw(tmp_path / "latin.yaml")
