"""Hydra's command line as `headway train` has it: flags, sweeps, exit codes, and nothing left lying about."""

import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig

from headway.config.compose import Task, compose, train_main
from headway.config.freeze import freeze
from headway.errors import ConfigError, DataError

CANARY = "canary-0c4e8a51"
ran: list[tuple[DictConfig, list[str]]] = []


def job(cfg: DictConfig, overrides: list[str]) -> int:
    """Ends with the exit code in `notes`, or raises what it names."""
    ran.append((cfg, overrides))
    if cfg.notes == "user":
        raise DataError("no such file")
    if cfg.notes == "bug":
        raise ZeroDivisionError("division by zero")
    return int(cfg.notes or 0)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    ran.clear()
    monkeypatch.chdir(tmp_path)
    for name in ("HEADWAY_RUNS", "HEADWAY_ALLOW", "HEADWAY_TRUST_REMOTE_CODE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_one_run(elsewhere: Path) -> None:
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    assert train_main(["optimizer.lr=3e-5", "seed=1", "hydra.verbose=false"], job) == 0
    [(cfg, overrides)] = ran
    assert (cfg.optimizer.lr, cfg.seed, overrides) == (3e-5, 1, ["optimizer.lr=3e-5", "seed=1"])
    assert "hydra" not in cfg
    assert files(elsewhere) == [], "Hydra leaves nothing"
    assert Path.cwd() == elsewhere
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == (handlers, level)


def test_same_config_as_compose() -> None:
    overrides = ["model=minilm-scratch", "tags=[a]", "~optimizer.eps", "+optimizer.foreach=true"]
    assert train_main(overrides, job) == 0
    assert freeze(ran[0][0]) == freeze(compose(overrides))


def test_exit_code_is_the_jobs() -> None:
    assert train_main(["notes='3'"], job) == 3


def test_a_single_run_raises_what_the_job_raises(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match="no such file"):
        train_main(["notes=user"], job)
    with pytest.raises(ZeroDivisionError):
        train_main(["notes=bug"], job)
    assert capsys.readouterr() == ("", "")


def test_a_sweep_runs_every_combination(elsewhere: Path) -> None:
    assert train_main(["-m", "seed=0,1", "optimizer=adamw,sgd", "+optimizer.maximize=true"], job) == 0
    assert [(cfg.seed, cfg.optimizer._target_) for cfg, _ in ran] == [
        (seed, f"torch.optim.{name}") for seed in (0, 1) for name in ("AdamW", "SGD")
    ]
    assert ran[3][1] == ["seed=1", "optimizer=sgd", "+optimizer.maximize=True"]
    found = files(elsewhere)
    assert all(name == "runs" or name.startswith("runs/.sweeps") for name in found), found


@pytest.mark.parametrize(
    "argv",
    [
        ["-m", "seed=range(4,7)"],
        ["seed=4,5,6", "-m"],
        ["--multirun", "seed=choice(4,5,6)"],
        ["hydra.mode=MULTIRUN", "seed=4,5,6"],
        ["-m", "--config-dir", "mine", "experiment=swept"],
        ["-m", "hydra.sweeper.max_batch_size=1", "seed=4,5,6"],
        ["trainer=debug", "-m", "seed=4,5,6", "hydra/launcher=basic", "hydra/sweeper=basic"],
    ],
)
def test_ways_to_sweep(argv: list[str], elsewhere: Path) -> None:
    (elsewhere / "mine" / "experiment").mkdir(parents=True)
    (elsewhere / "mine" / "experiment" / "swept.yaml").write_text(
        "# @package _global_\nhydra: {sweeper: {params: {seed: '4,5,6'}}}\n"
    )
    assert train_main(argv, job) == 0
    assert [cfg.seed for cfg, _ in ran] == [4, 5, 6]


def test_a_failing_job_does_not_end_a_sweep(caplog: pytest.LogCaptureFixture) -> None:
    sweep = ["-m", "notes='0',bug,user,'3','0'", "hydra.sweeper.max_batch_size=2"]
    assert train_main(sweep, job) == 3
    assert [cfg.notes for cfg, _ in ran] == ["0", "bug", "user", "3", "0"]
    assert [record.getMessage() for record in caplog.records] == [
        "notes=bug: ZeroDivisionError: division by zero",
        "notes=user: DataError: no such file",
        "3 of 5 jobs did not finish",
    ]


@pytest.mark.parametrize("code", [130, 143])
def test_a_stopped_job_ends_a_sweep(code: int) -> None:
    assert train_main(["-m", f"notes='0','{code}','0','3'"], job) == code
    assert [cfg.notes for cfg, _ in ran] == ["0", str(code)]


def test_every_value_of_a_sweep_is_checked_before_the_first_job() -> None:
    with pytest.raises(ConfigError) as caught:
        train_main(["-m", "seed=0,1,x", "optimizer.lr=1e-4,abc,nan", "model=minilm,bert-bas", "batch.sise=1,2"], job)
    assert [line.split(" ")[0] for line in caught.value.problems] == [
        "model=bert-bas:",
        "batch.sise:",
        "seed:",
        "optimizer.lr:",
        "optimizer.lr:",
    ]
    assert ran == []


def test_combinations_are_checked_in_their_job(caplog: pytest.LogCaptureFixture) -> None:
    """Each value is sound beside the first of the others; only together are they not."""
    assert train_main(["-m", "batch.size=32,2", "batch.accumulate=1,4"], job) == 2
    assert [(cfg.batch["size"], cfg.batch.accumulate) for cfg, _ in ran] == [(32, 1), (32, 4), (2, 1)]
    assert "cannot be dealt out" in caplog.text


def test_own_configs(elsewhere: Path) -> None:
    (elsewhere / "mine" / "model").mkdir(parents=True)
    (elsewhere / "mine" / "model" / "small.yaml").write_text("defaults: [minilm]\nfrom_scratch: true\n")
    (elsewhere / "mine" / "alone.yaml").write_text("defaults: [train, _self_]\nseed: 11\n")
    assert train_main(["--config-dir", "mine", "model=small"], job) == 0
    assert ran[-1][0].model.from_scratch is True
    assert train_main(["--config-dir=mine", "--config-name=alone", "notes='0'"], job) == 0
    assert ran[-1][0].seed == 11
    with pytest.raises(ConfigError, match=r"model=smal: no such option; did you mean small\?"):
        train_main(["model=smal", "--config-dir", "mine"], job)
    with pytest.raises(ConfigError, match=r"--config-dir=no/such: no such folder"):
        train_main(["--config-dir", "no/such"], job)
    with pytest.raises(ConfigError, match=r"--config-name=trian: no such config; did you mean train\?"):
        train_main(["--config-name", "trian"], job)


def test_experiments_win_over_everything_but_the_command_line(elsewhere: Path) -> None:
    (elsewhere / "mine" / "experiment").mkdir(parents=True)
    (elsewhere / "mine" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /optimizer: sgd\nseed: 7\nbatch: {size: 8}\n"
    )
    assert train_main(["--config-dir", "mine", "experiment=mine", "batch.size=16"], job) == 0
    cfg = ran[0][0]
    assert (cfg.seed, cfg.batch["size"], cfg.optimizer._target_) == (7, 16, "torch.optim.SGD")


@pytest.mark.parametrize(
    ("argv", "shows"),
    [
        (["--cfg", "job"], "optimizer:\n  _target_: torch.optim.AdamW"),
        (["optimizer=sgd", "--cfg", "job", "optimizer.lr=2"], "lr: 2"),
        (["--cfg", "job", "-p", "optimizer", "optimizer.lr=2"], "# @package optimizer\n_target_"),
        (["--cfg", "job", "--resolve"], "runs_dir: runs"),
        (["--cfg", "job", "data=csv"], "path: ???"),
        (["--cfg", "hydra"], "hydra:\n  run:"),
        (["--cfg", "all"], "seed: 0"),
        (["--help"], "model: bart-scratch, bert-base"),
        (["-h"], "--allow"),
        (["--hydra-help"], "hydra/launcher"),
        (["--version"], "Hydra 1.3"),
    ],
)
def test_showing_runs_nothing(argv: list[str], shows: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_main(argv, job) == 0
    assert shows in capsys.readouterr().out
    assert ran == []
    assert files(elsewhere) == []


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--cfg", "job", "optimizer.lrr=1"], "optimizer.lrr: unknown key; did you mean lr?"),
        (["--cfg", "jobs"], "invalid choice: 'jobs'"),
        (["--cfg", "job", "-m"], "Only one of"),
        (["--confg-dir", "x"], "unrecognized arguments: --confg-dir"),
        (["--resolve"], "--resolve: goes with --cfg"),
        (["--experimental-rerun", "config.pickle"], "--experimental-rerun: unpickles a file"),
        (["-m", "hydra.job.name=a,b"], "Hydra's own settings cannot be swept over"),
    ],
)
def test_wrong_flags(argv: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        train_main(argv, job)
    assert says in str(caught.value)
    assert ran == []


def test_info_prints_where_the_config_comes_from(elsewhere: Path) -> None:
    code = "import sys\nfrom headway.config.compose import train_main\nsys.exit(train_main(sys.argv[1:], print))"
    for info in ("defaults", "defaults-tree", "searchpath", "plugins", "config", "all"):
        found = subprocess.run([sys.executable, "-c", code, "--info", info], capture_output=True, text=True, check=True)
        assert found.stdout
        assert found.stderr == ""
    assert files(elsewhere) == []


def test_flags_reach_workers_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str | None]] = []

    def look(cfg: DictConfig, overrides: list[str]) -> int:
        seen.append({name: os.environ.get(name) for name in ("HEADWAY_ALLOW", "HEADWAY_TRUST_REMOTE_CODE")})
        return len(cfg.name or "") + len(overrides)

    monkeypatch.setenv("HEADWAY_ALLOW", "one")
    monkeypatch.setenv("HEADWAY_TRUST_REMOTE_CODE", "1")
    assert train_main(["--allow", "two.", "--allow=three", "--trust-remote-code"], look) == 0
    assert train_main([], look) == 0
    assert seen == [
        {"HEADWAY_ALLOW": "one,two.,three", "HEADWAY_TRUST_REMOTE_CODE": "1"},
        {"HEADWAY_ALLOW": "one", "HEADWAY_TRUST_REMOTE_CODE": None},  # only the flag asks for it
    ]
    assert os.environ["HEADWAY_ALLOW"] == "one"


def test_config_cannot_allow(elsewhere: Path) -> None:
    (elsewhere / "mine").mkdir()
    hydra = "hydra: {job: {env_set: {HEADWAY_ALLOW: os}}}\n"
    (elsewhere / "mine" / "alone.yaml").write_text(
        f"defaults: [train, _self_]\noptimizer: {{_target_: os.system}}\n{hydra}"
    )
    with pytest.raises(ConfigError) as caught:
        train_main(["--config-dir", "mine", "--config-name", "alone"], job)
    assert {line.split(":")[0] for line in caught.value.problems} >= {"optimizer._target_", "hydra.job.env_set"}


def test_secrets_of_a_sweep_are_not_written(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", CANARY)
    assert train_main(["-m", f"name=a,b{CANARY}", f"tags=[{CANARY}]"], job) == 0
    assert [cfg.name for cfg, _ in ran] == ["a", f"b{CANARY}"], "the job still gets the value"
    assert not any(CANARY in override for _, overrides in ran for override in overrides)
    written = [path for path in elsewhere.rglob("*") if path.is_file()]
    assert written
    assert not any(CANARY.encode() in path.read_bytes() for path in written)
    (elsewhere / "mine" / "model").mkdir(parents=True)
    (elsewhere / "mine" / "model" / "leaky.yaml").write_text(f"defaults: [minilm]\npath: {CANARY}\n")
    with pytest.raises(ConfigError, match=r"a config file holds the value of \$MY_API_KEY"):
        train_main(["--config-dir", "mine", "-m", "model=leaky", "seed=0,1"], job)


def test_launchers_can_send_the_task_elsewhere() -> None:
    task = pickle.loads(pickle.dumps(Task(os.path.join, ("my_pkg",), sweep=True)))
    assert task == Task(os.path.join, ("my_pkg",), sweep=True)
