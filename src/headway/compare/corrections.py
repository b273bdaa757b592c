"""p-values [P] of tests that were looked at together, adjusted: reject those that are below the level afterwards."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def holm(p_values: npt.ArrayLike) -> Floats:
    """[P]: the chance of one false rejection or more stays below the level (Holm 1979). ValueError: outside 0 to 1."""
    p, order = _sorted(p_values)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return _unsorted(adjusted, order)


def benjamini_hochberg(p_values: npt.ArrayLike) -> Floats:
    """[P]: the expected share of false rejections among all stays below the level, for tests that are independent or
    positively dependent (Benjamini and Hochberg 1995; Benjamini and Yekutieli 2001, theorem 1.2). ValueError: as holm.
    """
    p, order = _sorted(p_values)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    return _unsorted(np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1), order)


def _sorted(p_values: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.intp]]:
    p = np.asarray(p_values, np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values lie between 0 and 1; leave out tests that gave none")
    return p, np.argsort(p, kind="stable")


def _unsorted(values: Floats, order: npt.NDArray[np.intp]) -> Floats:
    found = np.empty_like(values)
    found[order] = values
    return found
