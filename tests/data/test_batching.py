"""The plan of steps: complete, pure, the same however it is cut up, and with little padding."""

import random

import numpy as np
import pytest

from headway.data.batching import TrainPlan, evaluation_batches
from headway.data.encode import Array
from headway.errors import DataError

CUTS = [(1, 1), (1, 2), (1, 4), (2, 1), (2, 2), (4, 1), (3, 2)]  # devices, accumulation


def skewed(examples: int) -> Array:
    """Lengths like those of web text: most short, some near the limit of 256."""
    return np.random.default_rng(0).lognormal(3.2, 0.9, examples).clip(3, 256).astype(np.int64)


def padded_tokens(plan: TrainPlan, steps: int) -> int:
    batches = [plan.step(step) for step in range(steps)]
    return sum(len(batch) * int(plan.lengths[batch].max()) for batch in batches)


@pytest.mark.parametrize("bucket", [True, False])
@pytest.mark.parametrize(("examples", "size"), [(64, 16), (70, 16), (5, 16), (1700, 16), (33, 1)])
def test_an_epoch_has_every_example_exactly_once(examples: int, size: int, bucket: bool) -> None:
    plan = TrainPlan(skewed(examples), size, seed=3, bucket=bucket)
    for epoch in range(3):
        steps = range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
        seen = np.concatenate([plan.step(step) for step in steps])
        assert sorted(seen.tolist()) == list(range(examples))


def test_a_rest_too_small_for_all_parts_is_dropped_and_differs_by_epoch() -> None:
    plan = TrainPlan(skewed(67), 16, seed=0, parts=4)
    assert plan.steps_per_epoch == 4
    dropped = []
    for epoch in range(4):
        seen = np.concatenate([plan.step(epoch * 4 + i) for i in range(4)]).tolist()
        assert len(set(seen)) == len(seen) == 64
        dropped.append(frozenset(range(67)) - frozenset(seen))
    assert len(set(dropped)) > 1


def test_a_rest_that_is_kept_is_no_selection_of_long_examples() -> None:
    plan = TrainPlan(skewed(70), 16, seed=0)
    rests = []
    for epoch in range(20):
        rests += [batch.tolist() for batch in (plan.step(epoch * 5 + i) for i in range(5)) if len(batch) == 6]
    assert len(rests) == 20
    longest = set(np.argsort(plan.lengths)[-6:].tolist())
    drawn = sum(len(longest.intersection(rest)) for rest in rests)
    assert drawn < 30  # of 120; 6/70 of them, about 10, are expected by chance


@pytest.mark.parametrize("bucket", [True, False])
@pytest.mark.parametrize("parts", [1, 4])
def test_steps_of_so_many_tokens_are_alike_and_an_epoch_is_whole(bucket: bool, parts: int) -> None:
    lengths = skewed(1700)
    plan = TrainPlan(lengths, 16, seed=3, parts=parts, bucket=bucket, tokens=2048)
    assert plan.steps_per_epoch == round(lengths.sum() / 2048)
    share, longest = lengths.sum() / plan.steps_per_epoch, lengths.max()
    counts = set()
    for epoch in range(3):
        steps = [plan.step(epoch * plan.steps_per_epoch + i) for i in range(plan.steps_per_epoch)]
        assert sorted(np.concatenate(steps).tolist()) == list(range(1700))
        assert all(abs(lengths[step].sum() - share) <= longest for step in steps)
        assert min(map(len, steps)) >= parts
        counts |= {len(step) for step in steps}
    assert len(counts) > 5, "short texts come in many to a step, long ones in few"
    one = TrainPlan(lengths, 16, seed=3, parts=parts, bucket=bucket, tokens=2048).step(77)
    assert one.tolist() == plan.step(77).tolist()


def test_too_few_tokens_for_a_step_are_refused() -> None:
    with pytest.raises(DataError, match=r"batch.tokens=600: .* 4 parts, .* the longest has 256 tokens; use 2,560"):
        TrainPlan(skewed(1700), 16, seed=0, parts=4, tokens=600)
    assert TrainPlan(skewed(3), 16, seed=0, parts=4, tokens=4096).steps_per_epoch == 0
    assert TrainPlan(skewed(40), 16, seed=0, tokens=10**6).steps_per_epoch == 1


def test_fewer_examples_than_parts_make_no_step() -> None:
    assert TrainPlan(skewed(3), 16, seed=0, parts=4).steps_per_epoch == 0


@pytest.mark.parametrize(("devices", "accumulate"), CUTS)
@pytest.mark.parametrize("bucket", [True, False])
def test_the_parts_of_a_step_make_up_the_step(devices: int, accumulate: int, bucket: bool) -> None:
    lengths = skewed(90)  # 5 steps of 16 and one of 10, which none of the cuts divides evenly
    whole = TrainPlan(lengths, 16, seed=7, bucket=bucket)
    cut = TrainPlan(lengths, 16, seed=7, parts=devices * accumulate, bucket=bucket)
    assert cut.steps_per_epoch == whole.steps_per_epoch == 6
    for step in range(13):
        shares = [cut.part(step, micro, rank, accumulate) for micro in range(accumulate) for rank in range(devices)]
        assert sorted(np.concatenate(shares).tolist()) == sorted(whole.step(step).tolist())
        sizes = [len(share) for share in shares]
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 2  # one from each of the two cuts


@pytest.mark.parametrize("bucket", [True, False])
def test_a_step_does_not_depend_on_what_was_asked_before(bucket: bool) -> None:
    lengths = skewed(300)
    plan = TrainPlan(lengths, 16, seed=1, bucket=bucket)
    expected = [plan.step(step).tolist() for step in range(60)]
    order = list(range(60)) * 2
    random.Random(0).shuffle(order)
    asked = TrainPlan(lengths, 16, seed=1, bucket=bucket)
    assert all(asked.step(step).tolist() == expected[step] for step in order)
    assert all(TrainPlan(lengths, 16, seed=1, bucket=bucket).step(k).tolist() == expected[k] for k in (59, 0, 19, 20))


def test_seed_and_epoch_change_the_order() -> None:
    plan = TrainPlan(skewed(160), 16, seed=0)
    first = [plan.step(step).tolist() for step in range(10)]
    assert first != [plan.step(10 + step).tolist() for step in range(10)]
    assert first != [TrainPlan(skewed(160), 16, seed=1).step(step).tolist() for step in range(10)]


def test_bucketing_leaves_less_than_a_quarter_of_the_padding() -> None:
    lengths = skewed(8000)
    bucketed, plain = TrainPlan(lengths, 32, seed=0), TrainPlan(lengths, 32, seed=0, bucket=False)
    steps = plain.steps_per_epoch
    real = int(lengths.sum())
    assert padded_tokens(bucketed, steps) - real < (padded_tokens(plain, steps) - real) / 4


def test_bucketing_does_not_sort_the_epoch() -> None:
    plan = TrainPlan(skewed(8000), 32, seed=0)
    means = np.array([plan.lengths[plan.step(step)].mean() for step in range(plan.steps_per_epoch)])
    along = np.corrcoef(means, np.arange(len(means)))[0, 1]
    assert abs(along) < 0.2  # 250 batches in random order: standard deviation 0.063


@pytest.mark.parametrize("world", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("examples", "size"), [(1, 8), (7, 8), (8, 8), (33, 8), (100, 7)])
def test_evaluation_covers_each_example_exactly_once(examples: int, size: int, world: int) -> None:
    lengths = skewed(examples)
    if examples < world:
        with pytest.raises(DataError, match=f"a split of {examples} examples .* {world} processes"):
            list(evaluation_batches(lengths, size, world - 1, world))
        return
    ranks = [list(evaluation_batches(lengths, size, rank, world)) for rank in range(world)]
    batches = [batch for rank in ranks for batch in rank]
    assert sorted(np.concatenate(batches).tolist()) == list(range(examples))
    assert max(map(len, batches)) <= size
    assert max(map(len, ranks)) - min(map(len, ranks)) <= 1
    assert min(map(len, ranks)) >= 1
    assert lengths[ranks[0][0][0]] == lengths.max()  # what does not fit into memory fails at once
