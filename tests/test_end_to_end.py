"""A user's day with one tiny run: train, look, evaluate, predict; each command as the command line calls it."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from headway.cli import main


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviews")
    rows = [("good", "pos") if i % 2 else ("bad", "neg") for i in range(120)]
    text = "".join(f"{word} {i},{label}\n" for i, (word, label) in enumerate(rows))
    (folder / "reviews.csv").write_text("text,label\n" + text)
    return folder / "reviews.csv"


@pytest.fixture(scope="module")
def run(tiny_bert: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    """What `headway train --json` printed of a run that learned the task."""
    patch = pytest.MonkeyPatch()
    patch.setenv("HEADWAY_RUNS", str(tmp_path_factory.mktemp("runs")))
    command = [
        sys.executable, "-m", "headway.cli", "train", "--json", "data=csv", f"data.path={reviews}",
        f"model.path={tiny_bert}", "model.pooling=mean", "task.max_length=16", "data.test_fraction=0.2",
        "batch.size=8", "optimizer.lr=5e-3", "trainer.max_epochs=4", "trainer.threads=1", "name=my first run",
        "tags=[smoke]", "data.val_fraction=0.2",
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    yield json.loads(result.stdout)
    patch.undo()


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    code = main(list(arguments))
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


def test_the_run_is_recorded(run: dict) -> None:
    folder = Path(run["path"])
    assert run["status"] == "finished"
    assert run["name"] == "my first run"
    meta = json.loads((folder / "run.json").read_text())
    assert len(meta["data"]["fingerprint"]) == 64
    assert meta["data"]["labels"] == ["neg", "pos"]
    assert [split["rows"] for split in meta["data"]["splits"].values()] == [77, 19, 24]
    table = parquet.read_table(next(folder.glob("predictions/test-*.parquet")))
    assert {"id", "text", "gold", "prediction", "scores", "loss"} <= set(table.column_names)
    assert len(set(table["id"].to_pylist())) == 24
    assert {file.name for file in (folder / "checkpoints").iterdir()} >= {"last", "best"}


def test_runs_and_show_find_it_by_every_reference(run: dict, capsys: pytest.CaptureFixture[str]) -> None:
    assert [found["id"] for found in json.loads(printed(capsys, "runs", "--json"))] == [run["id"]]
    assert run["id"] in printed(capsys, "runs")
    for reference in ("last", run["id"], run["id"][:-2], "my first run", "best:val/accuracy", run["path"]):
        assert json.loads(printed(capsys, "show", reference, "--json"))["id"] == run["id"]
    assert "val/accuracy" in printed(capsys, "show", "last")


def test_eval_measures_what_the_run_measured(run: dict, capsys: pytest.CaptureFixture[str]) -> None:
    result = json.loads(printed(capsys, "eval", "last", "--json"))
    rows = [json.loads(line) for line in (Path(run["path"]) / "history.jsonl").read_text().splitlines()]
    tested = next(row for row in rows if "test/accuracy" in row)
    assert result["metrics"]["accuracy"] == tested["test/accuracy"]
    assert result["metrics"]["loss"] == pytest.approx(tested["test/loss"], abs=1e-6)
    assert sum(map(sum, result["details"]["confusion"]["counts"])) == 24
    assert "gold in rows" in printed(capsys, "eval", "last", "--split", "val")


@pytest.mark.usefixtures("run")
def test_eval_of_a_file_with_labels_and_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labelled = tmp_path / "more.csv"
    labelled.write_text("text,label\ngood 500,pos\nbad 501,neg\ngood 502,neg\n")
    result = json.loads(printed(capsys, "eval", "last", "--file", str(labelled), "--json"))
    assert result["examples"] == 3
    assert result["metrics"]["accuracy"] == pytest.approx(2 / 3)
    labelled.write_text("text\ngood 500\n")
    assert main(["eval", "last", "--file", str(labelled)]) == 2
    assert "lack their label" in capsys.readouterr().err


@pytest.mark.usefixtures("run")
def test_predict_takes_texts_a_file_and_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def predictions(*arguments: str) -> list[str]:
        lines = printed(capsys, "predict", "last", *arguments, "--json").splitlines()
        return [json.loads(line)["prediction"] for line in lines]

    assert predictions("bad 7", "good 8") == ["neg", "pos"]
    file = tmp_path / "texts.txt"
    file.write_text("good 1\nbad 2\ngood 3\n")
    assert predictions(str(file)) == ["pos", "neg", "pos"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("bad 4\n"))
    assert predictions("-") == ["neg"]
    assert "neg" in printed(capsys, "predict", "last", "bad 7")


@pytest.mark.usefixtures("run")
def test_a_run_whose_data_changed_is_not_evaluated_on_it(reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = reviews.read_text()
    reviews.write_text(before + "good 999,pos\n")
    try:
        assert main(["eval", "last"]) == 2
    finally:
        reviews.write_text(before)
    assert "the data has changed since run" in capsys.readouterr().err


@pytest.mark.usefixtures("run")
def test_a_changed_config_is_not_resumed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", "last"]) == 2
    assert "is finished" in capsys.readouterr().err


@pytest.mark.usefixtures("run")
def test_check_reports_data_and_model_faults_together(
    tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("txt,label\nx,y\n")
    code = main(["check", "data=csv", f"data.path={wrong}", f"model.path={tiny_bert}", "task.max_length=5000"])
    errors = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(errors) == 2
    assert "no column 'text'" in errors[0]
    assert "has 512 positions" in errors[1]


@pytest.mark.usefixtures("run")
def test_a_prepared_run_is_trained_by_a_worker_that_somebody_else_starts(
    reviews: Path, tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = printed(
        capsys, "train", "--prepare", "data=csv", f"data.path={reviews}", f"model.path={tiny_bert}",
        f"runs_dir={tmp_path}", "task.max_length=16", "trainer.max_steps=3", "trainer.threads=1", "trainer.test=false",
    ).strip()  # fmt: skip
    assert json.loads((Path(path) / "run.json").read_text())["status"] == "created"
    ranks = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
    worker = subprocess.run(
        [sys.executable, "-m", "headway.worker", path], env={**os.environ, **ranks}, capture_output=True, check=False
    )
    assert worker.returncode == 0, worker.stderr.decode()
    meta = json.loads((Path(path) / "run.json").read_text())
    assert meta["status"] == "finished"
    assert (Path(path) / "history.jsonl").read_bytes().count(b"train/loss") == 3
