"""What TAB offers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headway.cli import parser
from headway.config.completion import SHELLS, complete, script


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("headway r", ["resume", "reproduce", "runs", "report"]),
        ("headway tr", ["train"]),
        ("headway train optimizer=", ["optimizer=adafactor", "optimizer=adamw", "optimizer=sgd"]),
        ("headway check optimizer=ad", ["optimizer=adafactor", "optimizer=adamw"]),
        ("headway train optimi", ["optimizer.", "optimizer="]),
        ("headway train optimizer.l", ["optimizer.layer_decay=", "optimizer.lr="]),
        ("headway train optimizer.lr=", ["optimizer.lr=0.0001"]),
        ("headway train optimizer=sgd optimizer.nest", ["optimizer.nesterov="]),
        ("headway train -m seed=0,1 batch.b", ["batch.bucket="]),
        ("headway train --allow my_pkg. batch.b", ["batch.bucket="]),
        ("headway train ~sched", ["~scheduler"]),
        ("headway train hydra/la", ["hydra/launcher="]),
        ("headway train --cfg ", ["job", "hydra", "all"]),
        ("headway train --config-n", ["--config-name"]),
        ("headway train --no-such-flag opt", []),
        ("headway train [[ opt", []),
        ("headway completion ", ["bash", "zsh", "fish"]),
        ("headway nonsense x", []),
        ("", []),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert complete(line) == words


def test_every_command_is_offered() -> None:
    (commands,) = (action.choices for action in parser()._actions if isinstance(action.choices, dict))
    assert sorted(complete("headway ")) == sorted(commands)


def test_everything_but_hydras_own() -> None:
    offered = complete("headway train ")
    assert {
        "model=",
        "model.",
        "seed=",
        "trainer=",
        "experiment=" if "experiment=" in offered else "experiment",
    } <= set(offered)
    assert not any(word.startswith("hydra") for word in offered)


def test_own_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "tiny.yaml").write_text("defaults: [minilm]\n")
    monkeypatch.chdir(tmp_path)
    assert complete("headway train --config-dir m") == ["mine/"]
    assert complete("headway train --config-dir mine model=ti") == ["model=tiny"]


def test_imports_nothing_heavy() -> None:
    code = (
        "import sys; from headway.config.completion import complete; assert complete('headway train optimizer.')\n"
        "print({'torch', 'transformers', 'numpy', 'pydantic', 'pyarrow'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headway.store.writer import create_run

    monkeypatch.setenv("HEADWAY_RUNS", str(tmp_path))
    assert complete("headway show ") == ["last"]
    run = create_run(
        tmp_path, project="p", name="mine", tags=[], notes=None, config_yaml="seed: 0\n", config_hash="0" * 16,
        overrides=[], command=["headway"], seed=0,
    )  # fmt: skip
    assert complete("headway show ") == ["last", run.name, "mine"]
    assert complete(f"headway resume {run.name[:4]}") == [run.name]
    assert complete("headway eval last ") == []
    assert complete("headway compare last m") == ["mine"]
    assert complete("headway compare last --metric ") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_sound_for_their_shell(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n"], input=script(shell), text=True, check=True)


def test_unknown_shell() -> None:
    with pytest.raises(ValueError, match="bash, zsh, fish"):
        script("csh")


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("breaks", [" =:", " "])
def test_bash_offers_what_it_will_insert(breaks: str) -> None:
    """Where bash cuts words at "=", it wants only what comes after."""
    test = f"""
headway() {{ [[ $3 == "headway train model=" ]] && printf 'model=gpt2\\nmodel=minilm\\n'; }}
complete() {{ :; }}
{script("bash")}
COMP_WORDBREAKS="{breaks}"; COMP_LINE="headway train model="; COMP_POINT=${{#COMP_LINE}}
_headway; printf '%s ' "${{COMPREPLY[@]}}"
"""
    out = subprocess.run(["bash", "-c", test], capture_output=True, text=True, check=True).stdout
    assert out == ("gpt2 minilm " if "=" in breaks else "model=gpt2 model=minilm ")
