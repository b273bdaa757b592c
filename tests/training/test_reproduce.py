"""`headway reproduce` on a real repository: code of its own, a run, a second commit, and the run done again."""

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headway.commands.base import Command
from headway.commands.reproduce import add
from headway.config.freeze import config_hash
from headway.errors import ConfigError, DataError, HeadwayError, RunError
from headway.store.provenance import git_state
from headway.store.run import Run
from headway.training import recorded_code
from headway.training.recorded_code import checkout, code_of, imported, obstacle, search_path

SCHEDULE = "def plan(step: int, total: int) -> float:\n    return {}\n"
STEPS = 10  # of the run: 100 examples less those held out, in batches of 8


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def digest(folder: Path) -> str:
    """Of every name and byte."""
    found = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        found.update(str(file).encode() + (file.read_bytes() if file.is_file() else b""))
    return found.hexdigest()


def reproduce(*arguments: str) -> int:
    """`headway reproduce ...` with code of the package `own` allowed."""
    top = argparse.ArgumentParser()
    add(Command(top.add_subparsers()))
    options = top.parse_args(["reproduce", *arguments])
    return options.call(options)


@dataclass
class Study:
    """A repository with one commit, and a run that was trained with its code."""

    code: Path
    data: Path
    run: Path

    def copied(self, folder: Path, **meta: Any) -> Path:
        """A copy of the run folder with other fields in run.json."""
        copy = folder / "copies" / self.run.name
        shutil.copytree(self.run, copy)
        old = json.loads((copy / "run.json").read_text())
        (copy / "run.json").write_text(json.dumps(old | meta))
        return copy


@pytest.fixture(scope="module")
def study(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    root = tmp_path_factory.mktemp("study")
    code, data = root / "code", root / "reviews.csv"
    (code / "own").mkdir(parents=True)
    (code / "own" / "__init__.py").touch()
    (code / "own" / "schedules.py").write_text(SCHEDULE.format("1.0"))
    (code / ".gitignore").write_text("__pycache__/\noutputs/\n")
    git(code, "init", "-q")
    git(code, "add", ".")
    git(code, "commit", "-q", "-m", "first")
    rows = [f"{'good' if i % 2 else 'bad'} {i},{'pos' if i % 2 else 'neg'}\n" for i in range(100)]
    data.write_text("text,label\n" + "".join(rows))
    patch = pytest.MonkeyPatch()
    patch.chdir(code)
    patch.syspath_prepend(code)
    patch.setenv("PYTHONPATH", str(code))
    patch.setenv("HEADWAY_RUNS", str(root / "runs"))
    patch.setenv("HEADWAY_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    patch.setenv("HEADWAY_ALLOW", "")  # put back afterwards: the command adds to it
    command = [
        *(sys.executable, "-P", "-m", "headway.cli", "train", "--json", "--allow", "own", "data=csv"),
        *(f"data.path={data}", f"model.path={tiny_bert}", "model.pooling=mean", "task.max_length=16", "batch.size=8"),
        *("scheduler=constant", "~scheduler.warmup", "scheduler._target_=own.schedules.plan", "trainer.threads=1"),
        *("data.val_fraction=0.1", "data.test_fraction=0.18", "trainer.max_epochs=1", "trainer.accelerator=cpu"),
        *("optimizer.lr=1e-3", "name=first try", "tags=[mine]"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    yield Study(code, data, Path(json.loads(result.stdout)["path"]))
    patch.undo()


@dataclass
class Replayed:
    """What `headway reproduce --json` said; `untouched`: the original's folder is as it was."""

    exit_code: int
    said: dict[str, Any]
    untouched: bool

    @property
    def run(self) -> Run:
        return Run.open(self.said["path"])


def replay(run: Path, *arguments: str) -> Replayed:
    before, out = digest(run), io.StringIO()
    with redirect_stdout(out):
        code = reproduce(str(run), "--allow", "own", "--json", *arguments)
    return Replayed(code, json.loads(out.getvalue()), digest(run) == before)


@pytest.fixture(scope="module")
def interrupted(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """Of a run of many epochs that was killed in the second, before its code was changed."""
    text = (study.run / "config.yaml").read_text().replace("max_epochs: 1\n", "max_epochs: 200\n")
    meta = {"status": "crashed", "config_hash": config_hash(text)}
    copy = study.copied(tmp_path_factory.mktemp("killed"), **meta)
    (copy / "config.yaml").write_text(text)
    rows = [row for row in (copy / "history.jsonl").read_text().splitlines() if "test/" not in row]
    assert len(rows) == STEPS + 1
    superseded = json.dumps({"step": STEPS + 1, "train/loss": 99.0}), json.dumps({"resumed_at": STEPS})
    (copy / "history.jsonl").write_text("".join(f"{row}\n" for row in [*rows, *superseded]))
    return replay(copy)


@pytest.fixture(scope="module")
def changed(study: Study, interrupted: Replayed) -> Study:
    """A second commit of the code: another rate from the sixth step on."""
    assert interrupted.said["before"]["code"].startswith("as it was")
    (study.code / "own" / "schedules.py").write_text(SCHEDULE.format("1.0 if step < 5 else 0.5"))
    git(study.code, "commit", "-q", "-a", "-m", "second")
    return study


@pytest.fixture(scope="module")
def with_present_code(changed: Study) -> Replayed:
    return replay(changed.run, "--code", "present")


@pytest.fixture(scope="module")
def with_recorded_code(changed: Study) -> Replayed:
    return replay(changed.run)


def test_a_run_that_was_interrupted_is_done_again_as_far_as_it_was_recorded(interrupted: Replayed) -> None:
    assert interrupted.exit_code == 0
    verdict = interrupted.said["verdict"]
    assert (verdict["outcome"], verdict["identical_to"], verdict["first"]) == ("bit-identical", STEPS, None)
    assert interrupted.said["before"]["until"] == STEPS
    assert interrupted.run.status == "stopped"
    assert f"was to be trained up to step {STEPS}" in interrupted.run.meta["cause"]
    assert STEPS < (interrupted.run.history().last_step or 0) < 200 * STEPS
    assert interrupted.untouched


def test_other_code_is_told_with_the_first_step_that_differs(with_present_code: Replayed) -> None:
    assert with_present_code.exit_code == 1
    verdict = with_present_code.said["verdict"]
    assert (verdict["outcome"], verdict["identical_to"]) == ("identical to a step", 5)
    first = verdict["first"]
    assert (first["step"], first["name"], first["original"], first["replayed"]) == (6, "train/lr", 1e-3, 5e-4)
    assert {one["name"]: one["relative"] for one in verdict["final"]}["train/lr"] == 0.5
    assert [(change["kind"], change["name"]) for change in verdict["changes"] if change["decides"]] == [
        ("code", "commit")
    ]
    assert "as asked" in with_present_code.said["before"]["code"]
    assert with_present_code.untouched


def test_recorded_code_brings_every_bit_back(with_recorded_code: Replayed, changed: Study) -> None:
    assert with_recorded_code.exit_code == 0
    verdict = with_recorded_code.said["verdict"]
    assert verdict["outcome"] == "bit-identical"
    assert {(one["name"], one["step"]) for one in verdict["compared"]} >= {
        ("weights", STEPS),
        ("predictions/val", STEPS),
        ("predictions/test", STEPS),
    }
    assert verdict["changes"] == []
    assert verdict["notes"] == []
    assert with_recorded_code.untouched
    assert git(changed.code, "status", "--porcelain") == ""
    assert len(git(changed.code, "worktree", "list").splitlines()) == 1


def test_the_new_run_says_what_it_is(with_recorded_code: Replayed, study: Study) -> None:
    run, original = with_recorded_code.run, Run.open(study.run)
    assert run.id != original.id
    assert run.meta["parent"] == original.id
    assert (run.name, run.project, run.tags) == ("first try (reproduction)", original.project, ["mine", "reproduction"])
    assert run.meta["git"] == original.meta["git"]
    assert run.config_text == original.config_text
    assert run.meta["hardware"]["cores"] >= 1
    assert run.meta["hardware"]["processor"]
    kept = json.loads((run.path / "artifacts" / "reproduction.json").read_text())
    assert kept["original"] == original.id
    assert kept["outcome"] == "bit-identical"


def test_two_recorded_runs_are_compared_without_training(
    study: Study, with_present_code: Replayed, with_recorded_code: Replayed, capsys: pytest.CaptureFixture[str]
) -> None:
    other, same = with_present_code.said["path"], with_recorded_code.said["path"]
    assert reproduce(str(study.run), "--against", other) == 1
    text = capsys.readouterr().out
    assert "identical to step 5" in text
    assert "first: step 6, train/lr: 0.001 against 0.0005, 5.0e-01 of it" in text
    assert "test/loss" in text
    assert "differs: commit" in text
    assert reproduce(str(study.run), "--against", same) == 0
    assert "bit-identical" in capsys.readouterr().out


def test_weights_that_differ_are_named(study: Study, with_present_code: Replayed) -> None:
    from headway.training.reproduce import compare_runs

    found = compare_runs(Run.open(study.run), with_present_code.run)
    weights = next(one for one in found.compared if one.name == "weights")
    assert any(name.endswith("word_embeddings.weight") for name in weights.differing)
    assert all(how.startswith("by up to ") for how in weights.differing.values())


def test_changed_data_and_packages_are_told_and_the_data_refused(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = study.copied(tmp_path)
    environment = copy / "environment.txt"
    lines = environment.read_text().splitlines()
    changed = ["torch==1.0" if line.startswith("torch==") else line for line in lines if "pytest==" not in line]
    environment.write_text("\n".join(changed))
    before = study.data.read_text()
    study.data.write_text(before + "good 999,pos\n")
    try:
        with pytest.raises(DataError, match=r"the data has changed since run .* add --anyway"):
            reproduce(str(copy), "--dry-run", "--allow", "own")
    finally:
        study.data.write_text(before)
    text = capsys.readouterr().out
    assert "packages: torch 1.0 -> " in text
    assert "pytest none -> " in text
    assert "data: fingerprint " in text
    assert not list(copy.parent.parent.glob("runs/*"))


def test_what_may_not_run_here_is_refused(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_ALLOW", "")
    with pytest.raises(ConfigError, match=r"scheduler\._target_: own\.schedules\.plan is not allowed.*--allow"):
        reproduce(str(study.run), "--dry-run")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("config.yaml", "seed: 1\n", "config.yaml: was changed after the run began"),
        ("history.jsonl", "", "recorded no step"),
    ],
)
def test_a_run_that_cannot_be_done_again_says_why(
    study: Study, tmp_path: Path, name: str, text: str, problem: str
) -> None:
    copy = study.copied(tmp_path)
    (copy / name).write_text(text)
    with pytest.raises(RunError, match=problem):
        reproduce(str(copy), "--dry-run", "--allow", "own")


# --- which code runs ---------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits; Python imports from its folder `src`."""
    folder = tmp_path / "code"
    (folder / "src").mkdir(parents=True)
    for text in ("x = 1\n", "x = 2\n"):
        (folder / "src" / "a.py").write_text(text)
        if not (folder / ".git").exists():
            git(folder, "init", "-q", "-b", "main")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", text)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder / "src"))
    return folder


def run_of(folder: Path, commit: str, patch: str = "") -> Run:
    """A run as far as its code is concerned."""
    folder.mkdir(exist_ok=True)
    (folder / "code.patch").write_text(patch)
    return Run(folder, {"git": {"commit": commit}})


def test_a_checkout_has_the_commit_and_the_patch_and_leaves_the_users_files_alone(
    repository: Path, tmp_path: Path
) -> None:
    first = git(repository, "rev-parse", "HEAD~1").strip()
    git(repository, "checkout", "-q", first)
    (repository / "src" / "a.py").write_text("x = 'patched'\n")
    run = run_of(tmp_path / "run", *reversed_state(repository))
    git(repository, "checkout", "-q", "-f", "main")
    (repository / "src" / "a.py").write_text("x = 'in work'\n")
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'hook-ran'}\n")
    hook.chmod(0o755)
    index = (repository / ".git" / "index").read_bytes()
    with code_of(run, "recorded") as code:
        assert code.folder is not None
        assert (code.folder / "src" / "a.py").read_text() == "x = 'patched'\n"
        first_entry, *others = code.environment["PYTHONPATH"].split(":")
        assert Path(first_entry) == code.folder / "src"
        assert others == [str(repository / "src")]
        assert git_state(code.folder)[0] == {"commit": first, "dirty": True}
        folder = code.folder
    assert not folder.exists()
    assert (repository / "src" / "a.py").read_text() == "x = 'in work'\n"
    assert (repository / ".git" / "index").read_bytes() == index
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert not (tmp_path / "hook-ran").exists()


def reversed_state(repository: Path) -> tuple[str, str]:
    state, patch = git_state(repository)
    return state["commit"], patch


def test_code_of_the_run_folder_runs_only_if_asked_for(repository: Path, tmp_path: Path) -> None:
    first = git(repository, "rev-parse", "HEAD~1").strip()
    patch = "diff --git a/src/a.py b/src/a.py\n--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 3\n"
    with code_of(run_of(tmp_path / "run", first, patch), "auto") as code:
        assert code.folder is None
        assert "--code recorded runs" in code.line
        assert "only if you trust it" in code.line
    git(repository, "checkout", "-q", "--orphan", "other")
    git(repository, "commit", "-q", "-m", "unrelated")
    with code_of(run_of(tmp_path / "run", first), "auto") as code:
        assert code.folder is None
        assert "a commit that is not in the history of this one" in code.line
    with code_of(run_of(tmp_path / "run", first), "recorded") as code:
        assert code.folder is not None


@pytest.mark.parametrize(
    ("commit", "patch", "problem"),
    [
        ("", "", "names no commit"),
        ("--upload-pack=touch x", "", "names no commit"),
        ("a" * 40, "", "has no commit aaaaaaaaaa"),
        ("HEAD~1", "# cut: the diff is longer than 5 MB\ndiff --git a/a b/a\n", "is not whole"),
        ("HEAD~1", "# changes\ndiff --git a/a b/a\n+key = '<redacted:API_KEY>'\n", "was redacted"),
    ],
)
def test_code_that_cannot_be_had_is_said_and_the_present_code_runs(
    repository: Path, tmp_path: Path, commit: str, patch: str, problem: str
) -> None:
    commit = git(repository, "rev-parse", commit).strip() if commit == "HEAD~1" else commit
    run = run_of(tmp_path / "run", commit, patch)
    with code_of(run, "auto") as code:
        assert code.folder is None
        assert problem in code.line
    with pytest.raises(RunError, match=problem), code_of(run, "recorded"):
        pass


def test_a_patch_that_does_not_apply_is_said(repository: Path, tmp_path: Path) -> None:
    patch = tmp_path / "code.patch"
    patch.write_text("diff --git a/b.py b/b.py\n--- a/b.py\n+++ b/b.py\n@@ -1 +1 @@\n-x\n+y\n")
    with pytest.raises(HeadwayError, match=r"git apply: error: b\.py"), checkout(repository, "HEAD", patch):
        pass
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_a_repository_that_nothing_is_imported_from_is_not_the_code(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    head = git(repository, "rev-parse", "HEAD").strip()
    assert imported(repository) == []
    assert "nothing that Python imports" in str(obstacle(head, "", repository))
    assert search_path(repository, repository) == ""


def test_untracked_modules_were_not_recorded_and_are_named() -> None:
    patch = "# changes on top of x\n# untracked: new.py\n# untracked: notes.txt\n"
    assert recorded_code.untracked(patch) == "; not recorded: new.py (untracked)"
    assert recorded_code.untracked(patch + "diff --git a/a b/a\n+# untracked: b.py\n").count(".py") == 1
