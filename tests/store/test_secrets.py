"""Guarantee 9 where a run folder is made: a canary is searched for in every byte of it."""

import subprocess
from pathlib import Path

import pytest

from headway.store.run import Run
from headway.store.writer import RunRecord

CANARY = "canary-7c1f09e2b4"


def bytes_with_canary(folder: Path) -> list[str]:
    found = [str(path) for path in folder.rglob("*") if CANARY in path.name]
    return found + [str(path) for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


@pytest.fixture
def dirty_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "a.py").write_text("key = ''\n")
    identity = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(identity + arguments, cwd=folder, check=True)
    (folder / "a.py").write_text(f"key = '{CANARY}'\n")
    (folder / f"notes-{CANARY}.txt").touch()
    monkeypatch.chdir(folder)


@pytest.mark.usefixtures("dirty_repository")
def test_no_byte_of_a_run_folder_holds_a_secret(make_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", CANARY)
    run = make_run(
        project=f"p {CANARY}",
        name=f"name {CANARY}",
        tags=[CANARY],
        notes=f"with {CANARY}",
        config_yaml=f"key: {CANARY}\n",
        overrides=[f"data.key={CANARY}"],
        command=["headway", "train", f"data.key={CANARY}"],
    )
    record = RunRecord(run)
    record.set_status("running")
    record.update(data={"source": f"https://user:{CANARY}@example.org", CANARY: [CANARY]})
    record.set_status("failed", cause=f"401 for {CANARY}")
    assert bytes_with_canary(tmp_path / "runs") == []
    assert "redacted:SERVICE_API_KEY" in (run / "code.patch").read_text()
    assert "redacted:SERVICE_API_KEY" in str(Run.open(run).meta["command"])


@pytest.mark.usefixtures("dirty_repository")
def test_the_search_finds_what_is_not_declared_secret(
    make_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The harness can fail: the same text under a name that says nothing is found in every place."""
    monkeypatch.setenv("SERVICE_COLOUR", CANARY)
    make_run(name=CANARY, overrides=[f"x={CANARY}"], config_yaml=f"x: {CANARY}\n")
    found = {Path(path).name for path in bytes_with_canary(tmp_path / "runs")}
    assert found == {"run.json", "overrides.yaml", "config.yaml", "code.patch"}
