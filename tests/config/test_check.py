"""Every fault gives one line that begins with its key, and all lines come together."""

from pathlib import Path

import pytest

from headway.config.check import check
from headway.config.compose import compose
from headway.errors import ConfigError

MODULE = """
def source(path: str, rows: int = 3): ...
def open_ended(**kwargs): ...
class Optimizer:
    def __init__(self, params, lr: float, depth: "int | None" = None): ...
class NoParams:
    def __init__(self, lr: float): ...
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "check_pkg.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return "check_pkg"


def problems_of(*overrides: str, **options: object) -> list[str]:
    try:
        compose(overrides, **options)  # type: ignore[arg-type]
    except ConfigError as error:
        return error.problems
    return []


def test_of_several_overrides_only_the_one_at_fault_is_blamed(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "own.yaml").write_text(
        "# @package _global_\ndefaults: [{override /data: files}]\ndata: {path: {train: a, val: b}}\n"
    )
    given = ["experiment=own", "data.encoding=ascii", "data.path={train: c, test: d}", "seed=1", "data.path.val=e"]
    problems = problems_of(*given, config_dirs=[tmp_path])
    assert len(problems) == 1
    assert problems[0].startswith("data.path={train: c, test: d}: ")
    assert "Key 'test' is not in struct" in problems[0]
    given[2] = "+data.path={train: c, test: d}"  # as the message says
    assert problems_of(*given, config_dirs=[tmp_path]) == []


def test_default_is_sound() -> None:
    assert check(compose([])) == []


FAULTS = [
    ("optimzer=adamw", "optimzer: unknown key; did you mean optimizer?"),
    ("optimzer.lr=1", "optimzer: unknown key; did you mean optimizer?"),
    ("lr=1", "lr: unknown key; did you mean optimizer.lr?"),
    ("dropout=0.1", "dropout: unknown key; did you mean model.dropout or task.dropout?"),
    ("model=bert-bas", "model=bert-bas: no such option; did you mean bert-base? (there are: bart-scratch, bert-base, "),
    ("+model=bert-bas", "model=bert-bas: no such option; did you mean bert-base?"),
    ("experiment=no-such", "experiment=no-such: no such option"),
    ("hydra/launcher=no-such", "hydra/launcher=no-such: no such option"),
    ("optimizer.lrr=1", "optimizer.lrr: unknown key; did you mean lr?"),
    ("optimizer.foreach=true", "optimizer.foreach: not among the keys of this option; add it with +optimizer.foreach"),
    ("+optimizer.lrr=1", "optimizer.lrr: torch.optim.AdamW takes no lrr; did you mean lr?"),
    ("+batch.sise=1", "batch.sise: unknown key; did you mean size?"),
    ("+sed=1", "sed: unknown key; did you mean seed?"),
    ("~optimizr", "optimizr: unknown key; did you mean optimizer?"),
    ("optimizer.lr=abc", "optimizer.lr: 'abc' does not fit; must be a number"),
    ("optimizer.lr=[1]", "optimizer.lr: [1] does not fit; must be a number"),
    ("optimizer.lr=nan", "optimizer.lr: nan is not a finite number"),
    ("optimizer.lr=inf", "optimizer.lr: inf is not a finite number"),
    ("optimizer.lr=-1e-5", "optimizer.lr: -1e-05 is out of range; must be at least 0"),
    ("optimizer.betas=[0.9,1.5]", "optimizer.betas: [0.9, 1.5] is out of range"),
    ("trainer.gradient_clip_val=nan", "trainer.gradient_clip_val: nan"),
    ("seed=x", "seed: 'x' does not fit; must be a whole number"),
    ("seed=1.5", "seed: 1.5 does not fit; must be a whole number"),
    ("seed=true", "seed: True does not fit"),
    ("seed=-1", "seed: -1 does not fit; must be greater than or equal to 0"),
    ("seed", "seed: what should it be? write seed=VALUE"),
    ("seed=", "seed: '' does not fit"),
    ("seed=[1", "seed=[1: not a valid override"),
    ("seed=1,2", "seed=1,2: several values need -m"),
    ("seed=range(0,3)", "seed=range(0,3): several values need -m"),
    ("batch.size=-8", "batch.size: -8 does not fit; must be greater than or equal to 1"),
    ("batch.size=0", "batch.size: 0 does not fit"),
    ("batch=3", "batch: 3 does not fit; must be a mapping of keys to values"),
    ("batch.accumulate=64", "batch.size: 32 examples cannot be dealt out to 64 parts"),
    ("task.max_length=0", "task.max_length: 0 is out of range; must be at least 1"),
    ("task.label_smoothing=2", "task.label_smoothing: 2 is out of range"),
    ("trainer.max_epochs=null", "trainer: nothing ends this run; set max_epochs or max_steps"),
    ("trainer.precision=16", "trainer.precision: 16 does not fit; must be '32-true'"),
    ("trainer.devices=two", "trainer.devices: 'two' does not fit; must be a whole number or must be 'auto'"),
    ("data.test_fraction=0.95", "data: val_fraction and test_fraction together leave nothing"),
    ("data.empty=dropp", "data.empty: 'dropp' does not fit; must be 'drop', 'keep' or 'error'"),
    ("name=42", "name: 42 is a number here; for text quote it twice: name='\"42\"'"),
    ("tags=[a,1]", "tags[1]: 1 is a number here"),
    ("project=''", "project: '' does not fit"),
    ("name=${nope}", "name: Interpolation key 'nope' not found"),
    ("name=${name}", "name: "),
    ("name=${oc.env:HEADWAY_SURELY_UNSET}", "name: Environment variable 'HEADWAY_SURELY_UNSET' not found"),
    ("name=${nope:1}", "name: Unsupported interpolation type nope"),
    ("data=csv", "data.path: has no value yet; give it with data.path=VALUE"),
    ("batch.size=???", "batch.size: has no value yet; give it with batch.size=VALUE"),
    ("~batch.size", "batch.size: has no value; give it with batch.size=VALUE"),
    ("~optimizer._target_", "optimizer._target_: has no value"),
    ("optimizer._target_=os.system", "optimizer._target_: os.system is never allowed"),
    ("optimizer._target_=torch.optim.AdmW", "optimizer._target_: torch.optim has no AdmW; did you mean AdamW?"),
    ("optimizer._target_=torch.nn.Linear", "optimizer._target_: torch.nn.Linear takes no params"),
    ("scheduler._target_=torch.optim.lr_scheduler.LambdaLR", "scheduler._target_: torch.optim"),
    ("+task.extra={_target_: os.system}", "task.extra._target_: os.system is never allowed"),
    ("+optimizer._recursive_=false", "optimizer._recursive_: unknown; the only special keys are _target_"),
    ("+model.trust_remote_code=true", "model.trust_remote_code: a config cannot ask for this"),
    ("+data.kwargs={trust_remote_code: true}", "data.kwargs.trust_remote_code: a config cannot ask for this"),
    ("+model.weights_only=false", "model.weights_only: a config cannot set this"),
    ("+tracker.api_key=abcdefg", "tracker.api_key: a secret is not written into a config"),
    ("hydra.run.dri=x", "hydra.run.dri: unknown key; did you mean dir?"),
    ("+hydra.callbacks.x._target_=os.system", "hydra.callbacks.x._target_: os.system is never allowed"),
    ("+hydra.callbacks.x._target_=some.other.Callback", "hydra.callbacks.x._target_: "),
    ("+hydra.job.env_set.LD_PRELOAD=x", "hydra.job.env_set: a config may not set environment variables"),
    ("+hydra.job_logging.handlers.x={class: os.system}", "hydra.job_logging.handlers.x.class: os.system is not"),
    ("+optimizer.lr=1", "+optimizer.lr=1: Could not append to config. An item is already at 'optimizer.lr'."),
]  # fmt: skip


@pytest.mark.parametrize(("override", "line"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_one_line_for_one_fault(override: str, line: str) -> None:
    found = problems_of(override)
    assert found
    assert found[0].startswith(line)
    assert all("\n" not in problem for problem in found)


def test_all_at_once() -> None:
    found = problems_of(
        "optimzer=adamw", "model=bert-bas", "optimizer.lrr=1", "optimizer.lr=abc", "seed=x", "batch.size=-1",
        "trainer.val_every=0", "task.max_length=long", "[", "name=${nope}", "data=csv",
    )  # fmt: skip
    starts = [
        *("[:", "model=bert-bas:", "optimzer:", "optimizer.lrr:", "name:", "data.path:", "seed:", "batch.size:"),
        *("trainer.val_every:", "task.max_length:", "optimizer.lr:"),
    ]
    assert sorted(line.split(" ")[0] for line in found) == sorted(starts)


@pytest.mark.parametrize(
    "override",
    [
        *("+optimizer.foreach=true", "++optimizer.lr=1", "~optimizer.weight_decay", "optimizer.lr=0"),
        *("optimizer=sgd", "optimizer=adafactor", "scheduler=cosine", "trainer=cpu2", "trainer.devices=auto"),
        *("tags=[]", "name='42'", "name=../x", "name='a,b'", "notes='${oc.env:HEADWAY_SURELY_UNSET,none}'"),
        *("optimizer.lr=1", "data.labels=[a,b]", "model.freeze=['model.*']", "data.limit={train: 10}"),
        *("hydra.run.dir=x", "optimizer._target_=transformers.Adafactor", "optimizer={lr: 1}", "trainer.max_steps=5"),
    ],
)  # fmt: skip
def test_sound(override: str) -> None:
    assert problems_of(override) == []


def test_own_targets(own: str) -> None:
    args = [f"optimizer._target_={own}.Optimizer", "~optimizer.fused", "~optimizer.eps", "~optimizer.betas"]
    wrong = [*args, "optimizer.lr=abc", "+optimizer.depth=deep"]
    assert problems_of(*wrong)[0].startswith(f"optimizer._target_: {own}.Optimizer is not allowed; allowed are ")
    found = problems_of(*wrong, allow=[own])
    assert [line.split(" ")[0] for line in found] == ["optimizer.lr:", "optimizer.weight_decay:", "optimizer.depth:"]
    found = problems_of(*args, "~optimizer.weight_decay", "~optimizer.lr", allow=[own])
    assert found == [f"optimizer.lr: {own}.Optimizer needs it; give it with +optimizer.lr=VALUE"]
    assert "takes no params" in problems_of(f"optimizer._target_={own}.NoParams", allow=[own])[0]
    assert problems_of(f"data._target_={own}.open_ended", "+data.anything=1", allow=[own]) == []
    found = problems_of(f"data._target_={own}.source", "+data.rows=many", allow=[own])
    assert [line.split(" ")[0] for line in found] == ["data.rows:", "data.path:"]


def test_secrets_do_not_show_in_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "canary-66b1e0")
    found = problems_of("optimizer.lr=${oc.env:MY_SECRET}", "seed=canary-66b1e0", "batch.size='x canary-66b1e0'")
    assert len(found) == 3
    assert not any("canary" in line for line in found)
