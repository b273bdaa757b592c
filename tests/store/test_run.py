import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.errors import RunError
from headway.store.history import HistoryWriter, Summary
from headway.store.run import Run, default_mode
from headway.store.writer import RunRecord


def edit(run: Path, **fields: Any) -> None:
    meta = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(meta | fields))


def log_rows(run: Path, values: list[float], key: str = "val/loss") -> None:
    with HistoryWriter(run / "history.jsonl") as history:
        for step, value in enumerate(values):
            history.log(step, {key: value})


def test_a_folder_without_a_record_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": "1"}', "[" * 100_000, "\0", '{"format": 1, "id": 3}']
)
def test_a_broken_record_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run\.json"):
        Run.open(tmp_path)


def test_a_newer_format_is_refused_by_name(make_run) -> None:
    run = make_run()
    edit(run, format=2)
    with pytest.raises(RunError, match="format 2 was written by a newer Headway"):
        Run.open(run)


def test_what_was_asked_comes_back(make_run) -> None:
    run = Run.open(make_run(name="a", config_yaml="seed: 1\nlr: ${oc.env:LR}\n", overrides=["seed=1", "tags=[a,b]"]))
    assert run.config_text == "seed: 1\nlr: ${oc.env:LR}\n"
    assert run.config == {"seed": 1, "lr": "${oc.env:LR}"}
    assert run.overrides == ["seed=1", "tags=[a,b]"]
    assert (run.name, run.project) == ("a", "reviews")


def test_a_config_that_would_run_code_is_not_read_as_anything(make_run, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    run = make_run(config_yaml=f"x: !!python/object/apply:os.system ['touch {marker}']\n")
    assert Run.open(run).config == {}
    assert not marker.exists()


def test_a_summary_missing_or_older_than_the_history_of_an_ended_run_is_made_again(make_run) -> None:
    run = make_run()
    log_rows(run, [0.5, 0.25])
    assert Run.open(run).summary()["val/loss"]["min"] == 0.25
    summary = Summary(run)
    summary.update({"val/loss": 0.5}, 0)
    os.utime(run / "summary.json", (1, 1))
    assert Run.open(run).summary()["val/loss"]["min"] == 0.25
    os.utime(run / "history.jsonl", (0, 0))
    assert Run.open(run).summary()["val/loss"]["min"] == 0.5


def test_a_running_summary_is_taken_as_it_is(make_run) -> None:
    run = make_run()
    RunRecord(run).set_status("running")
    summary = Summary(run)
    summary.update({"val/loss": 0.5}, 0)
    os.utime(run / "summary.json", (1, 1))
    log_rows(run, [0.5, 0.25])
    assert Run.open(run).summary()["val/loss"]["min"] == 0.5


@pytest.mark.parametrize(
    ("metric", "mode"),
    [
        ("val/loss", "min"),
        ("val/perplexity", "min"),
        ("test/error_rate", "min"),
        ("loss/accuracy", "max"),
        ("val/f1", "max"),
    ],
)
def test_direction_by_name(metric: str, mode: str) -> None:
    assert default_mode(metric) == mode


def test_the_monitored_metric_is_what_the_run_says(make_run) -> None:
    run = make_run(config_yaml="trainer: {monitor: val/score_loss, monitor_mode: max}\n")
    assert Run.open(run).monitor() == ("val/score_loss", "max")
    assert Run.open(run).mode("val/score_loss") == "max"
    RunRecord(run).update(monitor={"metric": "val/f1", "mode": "min"})
    assert Run.open(run).monitor() == ("val/f1", "min")


def test_the_monitored_metric_is_guessed_where_nothing_says_it(make_run) -> None:
    run = make_run()
    assert Run.open(run).monitor() is None
    log_rows(run, [0.5])
    assert Run.open(run).monitor() == ("val/loss", "min")


def test_best_ignores_what_is_not_finite(make_run) -> None:
    run = make_run()
    log_rows(run, [float("nan"), 0.5, float("inf")])
    assert Run.open(run).best("val/loss") == 0.5
    assert Run.open(run).best("val/f1") is None


def test_mirror_files_are_read_and_a_broken_one_is_shown(make_run) -> None:
    run = make_run()
    (run / "mirror-a.json").write_text('{"name": "a", "status": "ok"}')
    (run / "mirror-b.json").write_text("[")
    assert Run.open(run).mirrors() == [{"name": "a", "status": "ok"}, {"name": "b", "status": "unreadable"}]


def test_reading_needs_nothing_heavy() -> None:
    code = """
import sys
from headway.store import find, history, predictions, run, writer
heavy = "torch transformers pytorch_lightning datasets pandas wandb pyarrow numpy psutil yaml omegaconf rich"
sys.exit(",".join(sorted(set(heavy.split()) & set(sys.modules))))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip() == ""
