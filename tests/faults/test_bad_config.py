"""Fault 15: a wrong configuration is refused before any heavy import, all errors at once, with "did you mean"."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "pytorch_lightning", "datasets", "pandas", "wandb", "numpy", "pyarrow")
COMMAND = f"""
import sys
from headway.cli import main
code = main(sys.argv[1:])
print("heavy:", *sorted(set(sys.modules) & {set(HEAVY)!r}))
sys.exit(code)
"""
ROW_15 = {
    "optimzer=sgd": "optimzer: unknown key; did you mean optimizer?",
    "optimizer.lrr=1": "optimizer.lrr: unknown key; did you mean lr?",
    "optimizer.lr=abc": "optimizer.lr: 'abc' does not fit",
    "trainer.gradient_clip_val=nan": "trainer.gradient_clip_val: nan is not a finite number",
    "batch.size=-32": "batch.size: -32 does not fit",
    "data=csv": "data.path: has no value yet; give it with data.path=VALUE",
    "model=bert-bas": "model=bert-bas: no such option; did you mean bert-base?",
    "task._target_=os.system": "task._target_: os.system is never allowed",
}


def headway(folder: Path, *argv: str) -> tuple[int, list[str], str]:
    """(exit code, lines on stderr, heavy modules that were imported) of a command given in `folder`."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *argv], cwd=folder, capture_output=True, text=True, check=False
    )
    heavy = [line for line in done.stdout.splitlines() if line.startswith("heavy:")]
    assert heavy, done.stderr
    return done.returncode, done.stderr.splitlines(), heavy[0].removeprefix("heavy:").strip()


@pytest.mark.parametrize("command", [["train"], ["train", "-m"], ["check"]], ids=" ".join)
def test_all_at_once_before_anything_heavy(command: list[str], tmp_path: Path) -> None:
    code, lines, heavy = headway(tmp_path, *command, *ROW_15)
    assert code == 2
    assert heavy == ""
    assert len(lines) == len(ROW_15), lines
    for expected in ROW_15.values():
        assert any(line.startswith(f"headway: error: {expected}") for line in lines), expected
    assert list(tmp_path.iterdir()) == [], "no run, no folder"


def test_each_value_of_a_sweep(tmp_path: Path) -> None:
    code, lines, heavy = headway(tmp_path, "train", "-m", "seed=0,1,two", "model=minilm,bert-bas")
    assert (code, heavy) == (2, "")
    assert [line.split(" ")[2] for line in lines] == ["model=bert-bas:", "seed:"]


def test_config_files_are_judged_like_overrides(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "mine" / "optimizer").mkdir(parents=True)
    (tmp_path / "mine" / "optimizer" / "bad.yaml").write_text(
        f"_target_: headway.config.targets.os.system\ncommand: touch {marker}\nlr: .nan\n"
    )
    code, lines, heavy = headway(tmp_path, "train", "--config-dir", "mine", "optimizer=bad")
    assert (code, heavy) == (2, "")
    assert [line.split(" ")[2] for line in lines] == ["optimizer.lr:", "optimizer._target_:"]
    assert not marker.exists()


@pytest.mark.parametrize("argv", [["train", "--cfg", "job"], ["--help"], ["train", "--help"]], ids=" ".join)
def test_showing_imports_nothing_heavy(argv: list[str], tmp_path: Path) -> None:
    code = f"{COMMAND}".replace(
        "code = main(sys.argv[1:])", "try: code = main(sys.argv[1:])\nexcept SystemExit: code = 0"
    )
    done = subprocess.run([sys.executable, "-c", code, *argv], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy:"
