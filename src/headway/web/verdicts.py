"""What is asked of groups of runs, and the answers that are kept so that a second look costs nothing."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from headway.errors import RunError
from headway.store import layout
from headway.store.filters import quoted
from headway.store.find import runs_root
from headway.web.answers import to_json
from headway.web.errors import ApiError
from headway.web.kept import Kept

if TYPE_CHECKING:
    from headway.compare.leaderboard import Comparison
    from headway.store.index.queries import Row
    from headway.store.index.store import Store

MOST_RUNS = 500
MOST_NAMED = 400  # by their ids: more are longer than a filter may be
KEPT: Kept[bytes] = Kept(32)  # answers; one on 500 groups has half a megabyte
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Chosen:
    """Runs by their ids, or by a filter."""

    ids: tuple[str, ...]
    filter: str

    def __post_init__(self) -> None:
        """ApiError 400: neither or both, or too many."""
        if bool(self.ids) == bool(self.filter):
            raise ApiError(400, "verdicts take runs, or a filter, and not both", "runs=ID,ID or f=FILTER")
        if len(self.ids) > MOST_NAMED:
            raise ApiError(400, f"{len(self.ids)} runs named; at most {MOST_NAMED}", "a filter takes more")

    @property
    def condition(self) -> str:
        """As a filter; runs that were named are meant also where they are archived."""
        if not self.ids:
            return self.filter
        listed = ",".join(run if _PLAIN.fullmatch(run) else quoted(run) for run in self.ids)
        return f"id in ({listed}) and archived in (true, false)"

    def rows(self, store: "Store", columns: Sequence[str] = ()) -> "list[Row]":
        """ApiError 404: a named run that is not there; 400: too many. FilterError."""
        for run in self.ids:
            try:
                store.path(run)
            except RunError as error:
                raise ApiError(404, str(error)) from error
        table = store.table(self.condition, "", columns, limit=MOST_RUNS)
        if table.total > MOST_RUNS:
            raise ApiError(400, f"{table.total:,} runs match; at most {MOST_RUNS} are compared", "narrow the filter")
        return table.rows


@dataclass(frozen=True)
class Asked:
    """A question to compare.study.study."""

    chosen: Chosen
    metric: str
    by: tuple[str, ...]
    over: tuple[str, ...]
    margin: float | None
    level: float
    correction: str


def choices(store: "Store", chosen: Chosen) -> dict[str, Any]:
    """{runs, recipes (how many they are of), metric (the usual one), metrics, keys (by which they can be grouped)}."""
    from headway.store.index.describe import NOT_IN_RECIPE

    rows = chosen.rows(store)
    ids = [row.id for row in rows]
    metrics, keys = store.metrics(chosen.condition), store.keys(chosen.condition)
    return {
        "runs": ids,
        "recipes": len({row.recipe for row in rows}),
        "metric": usual({metric.key: metric.runs for metric in metrics}, monitor(store, ids)),
        "metrics": [asdict(metric) for metric in sorted(metrics, key=lambda metric: _place(metric.key))],
        "keys": [
            asdict(key)
            for key in keys
            if (key.distinct > 1 or key.runs < len(ids)) and key.key.removeprefix("config.") not in NOT_IN_RECIPE
        ],
    }


def usual(metrics: Mapping[str, int], monitor: str | None) -> str | None:
    """What to compare first: the test set's value of what chose the checkpoints, where most runs have it.

    metrics: name to the number of runs that have it.
    """
    most = max(metrics.values(), default=0)
    wanted = [f"test/{monitor.rpartition('/')[2]}", monitor] if monitor else []
    wanted += sorted(metrics, key=_place)
    return next((name for name in wanted if 2 * metrics.get(name, 0) > most), None)


def _place(metric: str) -> tuple[bool, bool, str]:
    """What results are reported on first."""
    return (not metric.startswith("test/"), not metric.startswith("val/"), metric)


def monitor(store: "Store", ids: Sequence[str]) -> str | None:
    """The metric that chose the checkpoints of most of these runs."""
    listed = ", ".join("'" + run.replace("'", "''") + "'" for run in ids)
    found = Counter(name for (name,) in store.sql(f"SELECT monitor FROM runs WHERE id IN ({listed})").rows if name)
    return str(found.most_common(1)[0][0]) if found else None


State = tuple[tuple[Any, ...], ...]


def state_of(store: "Store", chosen: Chosen, metric: str) -> State:
    """What answers depend on, for each run: they are the same as long as this is."""
    found = []
    for row in chosen.rows(store, [metric]):
        try:
            changed = (store.path(row.id) / layout.PREDICTIONS).stat().st_mtime_ns
        except OSError:  # it kept none
            changed = 0
        found.append((row.id, row.status, row.cells[0], changed))
    return tuple(found)


def answer(store: "Store", asked: Asked, state: State) -> bytes:
    """JSON of views.comparison.study_json, with a `headline`, each group's `values`, and `commands` that say the same.

    Takes seconds where predictions are read, and is KEPT. RunError, FilterError: as compare.study.study. ApiError 400:
    a level or margin that is none.
    """
    key = (store.index, asked, state)
    if (known := KEPT.get(key)) is not None:  # while this waited
        return known
    from headway.compare.study import study
    from headway.views.comparison import study_json

    condition = asked.chosen.condition
    # one filter holds more ids than references can be looked up in a moment, but only as one does a reproduction count
    named = bool(asked.chosen.ids and store.ids(f"{condition} and tag = {layout.REPRODUCTION}", limit=1))
    try:
        found = study(
            *(store, asked.metric, asked.chosen.ids if named else (), "" if named else condition),
            by=asked.by,
            over=asked.over,
            margin=asked.margin,
            level=asked.level,
            correction="bh" if asked.correction == "bh" else "holm",
        )
    except ValueError as error:
        raise ApiError(400, str(error)) from error
    values = {row.id: row.cells[0] for row in asked.chosen.rows(store, [asked.metric])}  # now: runs may have come since
    groups = [{**asdict(group), "values": [values.get(run) for run in group.ids]} for group in found.groups]
    more = {"groups": groups, "headline": headline(found.comparison), "commands": commands(store, asked)}
    body = to_json({**study_json(found), **more})
    KEPT.put(key, body)
    return body


def headline(comparison: "Comparison") -> str:
    """The answer in one line: who leads, and whether that is shown."""
    places, found = comparison.places, comparison.verdicts
    if comparison.refused is not None:
        return "No verdict: nothing here can be compared."
    if len(found) == 1:
        first, second, outcome = found[0].first, found[0].second, found[0].outcome
        if outcome == "too little data":
            return f"Too little data to tell {first} and {second} apart."
        return f"{first} and {second} are tied." if outcome == "tied" else f"{first} is {outcome} than {second}."
    leaders = [place.name for place in places if place.rank == 1]
    ranked = {place.name for place in places if place.rank is not None}
    if apart := sum(one.outcome == "refused" and ranked >= {one.first, one.second} for one in found):
        return f"No single ranking: {apart} of {len(found)} pairs cannot be compared. Ranks hold among the others."
    untested = sum(place.rank is None for place in places)
    more = f" {_groups(untested)} could not be tested." if untested else ""
    if len(leaders) == len(places):
        return f"No difference between these {len(places)} groups is shown."
    if len(leaders) > 1:
        return f"{len(leaders)} of {_groups(len(places))} share the first place: none is shown to be worse.{more}"
    [name] = leaders
    beaten = sum(
        (name, "better") == (one.first, one.outcome) or (name, "worse") == (one.second, one.outcome) for one in found
    )
    others = "all others" if beaten == len(places) - 1 else f"{beaten} of {len(places) - 1} others"
    return f"{name} is best: shown to be better than {others}.{more}"


def _groups(number: int) -> str:
    return f"{number} group{'' if number == 1 else 's'}"


def commands(store: "Store", asked: Asked) -> dict[str, str]:
    """The same question on the command line: as an answer, and as the table of a paper."""
    elsewhere = len(store.roots) == 1 and store.roots[0] != runs_root().resolve()
    question = [
        *(asked.chosen.ids or ("--filter", asked.chosen.filter)),
        *("--metric", asked.metric),
        *(["--by", ",".join(asked.by)] if asked.by else []),
        *(["--over", ",".join(asked.over)] if asked.over else []),
        *(["--margin", f"{asked.margin:g}"] if asked.margin is not None else []),
        *(["--level", f"{asked.level:g}"] if asked.level != 0.05 else []),
        *(["--correction", asked.correction] if asked.correction != "holm" else []),
        *(["--runs-dir", str(store.roots[0])] if elsewhere else []),
    ]
    return {
        "compare": shlex.join(["headway", "compare", *question]),
        "report": shlex.join(["headway", "report", *question, "--format", "md"]),
    }
