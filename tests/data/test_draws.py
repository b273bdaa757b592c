"""SplitMix64 by place gives the published numbers; what is drawn for neighbours is as unrelated as chance allows."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from headway.data.draws import Bits, draws, uniform

# numbers of Vigna's reference implementation, splitmix64.c, and of java.util.SplittableRandom
PUBLISHED = {
    0: [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC, 0x1B39896A51A8749B],
    1234567: [0x599ED017FB08FC85, 0x2C73F08458540FA5, 0x883EBCE5A3F27C77, 0x3FBEF740E9177B3F, 0xE3B8346708CB5ECD],
}
COUNT = 20_000
NEIGHBOURS: dict[str, Callable[[], Bits]] = {  # as collation draws them: a seed, then items, then places
    "places": lambda: draws(draws(7 << 32 | 3, np.array([5])), np.arange(COUNT)),
    "items": lambda: draws(draws(7 << 32 | 3, np.arange(COUNT)), np.array([2])),
    "steps": lambda: draws(draws(np.arange(COUNT, dtype=np.uint64), np.array([5])), np.array([2])),
    "seeds": lambda: draws(draws(np.arange(COUNT, dtype=np.uint64) << np.uint64(32), np.array([0])), np.array([0])),
}


@pytest.mark.parametrize("seed", PUBLISHED)
def test_numbers_are_those_that_are_published(seed: int) -> None:
    assert draws(seed, np.arange(5)).tolist() == PUBLISHED[seed]
    assert draws(seed, np.array([3, 0])).tolist() == [PUBLISHED[seed][3], PUBLISHED[seed][0]]


def test_a_number_is_the_seed_of_others_whatever_is_drawn_beside_it() -> None:
    items = np.array([4, 2**40, 0])
    together = draws(draws(2**64 - 1, items)[:, None], np.arange(6))
    assert together.shape == (3, 6)
    assert len(np.unique(together)) == 18
    for row, item in enumerate(items):
        seed = int(draws(2**64 - 1, np.array([item]))[0])
        assert together[row].tolist() == draws(seed, np.arange(6)).tolist()


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbours_are_unrelated(name: str) -> None:
    """Bits: half are set, and half differ from the neighbour's, each within five standard errors. Values: uniform, and
    so are the pairs of neighbours, by chi-square.
    """
    drawn = NEIGHBOURS[name]()
    places = np.arange(64, dtype=np.uint64)
    for bits in (drawn, drawn[1:] ^ drawn[:-1]):
        shares = ((bits[:, None] >> places) & np.uint64(1)).mean(0)
        assert np.abs(shares - 0.5).max() < 5 * 0.5 / np.sqrt(COUNT)
    values = uniform(drawn)
    assert stats.kstest(values, "uniform").pvalue > 1e-4
    cells = (values[:-1] * 16).astype(int) * 16 + (values[1:] * 16).astype(int)
    assert stats.chisquare(np.bincount(cells, minlength=256)).pvalue > 1e-4


def test_uniform_numbers_are_below_one() -> None:
    assert uniform(np.array([0, 2**64 - 1], np.uint64)).tolist() == [0.0, 1 - 2.0**-53]
