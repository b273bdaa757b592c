"""The docs cannot lie for long: their commands parse, what they name exists, their snippets do what they say."""

import csv
import json
import math
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from headway import __version__
from headway.cli import parser
from headway.config.completion import COMMANDS
from headway.config.compose import train_main
from headway.errors import ConfigError
from headway.store import layout

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING, EXPERIMENTS, CHANGELOG = (
    (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "experiments/README.md", "CHANGELOG.md")
)
STUDIES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "experiments/studies").rglob("*.md")}
DOCS = {"README.md": README, "CONTRIBUTING.md": CONTRIBUTING, "experiments/README.md": EXPERIMENTS, **STUDIES}
TEXT = "\n".join([README, CONTRIBUTING, EXPERIMENTS, CHANGELOG])
GROUPS = ("task", "data", "model", "tokenizer", "adapter", "optimizer", "scheduler", "trainer", "tracker", "experiment")
OF_CLI = ("--json", "--prepare")  # flags that the command takes before Hydra's command line sees the rest
FENCED = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    return [body for kind, body in FENCED.findall(text) if kind == language]


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", FENCED.sub("", text))


def named_files(text: str) -> dict[str, str]:
    """Blocks whose first line is a comment with nothing but a file's name."""
    every = [block for language in ("python", "yaml") for block in blocks(text, language)]
    return {found[1]: block for block in every if (found := re.match(r"# ([\w/.-]+/[\w.-]+)\n", block))}


def commands(text: str) -> Iterator[list[str]]:
    """Arguments of every `headway` command, in blocks and in running text."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    for line in lines + spans(text):
        for part in [*re.findall(r"\$\(([^)]*)\)", line), re.sub(r"\$\([^)]*\)", "", line)]:
            lexer = shlex.shlex(part, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words: list[str] = []
            for word in [*lexer, ";"]:
                if not set(word) <= set("();<>|&"):
                    words.append(word)
                    continue
                if words[:1] == ["headway"] and len(words) > 1:
                    yield words[1:]
                words = []


SHOWN = [command for text in DOCS.values() for command in commands(text)]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the docs show, as a reader would have them."""
    for name, content in {**named_files(README), **named_files(CONTRIBUTING)}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HEADWAY_ALLOW", "my_lab")
    return tmp_path


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", SHOWN, ids=" ".join)
@pytest.mark.usefixtures("lab")
def test_a_command_is_taken_as_written(command: list[str]) -> None:
    words = [word for word in command if not re.search(r"=[A-Z]+$", word)]  # experiment=NAME stands for the reader's
    if words[0] in ("train", "check"):
        assert train_main([word for word in words[1:] if word not in OF_CLI], lambda *_: 0) == 0
    else:
        parser().parse_args(words)


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("line", ["headway train optimizer.lrr=1", "headway show last --jsn", "x=$(headway trian)"])
def test_a_wrong_command_would_be_noticed(line: str) -> None:
    [command] = commands(f"```sh\n{line} # comment\n```\n")
    with pytest.raises((ConfigError, SystemExit)):
        test_a_command_is_taken_as_written(command)


def test_the_readme_shows_every_command() -> None:
    assert {command[0] for command in commands(README)} == set(COMMANDS)


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [line for text in DOCS.values() for block in blocks(text, "sh") for line in block.splitlines()]
    named = [word for line in lines + spans(TEXT) for word in re.findall(r"^make (\w+)", line)]
    assert {"demo", "test", "check", "faults"} <= set(named) <= targets


# --- names -----------------------------------------------------------------------------------------------------------


def test_options_exist(lab: Path) -> None:
    folders = (ROOT / "conf", lab / "my_conf")
    found = re.findall(rf"(?<![\w.-])({'|'.join(GROUPS)})=([\w,-]+)", TEXT)
    named = [(group, option) for group, options in found for option in options.split(",") if not option.isupper()]
    assert len(named) > 20
    missing = [
        pair for pair in named if not any((folder / pair[0] / f"{pair[1]}.yaml").is_file() for folder in folders)
    ]
    assert missing == []


def test_keys_exist() -> None:
    known = set(OmegaConf.load(ROOT / "conf" / "train.yaml").batch)
    keys = {f"batch.{key}" for key in known}
    for group in GROUPS:
        for file in (ROOT / "conf" / group).rglob("*.yaml"):
            keys |= {f"{group}.{key}" for key in OmegaConf.load(file)}
    named = [found[0] for span in spans(TEXT) if (found := re.match(rf"({'|'.join(GROUPS)}|batch)\.\w+", span))]
    assert named
    assert set(named) <= keys


def test_paths_exist() -> None:
    named = re.findall(r"(?<![\w/.])((?:conf|src|tests|experiments)/[\w./-]*\w|[\w-]+\.(?:toml|md))", TEXT)
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []
    links = [
        (ROOT / name).parent / link
        for name, text in DOCS.items()
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", text)
    ]
    assert [link for link in links if not link.exists()] == []


def test_environment_variables_exist() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    source += (ROOT / "conf" / "train.yaml").read_text()
    assert [name for name in re.findall(r"HEADWAY_[A-Z_]+", TEXT) if name not in source] == []


def tree(text: str, first: str) -> list[str]:
    """Paths in the block that begins with `first`: what is indented is inside of what is above it."""
    [block] = [block for block in blocks(text, "text") if block.startswith(first)]
    paths, above = [], {0: ""}
    for line in block.splitlines():
        depth = len(line) - len(line.lstrip())
        names = re.match(r"(?:(?:[\w./-]+[/.][\w-]*|Makefile)(?:\s+|$))+", line.strip())
        assert names, line
        paths += [above[depth] + name for name in names[0].split()]
        above = {at: folder for at, folder in above.items() if at <= depth} | {depth + 2: paths[-1]}
    return paths


def test_the_tree_is_the_repository() -> None:
    paths = tree(README, "Makefile")
    assert [path for path in paths if not (ROOT / path).exists()] == []
    modules = {f"src/headway/{path.name}{'/' * path.is_dir()}" for path in (ROOT / "src" / "headway").iterdir()}
    assert {module for module in modules if "__" not in module} <= set(paths)
    assert {f"conf/{group}/" for group in GROUPS} - {"conf/experiment/"} <= set(paths)


def test_the_run_folder_is_the_stores() -> None:
    known = {layout.RUN, layout.CONFIG, layout.OVERRIDES, layout.PATCH, layout.ENVIRONMENT, layout.HISTORY}
    known |= {
        layout.SUMMARY,
        layout.OUTPUT,
        layout.HEARTBEAT,
        layout.LOCK,
        layout.SYSTEM,
        layout.MARKS,
        layout.mirror_file("wandb"),
    }
    known |= {f"{folder}/" for folder in (layout.PREDICTIONS, layout.CHECKPOINTS, layout.ARTIFACTS)}
    [block] = [block for block in blocks(README, "text") if block.startswith("runs/")]
    assert set(re.findall(r"^  (\S+)", block, re.MULTILINE)) == known | {"traceback.txt"}
    for file in (layout.predictions_file("test", 102), layout.evaluation_file("test", 102)):
        assert file.name in block


def test_every_guarantee_names_its_harness() -> None:
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", README, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 11))
    for number, proof in rows:
        files = re.findall(r"`(tests/[\w/]+\.py)`", proof)
        assert files or proof == "not built yet", number
        assert all("\ndef test_" in (ROOT / file).read_text() for file in files), number


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packaged = re.findall(r"^[\w-]+(?===)", (ROOT / "packaged-data.txt").read_text(), re.MULTILINE)
    needed = [re.match(r"[\w-]+", line)[0] for line in project["dependencies"]]  # type: ignore[index]
    pages = json.loads((ROOT / "web" / "package.json").read_text())
    listed = re.findall(
        r"^\| ([@a-z][\w/-]*) \| ", CONTRIBUTING.split("## Dependencies")[1].split("\n## ")[0], re.MULTILINE
    )
    of_pages = [*pages["dependencies"], *pages["devDependencies"]]
    assert [name for name in listed if name != "package"] == needed + of_pages + packaged
    for line in project["optional-dependencies"]["dev"]:
        assert re.match(r"[\w-]+", line)[0] in CONTRIBUTING  # type: ignore[index]


def test_every_experiment_is_described() -> None:
    names = {path.stem for path in (ROOT / "experiments").glob("*.yaml")}
    assert set(re.findall(r"^## (\w+):", EXPERIMENTS, re.MULTILINE)) == names
    assert {
        word[11:] for command in commands(EXPERIMENTS) for word in command if word.startswith("experiment=")
    } >= names


def test_the_changelog_begins_with_this_version() -> None:
    assert re.findall(r"^## \[([\d.]+)\]", CHANGELOG, re.MULTILINE)[0] == __version__
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


# --- the snippets of CONTRIBUTING ------------------------------------------------------------------------------------


def test_a_data_set_a_task_and_a_mirror_of_ones_own(lab: Path, tiny_bert: Path) -> None:
    """The command of CONTRIBUTING, with a tiny model: all three are in a package that Headway knows nothing of."""
    (lab / "trec").mkdir()
    for split, count in (("train", 40), ("test", 8)):
        lines = [
            ("NUM:dist How far is it to", "HUM:ind Who was born in")[i % 2] + f" {split}{i} ?\n" for i in range(count)
        ]
        (lab / "trec" / f"{split}.label").write_text("".join(lines))
    [command] = [command for command in commands(CONTRIBUTING) if command[0] == "train"]
    small = [f"model.path={tiny_bert}", "trainer=debug", "trainer.threads=1", "trainer.max_steps=2", "batch.size=8"]
    environment = {**os.environ, "PYTHONPATH": ".", "HEADWAY_ALLOW": "my_lab"}
    done = subprocess.run(
        [sys.executable, "-m", "headway.cli", *command, *small, "task.max_length=16", "batch.workers=1", "--json"],
        cwd=lab, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["data"]["labels"] == ["HUM", "NUM"]
    assert shown["data"]["splits"]["test"]["rows"] == 8
    assert [(mirror["name"], mirror["status"]) for mirror in shown["mirrors"]] == [("sheet", "ok")]
    with (lab / shown["path"] / shown["mirrors"][0]["url_or_path"]).open(newline="") as file:
        rows = {(int(step), name): float(value) for step, name, value in csv.reader(file)}
    assert rows[2, "train/loss"] == shown["metrics"]["train/loss"]
    assert rows[2, "test/accuracy"] == shown["metrics"]["test/accuracy"]
    for row in pq.read_table(lab / shown["path"] / layout.predictions_file("test", 2)).to_pylist():
        p = row["scores"][["HUM", "NUM"].index(row["gold"])]
        assert row["loss"] == pytest.approx(-((1 - p) ** 2) * math.log(p), rel=1e-4)


def patched(diff: str) -> ModuleType:
    """The module that a diff of the docs would make of a file; every hunk must fit exactly once."""
    head, *lines = diff.splitlines()[1:]
    path = ROOT / head.removeprefix("+++ b/")
    source = path.read_text()
    for hunk in "\n".join(lines).split("\n...\n"):
        old, new = ("".join(f"{line[1:]}\n" for line in hunk.splitlines() if line[0] in kept) for kept in (" -", " +"))
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    module = ModuleType("patched")
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


def test_a_metric_of_ones_own() -> None:
    import numpy as np
    from sklearn.metrics import cohen_kappa_score

    [diff] = blocks(CONTRIBUTING, "diff")
    draw = np.random.default_rng(0)
    scores, gold = draw.dirichlet([1, 1, 1], 60), draw.integers(0, 3, 60)
    values, _ = patched(diff).multiclass(scores, gold, ["a", "b", "c"])
    assert values["kappa"] == pytest.approx(cohen_kappa_score(gold, scores.argmax(-1)), abs=1e-6)
