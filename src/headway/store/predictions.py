"""predictions/SPLIT-STEP.parquet: one row per example, written whole or not at all."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.errors import RunError
from headway.store import atomic
from headway.store.layout import PREDICTIONS

if TYPE_CHECKING:
    import pyarrow

    from headway.store.run import Run

_NAME = re.compile(r"([A-Za-z0-9_-]+)-(\d+)\.parquet")


def write_predictions(path: Path, columns: Mapping[str, Sequence[Any] | Any]) -> None:
    """Write columns of equal length n (lists or numpy arrays; [n, k] arrays become lists of k) as Parquet with zstd.

    Raises RunError where the file cannot be written, ValueError (pyarrow's) for columns of different lengths.
    """
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({name: _column(values) for name, values in columns.items()})
    try:
        path.parent.mkdir(exist_ok=True)
        with atomic.replacing(path) as file:
            parquet.write_table(table, file, compression="zstd")
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error}") from error


def prediction_files(run: Path) -> dict[tuple[str, int], Path]:
    """(split, step) -> file, of all predictions in a run folder."""
    files = sorted((run / PREDICTIONS).glob("*.parquet"))
    return {(match[1], int(match[2])): file for file in files if (match := _NAME.fullmatch(file.name))}


def read_predictions(run: "Run", split: str, step: int | None = None) -> "pyarrow.Table":
    """The predictions of `split` at `step` (None: the latest). Raises RunError listing what there is."""
    from pyarrow import ArrowInvalid, parquet

    files = prediction_files(run.path)
    steps = [at for name, at in files if name == split]
    wanted = max(steps, default=-1) if step is None else step
    if (split, wanted) not in files:
        known = ", ".join(f"{name} at step {at}" for name, at in sorted(files)) or "none"
        asked = split if step is None else f"{split} at step {step}"
        raise RunError(f"{run.path}: no predictions of {asked}; recorded are: {known}")
    file = files[split, wanted]
    try:
        return parquet.read_table(file)
    except (OSError, ArrowInvalid) as error:
        raise RunError(f"{file}: cannot be read as Parquet: {error}") from error


def _column(values: Any) -> Any:
    import pyarrow as pa

    if getattr(values, "ndim", 1) == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    return pa.array(values)
