import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from headway.store import layout
from headway.store.index import schema
from headway.store.index.chunks import single
from headway.store.index.curves import Curve, curves, series
from headway.store.index.ingest import refresh
from headway.store.writer import create_run

STEPS = 40_000
FAR = 3 * STEPS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: 40,000 steps with spikes and gaps, every third step of as many, and ten steps."""
    root = tmp_path_factory.mktemp("curves") / "runs"
    for at, steps in enumerate((range(STEPS), range(0, FAR, 3), range(10))):
        run = create_run(
            root,
            project="p",
            name=f"run{at}",
            tags=[],
            notes=None,
            config_yaml="",
            config_hash="",
            overrides=[],
            command=[],
            seed=0,
        )
        rng = np.random.default_rng(at)
        values = rng.standard_normal(len(steps))
        values[rng.integers(0, len(steps), 5)] = 1000 * rng.standard_normal(5)
        with (run / layout.HISTORY).open("w") as file:
            for step, value in zip(steps, values.tolist(), strict=True):
                shown = '"NaN"' if step % 997 == 5 else repr(value)
                file.write(f'{{"step":{step},"time":{100 + step / 4},"epoch":{step / 1000},"loss":{shown}}}\n')
    return root


@pytest.fixture(scope="module")
def connection(root: Path) -> Iterator[sqlite3.Connection]:
    connection = schema.open_index(root.parent / "index.db")
    refresh(connection, [root])
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def ids(connection: sqlite3.Connection) -> list[str]:
    return [id for (id,) in connection.execute("SELECT id FROM runs ORDER BY name")]


def spread(steps: np.ndarray, curve: Curve) -> np.ndarray:
    """The bucket of a curve that each step is nearest to."""
    return np.abs(steps[:, None] - curve.x[None]).argmin(1)


@pytest.mark.parametrize("seed", range(30))
def test_no_spike_is_hidden_at_any_zoom(connection: sqlite3.Connection, ids: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = int(rng.choice([2, 50, 500, 2000]))
    width = float(STEPS / 4 ** rng.integers(0, 7))
    start = float(rng.uniform(0, STEPS - width))
    for curve in curves(connection, ids[:2], "loss", points=points, start=start, stop=start + width):
        exact = series(connection, curve.run, ["loss"], math.ceil(start), math.floor(start + width))
        values = exact["loss"]
        finite = values[np.isfinite(values)]
        assert curve.n == len(curve.x) == len(curve.mean) <= max(points, 2)
        assert (np.diff(curve.x) > 0).all()
        if not len(finite):
            continue
        assert np.nanmin(curve.minimum) <= single(finite).min()
        assert np.nanmax(curve.maximum) >= single(finite).max()
        if curve.raw:
            np.testing.assert_array_equal(curve.x, exact["step"])
            np.testing.assert_array_equal(curve.mean, single(values))
            continue
        near = spread(exact["step"], curve)
        for at in range(1, curve.n - 1):  # each value lies in the envelope where it is drawn
            here = values[near == at]
            here = here[np.isfinite(here)]
            if len(here) > 2:
                assert curve.minimum[at] <= np.sort(single(here))[1]
                assert curve.maximum[at] >= np.sort(single(here))[-2]


def test_the_whole_of_a_long_curve_has_its_extremes_and_means(connection: sqlite3.Connection, ids: list[str]) -> None:
    for curve in curves(connection, ids[:2], "loss"):
        values = series(connection, curve.run, ["loss"])["loss"]
        assert not curve.raw
        assert 200 < curve.n <= 500
        assert np.nanmin(curve.minimum) == single(values[np.isfinite(values)]).min()
        assert np.nanmax(curve.maximum) == single(values[np.isfinite(values)]).max()
        assert np.nanmean(curve.mean) == pytest.approx(np.nanmean(values), abs=0.05)


def test_a_short_curve_is_its_points(connection: sqlite3.Connection, ids: list[str]) -> None:
    [curve] = curves(connection, ids[2:], "loss")
    assert curve.raw
    assert curve.x.tolist() == list(range(10))
    assert np.isnan(curve.mean[5])
    np.testing.assert_array_equal(curve.minimum, curve.mean)


@pytest.mark.parametrize(("x", "scale"), [("time", 1 / 4), ("epoch", 1 / 1000)])
def test_x_is_taken_from_the_runs_own_rows(
    connection: sqlite3.Connection, ids: list[str], x: str, scale: float
) -> None:
    by_step, by_x = curves(connection, ids, "loss"), curves(connection, ids, "loss", x)
    for one, other in zip(by_step, by_x, strict=True):
        np.testing.assert_allclose(other.x, one.x * scale, rtol=1e-3, atol=scale)
        np.testing.assert_array_equal(one.maximum, other.maximum)
    [part] = curves(connection, ids[:1], "loss", x, start=1000 * scale, stop=1200 * scale)
    assert part.raw
    assert part.x[0] <= 1000 * scale <= 1200 * scale <= part.x[-1]
    assert part.n < 400
    exact = series(connection, ids[0], ["loss"], 1000, 1200)["loss"]
    assert np.nanmax(part.maximum) >= single(exact[np.isfinite(exact)]).max()


def test_what_is_not_there_is_empty(connection: sqlite3.Connection, ids: list[str]) -> None:
    found = [
        *curves(connection, [ids[0], "no-such-run"], "no such metric"),
        *curves(connection, ids[:1], "loss", "tokens"),
        *curves(connection, ids[:1], "loss", start=10.0 * STEPS),
        *curves(connection, ids[:1], "loss", start=9.0, stop=3.0),
    ]
    assert [curve.n for curve in found] == [0] * 5
    assert series(connection, "no-such-run", ["loss"])["step"].tolist() == []
    columns = series(connection, ids[2], ["loss", "time", "none"], 3, 4)
    assert columns["step"].tolist() == [3, 4]
    assert columns["time"].tolist() == [100.75, 101.0]
    assert np.isnan(columns["none"]).all()
