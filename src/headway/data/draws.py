"""Random numbers of a whole batch at once: each follows from what it is drawn for, not from how many came before.

SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"; they test it with DieHarder
and TestU01). Its numbers can be had by their place in its stream, and each is the seed of another generator.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Bits = npt.NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio, what SplitMix64 adds for each number


def draws(seed: int | Bits, at: Array) -> Bits:
    """64 random bits: number `at`, from 0, of the generator with this seed, shapes broadcast.

    Two numbers of one generator are never equal. seed: a whole number below 2**64, or numbers drawn before.
    """
    return mixed(at.astype(np.uint64) * _GAMMA + np.uint64(seed))


def uniform(bits: Bits) -> npt.NDArray[np.float64]:
    """Random bits as numbers of [0, 1), multiples of 2**-53."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def mixed(values: Array) -> Bits:
    """Every bit of the result depends on every bit of the value: the first number of SplitMix64 with this seed."""
    mixing = values.astype(np.uint64) + _GAMMA
    mixing = (mixing ^ (mixing >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixing = (mixing ^ (mixing >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Bits = mixing ^ (mixing >> np.uint64(31))
    return found
