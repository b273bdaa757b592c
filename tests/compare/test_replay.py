import json
import math
from pathlib import Path

import pytest

from headway.compare.replay import (
    Compared,
    Facts,
    changes,
    differing_columns,
    plain,
    same,
    series,
    verdict,
)
from headway.store.rows import History

LOSSES = {1: 0.7, 2: 0.6, 3: 0.5}
RUN = {"train/loss": LOSSES, "train/lr": {1: 0.1, 2: 0.1, 3: 0.1}, "val/accuracy": {3: 0.75}, "test/accuracy": {3: 0.5}}


def changed(metric: str, step: int, value: float) -> dict[str, dict[int, float]]:
    return RUN | {metric: RUN[metric] | {step: value}}


def test_equal_bits_are_identical_to_the_last_step() -> None:
    found = verdict(RUN, RUN)
    assert (found.outcome, found.identical_to, found.values, found.steps) == ("bit-identical", 3, 8, 3)
    assert found.first is None
    assert list(found.final) == []


def test_one_bit_is_a_difference_and_is_told_with_its_step_and_size() -> None:
    other = math.nextafter(0.6, 1)
    found = verdict(RUN, changed("train/loss", 2, other))
    assert (found.outcome, found.identical_to) == ("identical to a step", 1)
    assert found.first is not None
    assert (found.first.step, found.first.name) == (2, "train/loss")
    assert (found.first.original, found.first.replayed) == (0.6, other)
    assert found.first.relative == pytest.approx(1.85e-16, rel=0.01)
    assert list(found.final) == []  # the last loss is the same again


def test_a_difference_at_the_first_step_is_different_from_the_first() -> None:
    found = verdict(RUN, changed("train/loss", 1, 0.8))
    assert (found.outcome, found.identical_to) == ("different", None)


def test_of_one_step_the_loss_comes_before_what_follows_from_it() -> None:
    other = {metric: {step: value + 1 for step, value in values.items()} for metric, values in RUN.items()}
    found = verdict(RUN, other, [Compared("weights", 1, {"w": "by up to 1"})])
    assert found.first is not None
    assert (found.first.step, found.first.name) == (1, "train/loss")
    assert [one.name for one in found.final] == ["test/accuracy", "val/accuracy", "train/loss", "train/lr"]


def test_weights_and_predictions_count_like_metrics() -> None:
    files = [Compared("weights", 3, {}), Compared("predictions/test", 3, {"scores": "2 of 9 rows"})]
    found = verdict(RUN, RUN, files)
    assert (found.outcome, found.identical_to) == ("identical to a step", 2)
    assert found.first is not None
    assert (found.first.name, found.first.detail) == ("predictions/test", "scores (2 of 9 rows)")
    frozen = verdict(RUN, RUN, [Compared("frozen weights", 0, {"w": "by up to 1"})])
    assert frozen.outcome == "different"


def test_what_only_the_original_has_is_a_difference_and_the_other_way_round_is_none() -> None:
    shorter = {metric: {1: values[1], 2: values[2]} for metric, values in RUN.items() if len(values) == 3}
    found = verdict(RUN, shorter)
    assert (found.outcome, found.identical_to) == ("identical to a step", 2)
    assert found.first is not None
    assert (found.first.original, found.first.replayed) == (0.5, None)
    assert found.first.relative is None
    assert verdict(shorter, RUN).outcome == "bit-identical"
    without = {metric: values for metric, values in RUN.items() if metric != "test/accuracy"}
    lacking = verdict(RUN, without).first
    assert lacking is not None
    assert lacking.name == "test/accuracy"


def test_a_nan_is_a_nan_and_a_zero_has_a_sign() -> None:
    nan = {"train/loss": {1: 0.7, 2: math.nan}}
    assert verdict(nan, {"train/loss": {1: 0.7, 2: float("nan")}}).outcome == "bit-identical"
    found = verdict(nan, {"train/loss": {1: 0.7, 2: 0.5}}).first
    assert found is not None
    assert found.step == 2
    assert found.relative is None
    assert not same(0.0, -0.0)
    assert same(math.inf, math.inf)
    assert not same(1, 1.0)
    assert same([0.5, [math.nan]], [0.5, [math.nan]])
    assert not same({"a": 1}, {"a": 2})


def test_a_run_without_values_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="nothing was recorded"):
        verdict({}, RUN)


def test_rows_that_were_superseded_and_measures_of_the_machine_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"step": 1, "time": 1.0, "epoch": 0.1, "train/loss": 0.7, "perf/tokens_per_s": 5.0},
        {"step": 2, "time": 2.0, "train/loss": 99.0},
        {"resumed_at": 1, "time": 3.0},
        {"step": 2, "time": 4.0, "train/loss": "NaN"},
        {"step": 2, "time": 5.0, "val/loss": 1},
    ]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = series(History(tmp_path))
    assert found.keys() == {"train/loss", "val/loss"}
    assert list(found["train/loss"]) == [1, 2]
    assert math.isnan(found["train/loss"][2])
    assert found["val/loss"] == {2: 1.0}


def test_tables_differ_by_the_columns_both_have() -> None:
    ours = {"id": ["a", "b"], "scores": [[0.1, 0.9], [0.5, 0.5]], "loss": [math.nan, 1.0], "old": [1, 2]}
    assert differing_columns(ours, ours) == {}
    theirs = {"id": ["a", "b"], "scores": [[0.1, 0.9], [0.5, math.nextafter(0.5, 1)]], "loss": [math.nan, 1.0]}
    assert differing_columns(ours, theirs) == {"scores": "1 of 2 rows"}
    assert differing_columns(ours, {"id": ["a"]}) == {"rows": "2 against 1"}


def test_changes_come_in_the_order_in_which_they_explain() -> None:
    then = Facts(
        packages={"python": "3.11.7", "attrs": "1", "numpy": "2.4", "torch": "2.13"},
        machine={"os": "Linux 1", "processor": "A"},
        config={"seed": 1, "optimizer.lr": 0.1},
        commit="a" * 40,
        patch="",
        data="f1",
    )
    now = Facts(
        packages={"python": "3.11.8", "numpy": "2.5", "torch": "2.14", "zstd": "1"},
        machine={"os": "Linux 2", "processor": "B", "threads": "2"},  # threads were not recorded
        config={"seed": 2, "optimizer.lr": 0.1},
        commit="b" * 40,
        patch="1234",
        data="f2",
    )
    found = changes(then, now)
    assert [change.name for change in found if change.decides] == [
        *("seed", "fingerprint", "commit", "uncommitted changes", "torch", "numpy", "processor")
    ]
    assert [change.name for change in found if not change.decides] == ["attrs", "python", "zstd", "os"]
    gone = next(change for change in found if change.name == "attrs")
    assert (gone.then, gone.now) == ("1", None)
    assert changes(then, then) == []


def test_what_was_not_recorded_is_not_compared() -> None:
    now = Facts(packages={"torch": "2"}, machine={"os": "Linux"}, config={"seed": 1}, patch="", data="f")
    assert changes(Facts(), now) == []


def test_the_verdict_as_plain_data_has_relative_differences() -> None:
    found = plain(verdict(RUN, changed("test/accuracy", 3, 0.75)))
    assert found["first"] == {
        **{"step": 3, "name": "test/accuracy", "original": 0.5, "replayed": 0.75, "detail": None},
        "relative": 0.5,
    }
    assert [one["relative"] for one in found["final"]] == [0.5]
