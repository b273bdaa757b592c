"""The command itself: what it imports, what it prints, how it ends. What a run is good for: test_end_to_end."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.cli import main
from headway.commands.runs import SQL_HELP
from headway.config.completion import COMMANDS, SHELLS, script
from headway.errors import RunError
from headway.store.marks import write_marks
from headway.store.run import Run
from headway.store.writer import create_run

HEAVY = (
    "torch",
    "pytorch_lightning",
    "torchmetrics",
    "transformers",
    "datasets",
    "pandas",
    "wandb",
    "numpy",
    "pyarrow",
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("HEADWAY_RUNS", "HEADWAY_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def make_run(folder: Path, **changes: Any) -> Path:
    fields: dict[str, Any] = {"project": "p", "name": None, "tags": [], "notes": None, "overrides": ["seed=1"]}
    fields |= {"config_yaml": "seed: 1\n", "config_hash": "ab" * 8, "command": ["headway", "train"], "seed": 1}
    return create_run(folder, **(fields | changes))


# --- law 4: what is imported -----------------------------------------------------------------------------------------

LOOK = f"""
import json, sys
seen = {{}}
def look(step):
    seen[step] = sorted(set(sys.modules) & set({HEAVY!r}) - {{name for names in seen.values() for name in names}})
"""
COMMAND_LINES = (
    *(
        "--help",
        "train --help",
        "check --help",
        "tune-batch --help",
        "predict --help",
        "train --cfg job",
        "train optimizer=sgd --help",
    ),
    *(
        "train --prepare",
        "train optimizer.lrr=1",
        "runs",
        "runs --json",
        "runs --archived",
        "sql --help",
        "show last",
        "show last --json",
    ),
    *(
        "resume nothing",
        "eval nothing",
        "predict nothing text",
        "completion bash",
        "completion --query headway_train_m",
    ),
)


def brought_in(program: str) -> dict[str, list[str]]:
    """Step -> heavy modules that it brought in. `program` calls look(step) after each, in a process of its own."""
    code = f"{LOOK}{program}\nsys.stderr.write('\\n' + json.dumps(seen))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seen: dict[str, list[str]] = json.loads(done.stderr.splitlines()[-1])
    return seen


def test_commands_that_only_look_import_nothing_heavy() -> None:
    program = f"""
from headway.cli import main
for line in {COMMAND_LINES!r}:
    try:
        main([word.replace("_", " ") for word in line.split()])
    except SystemExit:
        pass
    look(line)
"""
    assert brought_in(program) == {line: [] for line in COMMAND_LINES}
    assert len(list(Path("runs").glob("default/*/run.json"))) == 1, "--prepare did its work"


def test_the_record_and_the_supervisor_import_nothing_heavy() -> None:
    """Every module of the packages that must stay light, and of training what runs beside the worker."""
    program = """
import importlib, pkgutil
names = ["cli", "errors", "facts", "formats", "training.launch", "training.supervisor"]
names += ["training.display", "trackers.base", "trackers.mirror", "trackers.wandb", "worker"]
for package in ("store", "config", "commands", "views"):
    found = importlib.import_module(f"headway.{package}")
    names += [f"{package}.{module.name}" for module in pkgutil.iter_modules(found.__path__)]
for name in names:
    importlib.import_module(f"headway.{name}")
    look(name)
"""
    seen = brought_in(program)
    assert {"store.history", "store.writer", "config.compose", "config.schema", "commands.train", "views.runs"} <= set(
        seen
    )
    assert {name: heavy for name, heavy in seen.items() if heavy} == {}


def test_the_look_can_fail() -> None:
    assert brought_in("import pyarrow\nlook('one')\nimport numpy\nlook('two')")["one"] == ["numpy", "pyarrow"]


# --- what is printed -------------------------------------------------------------------------------------------------


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == importlib.metadata.version("headway")


def test_help_and_completion_know_the_same_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    shown = [line.split()[0] for line in lines if line.startswith("    ") and not line.startswith("     ")]
    assert sorted(shown) == sorted(COMMANDS)
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert f"usage: headway {command} " in capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == script(shell)


def test_no_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["runs"]) == 0
    assert capsys.readouterr().out == "no runs in runs; start one with: headway train\n"


def test_runs_of_a_folder_a_project_and_a_number(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = elsewhere / "kept"
    runs = [make_run(folder, project=project).name for project in ("a", "a", "b")]
    for arguments, expected in (([], runs[::-1]), (["--project", "a"], runs[1::-1]), (["--limit", "1"], runs[:1:-1])):
        assert main(["runs", "--json", "--runs-dir", str(folder), *arguments]) == 0
        assert [run["id"] for run in json.loads(capsys.readouterr().out)] == expected
    assert main(["runs", "--runs-dir", str(folder), "--limit", "1"]) == 0
    assert "2 older runs are not shown; --limit 0 shows all" in capsys.readouterr().out
    assert main(["runs", "--runs-dir", str(folder), "--limit", "0"]) == 0
    assert all(run in capsys.readouterr().out for run in runs[:1])


def test_runs_of_a_filter_in_an_order(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [make_run(elsewhere / "runs", name=name, seed=seed, project=name) for seed, name in enumerate("abc")]
    write_marks(runs[2], archived=True)
    for arguments, expected in (
        ([], "ba"),
        (["--archived"], "cba"),
        (["--sort", "seed"], "ab"),
        (["--sort=-name", "--archived"], "cba"),
        (["--filter", "seed < 1 or name = c"], "a"),
        (["--filter", "seed < 1 or name = c", "--archived", "--sort", "name"], "ac"),
        (["--filter", "seed >= 0", "--limit", "1"], "b"),
        (["--filter", "seed >= 0", "--project", "a"], "a"),
    ):
        assert main(["runs", "--json", *arguments]) == 0
        assert "".join(run["name"] for run in json.loads(capsys.readouterr().out)) == expected
    assert main(["runs", "--sort", "seed", "--limit", "1"]) == 0
    assert "1 more runs are not shown" in capsys.readouterr().out
    assert main(["runs", "--filter", "seed > 9"]) == 0
    assert capsys.readouterr().out == "no run in runs matches seed > 9\n"
    assert main(["runs", "--filter", "sed > 9"]) == 2
    said = "no run has sed; did you mean seed? (at character 1)"
    assert capsys.readouterr() == ("", f"headway: error: {said}\n")


def test_sql(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, name in enumerate(["=1+1", "\x1b[31mred"]):
        make_run(elsewhere / "runs", name=name, seed=seed)
    query = "SELECT seed, name FROM runs ORDER BY seed"
    assert main(["sql", query, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"seed": 0, "name": "=1+1"}, {"seed": 1, "name": "\x1b[31mred"}]
    assert main(["sql", query, "--csv"]) == 0
    assert capsys.readouterr().out == "seed,name\n0,'=1+1\n1,\x1b[31mred\n"
    assert main(["sql", query, "--limit", "1"]) == 0
    out, err = capsys.readouterr()
    assert [line.split() for line in out.splitlines()] == [["seed", "name"], ["0", "=1+1"]]
    assert err == "headway: only the first 1 rows; --limit N shows more\n"
    assert main(["sql", query]) == 0
    assert "\\u001b[31mred" in capsys.readouterr().out
    assert main(["sql", "DROP TABLE main.runs"]) == 2
    assert capsys.readouterr().err == "headway: error: sql: only SELECT is allowed here\n"


def test_the_help_of_sql_names_the_columns_that_there_are(elsewhere: Path) -> None:
    from headway import Store

    make_run(elsewhere / "runs")
    store = Store(elsewhere / "runs")
    store.refresh()
    tables = re.sub(r" \(\w+\)", "", SQL_HELP).partition("tables:\n")[2].partition("\nconfig.value")[0]
    shown = [re.findall(r"\w+", table) for table in re.split(r"^  (?=\w)", tables, flags=re.MULTILINE)[1:]]
    assert [name for name, *_ in shown] == ["runs", "config", "metrics", "history"]
    for name, *columns in shown:
        assert store.sql(f"SELECT * FROM {name}").columns == columns


def test_a_prepared_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--prepare", "optimizer.lr=3e-5", "project=a/b", "seed=7"]) == 0
    run = Run.open(capsys.readouterr().out.strip())
    assert (run.status, run.project, run.meta["seed"]) == ("created", "a/b", 7)
    assert run.overrides == ["optimizer.lr=3e-5", "project=a/b", "seed=7"]
    assert main(["train", "--json", "--prepare", "-m", "seed=0,1"]) == 0
    out = capsys.readouterr().out
    assert [Run.open(json.loads(line)["path"]).meta["seed"] for line in out.splitlines()] == [0, 1]


# --- how it ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["show"], ["resume"], ["eval"], ["predict", "--json"]])
def test_an_unknown_run_is_one_line(command: list[str], elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(elsewhere / "runs", name="first")
    assert main([command[0], "frist", *["a text"] * (command[0] == "predict"), *command[1:]]) == 2
    assert capsys.readouterr() == ("", "headway: error: run 'frist': not found in runs; did you mean 'first'?\n")


def test_each_problem_of_a_config_is_a_line(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "optimizer.lrr=1", "seed=x"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(" ")[:3] for line in err.splitlines()] == [
        ["headway:", "error:", "optimizer.lrr:"],
        ["headway:", "error:", "seed:"],
    ]
    assert list(elsewhere.iterdir()) == []


def test_debug_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_DEBUG", "1")
    with pytest.raises(RunError, match="holds no runs"):
        main(["show", "last"])


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["show"], ["runs", "--limit", "x"], ["completion", "csh"]])
def test_a_wrong_command_line_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: headway" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "code"), [("finished", 0), ("diverged", 3), ("preempted", 143), ("stopped", 130)])
@pytest.mark.parametrize("as_json", [True, False])
def test_train_ends_as_the_run_did(
    status: str, code: int, as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from headway.training import launch
    from headway.training.supervisor import Outcome

    cause = None if code == 0 else "[bold]why[/bold]"
    run = Run.open(make_run(Path("runs")))
    monkeypatch.setattr(launch, "launch", lambda *_: launch.Finished(run, Outcome(status, code, cause)))
    assert main(["train", *["--json"] * as_json]) == code
    out, err = capsys.readouterr()
    assert (json.loads(out)["id"] == run.id) if as_json else (run.id in out)
    assert err == ("" if cause is None else f"headway: {status}: {cause}\n")


def test_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headway.store.find.list_runs", interrupted)
    assert main(["runs"]) == 130


def test_a_closed_pipe_is_no_error(elsewhere: Path) -> None:
    for _ in range(30):  # more than a pipe's buffer holds
        make_run(elsewhere / "runs", notes="n" * 9000)
    command = [sys.executable, "-m", "headway.cli", "runs", "--json", "--limit", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
