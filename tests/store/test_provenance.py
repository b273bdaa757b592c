import subprocess
from pathlib import Path

import pytest

from headway.store import provenance


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.py").write_text("x = 1\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_a_clean_repository_has_a_commit_and_no_patch(repository: Path) -> None:
    state, patch = provenance.git_state(repository)
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    assert patch == ""


def test_the_patch_brings_the_changes_back_and_names_untracked_files(repository: Path) -> None:
    (repository / "a.py").write_bytes("x = 2  # é\n".encode("latin-1"))
    (repository / "sub" / "new é.py").write_text("secret contents")
    state, patch = provenance.git_state(repository / "sub")
    assert state["dirty"] is True
    assert "# untracked: sub/new é.py\n" in patch
    assert "secret contents" not in patch
    git(repository, "stash", "-q")
    (repository.parent / "code.patch").write_bytes(patch.encode("utf-8", "surrogateescape"))
    git(repository, "apply", "../code.patch")
    assert (repository / "a.py").read_bytes() == "x = 2  # é\n".encode("latin-1")


def test_outside_a_repository_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.git_state(tmp_path) == ({}, "")


def test_without_git_there_is_nothing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert provenance.git_state(repository) == ({}, "")


def test_a_long_diff_is_cut_at_a_line_with_a_note(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PATCH_LIMIT", 2**20)
    (repository / "a.py").write_text("y = 1234567\n" * 200_000)
    _, patch = provenance.git_state(repository)
    assert "# cut: the diff is longer than 1 MB" in patch
    assert 2**20 - 100 < len(patch) < 2**20 + 200
    assert patch.endswith("+y = 1234567\n")


def test_repository_settings_start_no_program(repository: Path) -> None:
    marker = repository.parent / "marker"
    program = repository.parent / "program"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    for setting in ("diff.external", "core.fsmonitor", "diff.x.textconv", "diff.x.command"):
        git(repository, "config", setting, str(program))
    (repository / ".gitattributes").write_text("*.py diff=x\n")
    (repository / "a.py").write_text("x = 2\n")
    marker.unlink(missing_ok=True)
    assert "+x = 2" in provenance.git_state(repository)[1]
    assert not marker.exists()


def test_the_environment_lists_exact_versions() -> None:
    lines = provenance.environment().splitlines()
    assert lines[0].startswith("# Python 3.")
    assert any(line.startswith("pytest==") for line in lines)
    assert lines[2:] == sorted(lines[2:], key=str.lower)


def test_the_environment_takes_names_from_the_head_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "odd_one-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: Odd.One\nVersion: 1.2+cpu\n\nName: other\n")
    (tmp_path / "nameless-1.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    provenance._packages.cache_clear()
    try:
        lines = provenance.environment().splitlines()
    finally:
        provenance._packages.cache_clear()
    assert "Odd.One==1.2+cpu" in lines
    assert not any(line.startswith(("other", "None", "nameless")) for line in lines)
