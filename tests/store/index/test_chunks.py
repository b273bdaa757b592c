import numpy as np
import pytest

from headway.store.index.chunks import (
    BUCKETS,
    CHUNK,
    COARSE,
    Buckets,
    bucket_limit,
    bucket_width,
    decode,
    encode,
    single,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "steps",
    [[7], [0, 1, 2, 3], [5, 10, 15], [0, 1, 1000, 1001], [-3, 0, 9], [0, 2**40, 2**62], [1, 2**63 - 1]],
    ids=str,
)
@pytest.mark.parametrize("kind", ["float32", "float64", "equal", "nonfinite", "huge"])
def test_a_chunk_gives_back_every_bit(steps: list[int], kind: str) -> None:
    n = len(steps)
    values = {
        "float32": RNG.standard_normal(n).astype(np.float32).astype(np.float64),
        "float64": RNG.standard_normal(n),
        "equal": np.full(n, 0.5),
        "nonfinite": np.resize([np.nan, np.inf, -np.inf, 1.5], n),
        "huge": np.resize([1e300, 5e-324, -0.0], n),
    }[kind]
    found_steps, found = decode(encode(np.array(steps, np.int64), values))
    assert found_steps.tolist() == steps
    assert found.tobytes() == values.tobytes() or np.array_equal(found, values, equal_nan=True)
    assert np.array_equal(np.signbit(found), np.signbit(values))


def test_a_chunk_costs_what_its_numbers_hold() -> None:
    steps = np.arange(CHUNK) * 10
    plain = RNG.standard_normal(CHUNK)
    assert len(encode(steps, np.full(CHUNK, 3.0))) < 200
    assert len(encode(steps, plain.astype(np.float32).astype(np.float64))) <= 4 * CHUNK + 100
    assert len(encode(steps, plain)) <= 8 * CHUNK + 100
    assert len(encode(np.sort(RNG.permutation(10 * CHUNK)[:CHUNK]), np.full(CHUNK, 3.0))) < 1.2 * CHUNK


def brute(steps: np.ndarray, values: np.ndarray, width: int) -> dict[int, tuple[float, ...]]:
    found = {}
    for at in sorted(set((steps // width).tolist())):
        here = values[steps // width == at]
        finite = here[np.isfinite(here)]
        extremes = (single(finite).min(), single(finite).max()) if len(finite) else (np.inf, -np.inf)
        found[at] = (*extremes, finite.sum(), len(finite), len(here) - len(finite))
    return found


def as_dict(buckets: Buckets) -> dict[int, tuple[float, ...]]:
    rows = zip(*(column.tolist() for column in buckets.columns), strict=True)
    return {buckets.first + at: row for at, row in enumerate(rows) if row[3] + row[4]}


def check(buckets: Buckets, steps: np.ndarray, values: np.ndarray) -> None:
    expected, found = brute(steps, values, buckets.width), as_dict(buckets)
    assert found.keys() == expected.keys()
    for at, row in expected.items():
        assert found[at] == pytest.approx(row, rel=1e-9, nan_ok=True), at


@pytest.mark.parametrize("seed", range(20))
def test_buckets_hold_the_extremes_sums_and_counts_of_their_steps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = np.sort(rng.permutation(3000)[: rng.integers(1, 600)]) - 500
    values = rng.standard_normal(len(steps))
    values[rng.random(len(steps)) < 0.1] = rng.choice([np.nan, np.inf, -np.inf])
    split = int(rng.integers(1, len(steps) + 1))
    width = 1 << int(rng.integers(0, 7))
    whole = Buckets.of(steps, values, width)
    check(whole, steps, values)
    if split < len(steps):
        check(
            Buckets.of(steps[:split], values[:split], width) + Buckets.of(steps[split:], values[split:], width),
            steps,
            values,
        )
    check(whole.widened(4 * width), steps, values)
    check(Buckets.from_bytes(whole.to_bytes()), steps, values)
    small = whole.within(16)
    assert len(small) <= 16
    check(small, steps, values)
    low, high = np.sort(rng.integers(-600, 2600, 2))
    part = whole.between(int(low), int(high) + 1)
    inside = (steps // width >= low // width) & (steps // width <= high // width)
    check(part, steps[inside], values[inside])


def test_a_width_is_the_smallest_that_fits() -> None:
    for first, last, limit in [(0, 99, 100), (0, 100, 100), (3, 3, 1), (-5, 5, 2), (7, 10**12, 500)]:
        width = bucket_width(first, last, limit)
        assert last // width - first // width < limit
        assert width == 1 or last // (width // 2) - first // (width // 2) >= limit


def test_a_pyramid_does_not_outweigh_its_points() -> None:
    assert bucket_limit(CHUNK + 1) == CHUNK // 16
    assert COARSE <= bucket_limit(0) <= bucket_limit(10**9) == BUCKETS


def test_a_value_past_float32_stays_finite() -> None:
    assert np.isfinite(single(np.array([1e300, -1e300]))).all()
    assert single(np.array([np.inf, np.nan]))[0] == np.inf
