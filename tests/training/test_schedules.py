"""Schedules against those of transformers, at every step."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers

from headway.training import schedules

RATE = 3e-4


def published(make: Callable[..., Any], total: int, **options: Any) -> list[float]:
    """Factors that a scheduler of transformers applies at steps 0 to total - 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    scheduler = make(optimizer, **options)
    factors = []
    for _ in range(total):
        factors.append(scheduler.get_last_lr()[0] / RATE)
        optimizer.step()
        scheduler.step()
    return factors


@pytest.mark.parametrize("total", [1, 2, 10, 137])
@pytest.mark.parametrize("warmup", [0, 1, 7, 50])
def test_equal_to_transformers_at_every_step(total: int, warmup: int) -> None:
    given = {"num_warmup_steps": warmup}
    whole = given | {"num_training_steps": total}
    expected = {
        schedules.linear: published(transformers.get_linear_schedule_with_warmup, total, **whole),
        schedules.cosine: published(transformers.get_cosine_schedule_with_warmup, total, **whole),
        schedules.constant: published(transformers.get_constant_schedule_with_warmup, total, **given),
    }
    if warmup:  # without a warm-up transformers invents a time scale of 10,000 steps
        expected[schedules.inverse_sqrt] = published(transformers.get_inverse_sqrt_schedule, total, **given)
    for schedule, factors in expected.items():
        ours = [schedule(step, total, warmup=float(warmup)) for step in range(total)]
        assert ours == pytest.approx(factors, abs=1e-9), schedule.__name__


def test_a_cosine_with_a_floor() -> None:
    options = {"num_warmup_steps": 5, "num_training_steps": 60, "min_lr_rate": 0.1}
    expected = published(transformers.get_cosine_with_min_lr_schedule_with_warmup, 60, **options)
    assert [schedules.cosine(step, 60, warmup=5.0, floor=0.1) for step in range(60)] == pytest.approx(
        expected, abs=1e-9
    )


@pytest.mark.parametrize(("warmup", "steps"), [(0.1, 10), (0.101, 11), (0.999, 100), (1.0, 1), (12.0, 12), (0.0, 0)])
def test_a_warmup_below_one_is_a_share(warmup: float, steps: int) -> None:
    factors = [schedules.constant(step, 100, warmup=warmup) for step in range(100)]
    assert sum(factor < 1 for factor in factors) == steps


@pytest.mark.parametrize(
    "schedule",
    [schedules.linear, schedules.cosine, schedules.constant, schedules.inverse_sqrt],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("warmup", [0.0, 0.1, 3.0, 500.0])
def test_factors_stay_between_zero_and_one(schedule: Callable[..., float], warmup: float) -> None:
    assert all(0 <= schedule(step, 50, warmup=warmup) <= 1 for step in range(60))
