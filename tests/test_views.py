import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from headway.store.history import HistoryWriter, Summary
from headway.store.run import Run
from headway.store.writer import RunRecord, create_run
from headway.views.runs import finished_view, runs_json, runs_table, show_json, show_view

DATA = {
    "fingerprint": "9f" * 32,
    "labels": ["neg", "pos"],
    "tokens": {"train": 400123},
    "splits": {"train": {"rows": 1600, "dropped_empty": 2, "duplicates": 14}, "test": {"rows": 445, "duplicates": 3}},
    "duplicates_across": [{"splits": ["train", "test"], "count": 21, "examples": [["a.csv:12", "b.csv:1930"]]}],
    "checks": {"warnings": ["2 texts of test are nearly the same as one of train"]},
}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    monkeypatch.chdir(tmp_path)

    def build(status: str, accuracy: float | None = None, *, metric: str = "val/accuracy", **fields: Any) -> Run:
        defaults: dict[str, Any] = {"project": "p", "name": None, "tags": [], "notes": None, "overrides": ["seed=3"]}
        defaults |= {"config_yaml": "seed: 3\n", "config_hash": "ab" * 8, "command": ["headway", "train"], "seed": 3}
        path = create_run(tmp_path / "runs", **(defaults | fields))
        record = RunRecord(path)
        record.update(
            monitor={"metric": metric, "mode": "max"}, plan={"steps": 200}, data=DATA, model={"parameters": 22713216}
        )
        if status == "created":
            return Run.open(path)
        record.set_status("running")
        if accuracy is not None:
            with HistoryWriter(path / "history.jsonl") as history:
                history.log(50, {"train/loss": 0.5, "train/lr": 5e-5})
                history.log(50, {metric: accuracy, "val/loss": float("nan")})
            Summary.rebuild(path).write()
        if status == "crashed":
            record.update(pid_started=1.0)
        elif status != "running":
            record.set_status(status, cause="because" if status == "failed" else None)
        return Run.open(path)

    return build


def printed(*parts: RenderableType, width: int = 100, colour: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, highlight=False, force_terminal=colour, color_system="standard" if colour else None
    )
    for part in parts:
        console.print(part)
    return out.getvalue()


def add_checkpoints(run: Run) -> None:
    for step in (40, 50):
        (run.path / "checkpoints" / f"step-{step:06d}.ckpt").write_bytes(b"x" * 2048)
    (run.path / "checkpoints" / "best").write_text("step-000040.ckpt\n")
    (run.path / "checkpoints" / "last").write_text("step-000050.ckpt\n")


# --- headway runs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 100, 140])
def test_each_run_is_one_line_with_its_whole_id_at_any_width(make, width: int) -> None:
    names = [None, "a name", "a name that is longer than any column should be", "[bold]x\x1b[31m"]
    statuses = ["finished", "crashed", "running", "diverged"]
    overrides = ["model=bert-base", "optimizer.lr=5e-4", "trainer.max_epochs=10", "data.limit=1000"]
    runs = [make(s, 0.5, name=name, overrides=overrides) for s, name in zip(statuses, names, strict=True)]
    header, *lines = printed(runs_table(runs), width=width).splitlines()
    assert header.startswith("run")
    assert "val/accuracy" in header
    assert len(lines) == 4
    for run, line in zip(runs, lines, strict=True):
        assert run.id in line
        assert run.status in line
        assert len(line) <= width
    assert ("model=bert-base" in lines[0]) == (width >= 100)


def test_statuses_have_colours_and_the_best_run_stands_out(make) -> None:
    runs = [make("finished", 0.5), make("failed", 0.75), make("finished", None)]
    text = printed(runs_table(runs), colour=True)
    assert "\x1b[32mfinished" in text
    assert "\x1b[1;31mfailed" in text
    assert re.search(r"\x1b\[1;32m *0\.7500", text)
    assert not re.search(r"\x1b\[1;32m *0\.5000", text)


def test_runs_that_monitor_different_metrics_name_them(make) -> None:
    text = printed(runs_table([make("finished", 0.5), make("finished", 0.25, metric="val/f1")]), width=140)
    assert "val/accuracy 0.5000" in text
    assert "val/f1 0.2500" in text


def test_a_running_run_shows_how_far_it_is(make) -> None:
    assert "running 25%" in printed(runs_table([make("running", 0.5)]), width=140)


def test_projects_are_a_column_only_when_there_are_several(make) -> None:
    one, other = make("created"), make("created", project="other")
    assert "project" not in printed(runs_table([one]), width=140)
    assert "other" in printed(runs_table([one, other]), width=140)


def test_no_runs_are_an_empty_table() -> None:
    assert runs_json([]) == []
    assert printed(runs_table([])).strip() == ""


def test_markup_and_terminal_codes_in_a_name_are_text(make) -> None:
    run = make("finished", 0.5, name="[red]x[/red]\x1b[2J\u202e", tags=["[bold]"], notes="\x07", project="[b]")
    for view in (runs_table([run]), show_view(run)):
        text = printed(view, width=140, colour=True)
        assert "[red]x[/red]" in text
        assert "\x1b[2J" not in text
        assert "\u202e" not in text
        assert "\x07" not in text


def test_the_json_of_runs(make) -> None:
    run = make("failed", 0.75, name="n", tags=["t"])
    (found,) = runs_json([run])
    assert found["id"] == run.id
    assert (found["status"], found["cause"], found["exit_code"]) == ("failed", "because", 1)
    assert found["monitor"] == {"metric": "val/accuracy", "mode": "max", "best": 0.75, "best_step": 50}
    assert found["metrics"]["val/loss"] == "NaN"
    assert (found["step"], found["steps"], found["seed"], found["overrides"]) == (50, 200, 3, ["seed=3"])
    json.dumps(found, allow_nan=False)


# --- headway show ----------------------------------------------------------------------------------------------------


def test_show_says_everything_that_matters(make) -> None:
    run = make("failed", 0.75, name="named", tags=["a", "b"], notes="why")
    add_checkpoints(run)
    (run.path / "mirror-wandb.json").write_text('{"name": "wandb", "status": "failed", "cause": "no key", "rows": 3}')
    text = printed(show_view(run), width=200)
    for part in [
        *(run.id, "named", "failed  because", "a, b", "why", "headway train", "22,713,216 parameters", str(run.path)),
        *("tracker wandb", "failed  3 rows  no key"),
        *("fingerprint 9f9f9f9f9f9f9f9f, 2 labels: neg, pos", "1,600", "400,123"),
        "21 texts of test are in train too, such as b.csv:1930 = a.csv:12",
        "2 texts of test are nearly the same as one of train",
        *("checkpoints/step-000040.ckpt   2.0 KB   best", "checkpoints/step-000050.ckpt   2.0 KB   last"),
        *(f"headway resume {run.id}", f"headway eval {run.id}", f"headway predict {run.id}", "output.log"),
    ]:
        assert part in text
    metrics = {
        line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip().startswith(("val/", "train/"))
    }
    assert metrics == {
        "val/accuracy": ["0.7500", "0.7500", "50"],
        "val/loss": ["nan"],
        "train/loss": ["0.5000", "0.5000", "50"],
        "train/lr": ["5.00e-05"],
    }


@pytest.mark.parametrize("width", [80, 140])
def test_show_stays_inside_the_width(make, width: int) -> None:
    run = make("finished", 0.5, name="n" * 500, notes="w" * 500, tags=["t" * 300])
    assert max(map(len, printed(show_view(run), width=width).splitlines())) <= width


def test_a_run_that_never_began_can_be_shown(make) -> None:
    text = printed(show_view(make("created")))
    assert "created" in text
    assert "metrics" not in text
    assert "checkpoints ─" not in text


@pytest.mark.parametrize(
    "broken", [{"data": [1]}, {"git": "x"}, {"model": {"parameters": "x"}}, {"command": 3}, {"versions": 3}]
)
def test_a_record_from_elsewhere_does_not_break_the_rest(make, broken: dict[str, Any]) -> None:
    run = make("finished", 0.5)
    run.meta.update(broken)
    text = printed(show_view(run))
    assert "cannot be shown" in text
    assert "headway train seed=4" in text


def test_the_json_of_show_is_strict_and_whole(make) -> None:
    run = make("finished", 0.75)
    add_checkpoints(run)
    found = show_json(run)
    json.dumps(found, allow_nan=False)
    assert found["data"] == DATA
    assert found["summary"]["val/accuracy"]["max_step"] == 50
    assert found["checkpoints"] == [
        {"file": "checkpoints/step-000040.ckpt", "bytes": 2048, "is": ["best"]},
        {"file": "checkpoints/step-000050.ckpt", "bytes": 2048, "is": ["last"]},
    ]
    assert {"path": "run.json", "bytes": (run.path / "run.json").stat().st_size} in found["files"]
    assert found["commands"]["repeat"] == "headway train seed=4"


@pytest.mark.parametrize(
    ("status", "commands"),
    [
        ("created", ["repeat"]),
        ("running", ["watch"]),
        ("finished", ["evaluate", "predict", "repeat"]),
        ("crashed", ["resume", "evaluate", "predict", "read"]),
        ("preempted", ["resume", "evaluate", "predict"]),
        ("diverged", ["evaluate", "predict", "read", "repeat"]),
    ],
)
def test_the_next_commands_fit_the_status(make, status: str, commands: list[str]) -> None:
    run = make(status, 0.5)
    if status != "created":
        add_checkpoints(run)
    assert list(show_json(run)["commands"]) == commands


def test_what_wandb_kept_offline_can_be_uploaded(make) -> None:
    run = make("finished", 0.5)
    (run.path / "wandb" / "offline-run-1").mkdir(parents=True)
    assert show_json(run)["commands"]["upload"] == f"wandb sync {run.path}/wandb/offline-run-1"


def test_the_end_of_a_training_shows_results_path_and_what_is_next(make) -> None:
    run = make("finished", 0.75)
    add_checkpoints(run)
    text = printed(*finished_view(run))
    assert "finished after 0s" in text
    assert "val/accuracy" in text
    assert "train/lr" not in text
    assert str(run.path) in text.replace("\n", "")
    assert "look      headway ui\n" in text
    assert text.count("headway ") == 4


def test_the_dashboard_is_opened_on_the_folder_that_holds_the_run(make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make("finished", 0.75)
    assert " headway ui " in printed(show_view(run))
    monkeypatch.setenv("HEADWAY_RUNS", "elsewhere")
    assert f"look      headway ui {run.path.parent.parent}\n" in printed(*finished_view(run), width=300)
