"""The wandb mirror against the real client: its offline file; online and `wandb sync`, to a server here."""

import json
import math
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headway.store.history import HistoryWriter, Summary
from headway.store.run import Run
from headway.store.writer import RunRecord
from headway.trackers.wandb import WandbMirror

CANARY = "canary-7c1f09e2b4"
LOGIN = {"WANDB_API_KEY": "0123456789abcdef" * 2 + "01234567"}  # 40 characters, as theirs have


def tracker(**options: Any) -> str:
    node = {"_target_": "headway.trackers.wandb.WandbMirror", "project": "${project}"} | options
    return json.dumps(node, ensure_ascii=False)


def train(run: Path, first: int, last: int, *, resumed_at: int | None = None) -> None:
    """Steps first..last, an evaluation at every tenth."""
    record = RunRecord(run)
    record.set_status("running")
    with HistoryWriter(run / "history.jsonl") as history:
        if resumed_at is not None:
            history.resumed_at(resumed_at)
        for step in range(first, last + 1):
            history.log(step, {"train/loss": 1 / step, "train/lr": 5e-5}, epoch=step / 10)
            if step % 10 == 0:
                history.log(step, {"val/loss": math.nan if step == 10 else 2 / step, "val/accuracy": step / 40})
    Summary.rebuild(run).write()
    record.set_status("finished")


def records(file: Path) -> Iterator[Any]:
    """Records of a .wandb file: a LevelDB log of protocol buffers after a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, at, payload = file.read_bytes(), 7, b""
    assert data.startswith(b":W&B")
    while at + 7 <= len(data):
        left_in_block = 32768 - at % 32768
        _, length, kind = struct.unpack_from("<IHB", data, at)
        if left_in_block < 7 or kind == 0:
            at += left_in_block
            continue
        payload += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(payload)
            payload = b""
            yield record


def items(entries: Any) -> dict[str, Any]:
    return {entry.key or "/".join(entry.nested_key): json.loads(entry.value_json) for entry in entries}


def offline_file(run: Path) -> Path:
    return max(run.glob("wandb/offline-run-*/*.wandb"))


def outcome(run: Path) -> dict[str, Any]:
    (found,) = Run.open(run).mirrors()
    return found


def test_an_offline_run_holds_config_rows_and_summary_and_no_secret(mirrored) -> None:
    config = "lr: 0.5\nnested: {a: [1, 2]}\nkey: ${oc.env:SERVICE_API_KEY}\n"
    it = mirrored(
        tracker(), config, {"SERVICE_API_KEY": CANARY, "WANDB_API_KEY": CANARY * 3}, name="run 🙂", tags=["a", "b"]
    )
    train(it.run, 1, 25)
    result = it.mirror()
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    found = list(records(offline_file(it.run)))

    (run,) = (record.run for record in found if record.HasField("run"))
    assert (run.run_id, run.project, run.display_name, run.notes) == (it.run.name, "demo", "run 🙂", "why")
    assert list(run.tags) == ["a", "b"]
    config_seen = items(run.config.update)
    assert (config_seen["lr"], config_seen["nested"], config_seen["key"]) == (
        0.5,
        {"a": [1, 2]},
        "${oc.env:SERVICE_API_KEY}",
    )

    rows = {}
    for record in found:
        if record.HasField("history"):
            row = items(record.history.item)
            rows[row["_step"]] = {key: value for key, value in row.items() if key not in ("_step", "_runtime")}
    assert list(rows) == list(range(1, 26))
    assert sum("val/loss" in row for row in rows.values()) == 2
    assert math.isnan(rows[10].pop("val/loss"))
    for row in Run.open(it.run).rows():  # every number of the run folder is in the file, with the time of its step
        step, time = row.pop("step"), row.pop("time")
        assert rows[step]["_timestamp"] == pytest.approx(time, abs=1)
        assert {key: rows[step][key] for key in row if key != "val/loss" or step != 10} == {
            key: value for key, value in row.items() if key != "val/loss" or step != 10
        }

    summary: dict[str, Any] = {}
    for record in found:
        summary |= items(record.summary.update) if record.HasField("summary") else {}
    assert summary["val/accuracy"] == 0.5
    assert (summary["val/accuracy.min"], summary["val/accuracy.max"]) == (0.25, 0.5)
    assert (summary["val/loss"], summary["val/loss.min"], summary["val/loss.max"]) == (0.1, 0.1, 0.1)
    assert [record.exit.exit_code for record in found if record.HasField("exit")] == [0]

    kept = [file for file in it.run.rglob("*") if file.is_file()]
    assert [str(file) for file in kept if CANARY.encode() in file.read_bytes()] == []
    assert not [file for file in it.run.rglob("*") if file.is_symlink()]
    assert outcome(it.run)["url_or_path"] == str(offline_file(it.run).parent.relative_to(it.run))


def test_wandb_sync_uploads_two_offline_attempts_as_one_run_with_each_step_once(mirrored, server) -> None:
    it = mirrored(tracker(), "lr: 0.5\n")
    train(it.run, 1, 15)
    it.mirror()
    train(it.run, 12, 25, resumed_at=11)
    it.mirror()
    folders = sorted(map(str, it.run.glob("wandb/offline-run-*")))
    assert len(folders) == 2
    command = [sys.executable, "-m", "wandb", "sync", *folders]
    environment = it.environment | LOGIN | {"WANDB_BASE_URL": server.url}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [row["_step"] for row in server.history()] == list(range(1, 26))
    assert server.history()[19]["val/accuracy"] == 0.5
    assert server.config["lr"] == {"value": 0.5}
    assert json.loads(server.files["wandb-summary.json"])["val/accuracy.max"] == 0.5


def test_an_online_run_arrives_with_its_best_checkpoint(mirrored, server) -> None:
    it = mirrored(tracker(mode="online"), environment=LOGIN | {"WANDB_BASE_URL": server.url})
    train(it.run, 1, 12)
    (it.run / "checkpoints" / "step-000010.ckpt").write_bytes(b"weights of step 10")
    (it.run / "checkpoints" / "best").write_text("step-000010.ckpt\n")
    result = it.mirror()
    assert (result.returncode, result.stderr) == (0, "")
    assert [row["_step"] for row in server.history()] == list(range(1, 13))
    assert server.files["step-000010.ckpt"] == b"weights of step 10"
    assert outcome(it.run)["url_or_path"] == f"{server.url}/someone/demo/runs/{it.run.name}"
    assert LOGIN["WANDB_API_KEY"].encode() not in b"".join(f.read_bytes() for f in it.run.rglob("*") if f.is_file())


def test_checkpoints_stay_here_when_not_asked_for(mirrored, server) -> None:
    it = mirrored(tracker(mode="online", log_checkpoints=False), environment=LOGIN | {"WANDB_BASE_URL": server.url})
    train(it.run, 1, 2)
    (it.run / "checkpoints" / "step-000002.ckpt").write_bytes(b"weights")
    (it.run / "checkpoints" / "best").write_text("step-000002.ckpt\n")
    it.mirror()
    assert outcome(it.run)["status"] == "ok"
    assert "step-000002.ckpt" not in server.files


def test_an_unreachable_server_ends_the_mirror_only(mirrored, server) -> None:
    it = mirrored(tracker(mode="online"), environment=LOGIN | {"WANDB_BASE_URL": "http://127.0.0.1:9"})
    train(it.run, 1, 12)
    result = it.mirror("--grace", "2")
    assert result.returncode == 0
    assert "tracker wandb: still starting after 2 s (0 rows sent); the run folder is complete" in result.stderr
    assert result.stderr.count("\n") == 1
    assert (outcome(it.run)["status"], outcome(it.run)["cursor"]["rows"]) == ("failed", 0)
    it.environment["WANDB_BASE_URL"] = server.url  # and later it can still be sent
    it.mirror()
    assert [row["_step"] for row in server.history()] == list(range(1, 13))
    assert outcome(it.run)["status"] == "ok"


def test_without_a_key_nothing_is_asked_for(mirrored) -> None:
    it = mirrored(tracker(mode="online"))
    result = it.mirror()
    assert result.returncode == 0
    assert re.search(r"tracker wandb: UsageError: .*API key", result.stderr)


def test_only_two_modes() -> None:
    with pytest.raises(ValueError, match=r"tracker\.mode=onlin: must be offline or online"):
        WandbMirror("p", mode="onlin")


@pytest.mark.parametrize("name", ["a/b:c#d?e%f\\g", "n" * 1000, "🙂\0\x1b[31m"])
def test_names_that_wandb_refuses_are_made_to_fit(mirrored, name: str) -> None:
    it = mirrored(tracker(project=name), name=name, tags=[name, ""])
    train(it.run, 1, 2)
    it.mirror()
    assert outcome(it.run)["cause"] is None
    assert outcome(it.run)["rows"] == 2
