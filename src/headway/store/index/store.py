"""The Python API over all runs of some folders: `headway.Store`."""

import difflib
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headway.cache import cache_folder
from headway.errors import RunError
from headway.store.find import runs_root
from headway.store.index import queries
from headway.store.index.groups import Group, group_runs
from headway.store.index.keys import ConfigKey, Metric, config_keys, metric_keys
from headway.store.index.schema import open_index
from headway.store.index.sql import MAX_ROWS, Rows, select
from headway.store.run import Run

if TYPE_CHECKING:
    import pandas as pd

    from headway.store.index.curves import Curve, X
    from headway.store.index.ingest import Changes

FIELDS = tuple(name for name in queries.Row.__dataclass_fields__ if name != "cells")
_METRICS_OF = """SELECT name FROM names WHERE id IN (
    SELECT series.key FROM series JOIN runs ON runs.key = series.run WHERE runs.id = ?)"""


class Store:
    """All runs under some folders, answered from an index that `refresh` brings up to date.

    The index is a cache: it may be deleted at any time. Any number of threads and processes may use it at once; each
    thread has a connection of its own. Filters, sort orders and column names are written as in `headway.store.filters`.
    """

    def __init__(self, *paths: Path | str, index: Path | None = None) -> None:
        """`paths` hold the runs of projects (default: as `headway runs` finds them); nothing is read yet."""
        self.roots = [Path(path).resolve() for path in paths or (runs_root(),)]
        digest = hashlib.sha256("\n".join(map(str, self.roots)).encode("utf-8", "surrogateescape")).hexdigest()
        self.index = Path(index) if index is not None else cache_folder("index") / f"{digest[:16]}.db"
        self._local = threading.local()

    def refresh(self, *, quick: bool = False, report: "Callable[[Changes], bool]" = lambda _: True) -> "Changes":
        """Take in what was added, changed and removed since, newest runs first; see `index.ingest.refresh`."""
        from headway.store.index.ingest import refresh

        return refresh(self._connected(), self.roots, quick=quick, report=report)

    def runs(
        self,
        filter: str = "",
        sort: str = "-created",
        columns: Sequence[str] | None = None,
        archived: bool = False,
    ) -> "pd.DataFrame":
        """One row per run. Without `columns`: the configuration keys that differ, and the best of each metric."""
        import pandas as pd

        if columns is None:
            differing = [key.key for key in self.keys(filter, archived) if key.distinct > 1]
            columns = [*differing, *(metric.key for metric in self.metrics(filter, archived))][: queries.MAX_COLUMNS]
        columns = [column for column in columns if column not in FIELDS]
        table = self.table(filter, sort, columns, limit=None, archived=archived)
        rows = [[*(getattr(row, name) for name in FIELDS), *row.cells] for row in table.rows]
        return pd.DataFrame(rows, columns=[*FIELDS, *columns])

    def table(
        self,
        filter: str = "",
        sort: str = "-created",
        columns: Sequence[str] = (),
        offset: int = 0,
        limit: int | None = 200,
        archived: bool = False,
    ) -> queries.Table:
        """A part of the table as plain values. Raises FilterError."""
        asked = queries.ask(self._connected(), filter, sort, archived)
        return queries.table(self._connected(), asked, columns, offset, limit)

    def groups(
        self,
        filter: str = "",
        sort: str = "-created",
        columns: Sequence[str] = (),
        by: Sequence[str] | Literal["recipe"] = "recipe",
        archived: bool = False,
    ) -> list[Group]:
        """Runs that agree in `by`; "recipe": in everything but the seed. Raises FilterError."""
        asked = queries.ask(self._connected(), filter, sort, archived)
        return group_runs(self._connected(), asked, columns, by)

    def ids(
        self, filter: str = "", sort: str = "-created", archived: bool = False, limit: int | None = None
    ) -> list[str]:
        return queries.ids(self._connected(), queries.ask(self._connected(), filter, sort, archived), limit)

    def keys(self, filter: str = "", archived: bool = False) -> list[ConfigKey]:
        """Configuration keys of the matching runs, the most differing first."""
        return config_keys(self._connected(), queries.ask(self._connected(), filter, "", archived))

    def metrics(self, filter: str = "", archived: bool = False) -> list[Metric]:
        return metric_keys(self._connected(), queries.ask(self._connected(), filter, "", archived))

    def history(
        self,
        run: str,
        metrics: Sequence[str],
        points: int | None = None,
        x: "X" = "step",
        start: float | None = None,
        stop: float | None = None,
    ) -> "pd.DataFrame":
        """Columns `x` and each metric, NaN where one was not logged, from `start` to `stop` of `x`.

        With `points`, about so many rows: each metric is the mean over a stretch, and min(metric) and max(metric) are
        its extremes there. `x` is "step", "time" (seconds since the start), "epoch" or "tokens".
        """
        import numpy as np
        import pandas as pd

        from headway.store.index.curves import X_SERIES, series

        self._require(run, metrics)
        if points is not None:
            frames = []
            for metric in metrics:
                [curve] = self.curves([run], metric, x, points, start, stop)
                drawn = {metric: curve.mean, f"min({metric})": curve.minimum, f"max({metric})": curve.maximum}
                frames.append(pd.DataFrame(drawn, index=pd.Index(curve.x, name=x)))
            return pd.concat(frames, axis=1).sort_index().reset_index()
        columns = series(self._connected(), run, [*metrics, *([] if x == "step" else [X_SERIES[x]])])
        along = columns["step"]
        if x != "step":
            known = np.isfinite(columns[X_SERIES[x]])
            values = columns[X_SERIES[x]][known] if known.any() else [np.nan]
            along = np.interp(along, columns["step"][known] if known.any() else [0], values)
            along = along - along[:1] if x == "time" else along
        frame = pd.DataFrame({x: along, **{metric: columns[metric] for metric in metrics}})
        logged = frame[list(metrics)].notna().any(axis=1)
        low, high = -np.inf if start is None else start, np.inf if stop is None else stop
        return frame[logged & frame[x].between(low, high)].reset_index(drop=True)

    def curves(
        self,
        runs: Sequence[str],
        metric: str,
        x: "X" = "step",
        points: int = 500,
        start: float | None = None,
        stop: float | None = None,
    ) -> "list[Curve]":
        from headway.store.index.curves import curves

        return curves(self._connected(), runs, metric, x=x, points=points, start=start, stop=stop)

    def predictions(self, run: str, split: str, step: int | None = None) -> "pd.DataFrame":
        """One row per example, at `step` or the latest. Raises RunError listing what there is."""
        from headway.store.predictions import read_predictions

        frame: pd.DataFrame = read_predictions(self.run(run), split, step).to_pandas()
        return frame

    def sql(self, query: str, *, limit: int = MAX_ROWS) -> Rows:
        """One SELECT over runs, config, metrics and history; see `headway sql --help`. Raises SqlError."""
        self._connected()  # the file must be there, with today's schema
        return select(self.index, query, limit=limit)

    def run(self, id: str) -> Run:
        return Run.open(self.path(id))

    def _require(self, run: str, metrics: Sequence[str]) -> None:
        """Raise RunError for a run that is not in the index, or that has no such metric."""
        self.path(run)
        rows = self._connected().execute(_METRICS_OF, [run])
        known = {"time", "epoch", *(name for (name,) in rows)}
        for metric in metrics:
            if metric not in known:
                near = difflib.get_close_matches(metric[:100], known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(known)[:12])}"
                raise RunError(f"run {run}: no metric {metric[:100]!r}; {hint}")

    def path(self, id: str) -> Path:
        """The run's folder. Raises RunError for an id that is not in the index."""
        found = self._connected().execute("SELECT path FROM runs WHERE id = ?", [id]).fetchone()
        if found is None:
            raise RunError(f"run {id[:100]!r}: not found in {', '.join(map(str, self.roots))}")
        return Path(found[0])

    def close(self) -> None:
        """Close this thread's connection; those of other threads end with them."""
        if hasattr(self._local, "connection"):
            self._local.connection.close()
            del self._local.connection

    def _connected(self) -> sqlite3.Connection:
        """This thread's connection."""
        if not hasattr(self._local, "connection"):
            self._local.connection = open_index(self.index)
        connection: sqlite3.Connection = self._local.connection
        return connection
