"""Which examples two groups of runs differ on, as the page asks for it: some at a time of one long computation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headway.web.errors import ApiError
from headway.web.kept import Kept
from headway.web.verdicts import Chosen, State

if TYPE_CHECKING:
    from headway.compare.contrast import Contrast
    from headway.store.index.store import Store

KEPT: "Kept[Contrast]" = Kept(4)  # each holds the predictions of its runs


@dataclass(frozen=True)
class Asked:
    """A question to compare.contrast.examples_study: what becomes of the examples from the runs `a` to the runs `b`."""

    a: tuple[str, ...]
    b: tuple[str, ...]
    metric: str
    by: tuple[str, ...]
    over: tuple[str, ...]
    slices: tuple[str, ...]
    level: float

    @property
    def chosen(self) -> Chosen:
        return Chosen((*self.a, *self.b), "")


@dataclass(frozen=True)
class Part:
    """Which of the examples are listed; as views.examples.examples_json."""

    only: str | None
    sort: str
    limit: int
    offset: int


def contrast(store: "Store", asked: Asked, state: State, part: Part) -> dict[str, Any]:
    """JSON of views.examples.examples_json; the rest of the examples costs little while it is KEPT.

    RunError, FilterError: as compare.contrast.examples_study. ApiError 400: a level, outcome or order that is none.
    """
    from headway.compare.contrast import examples_study
    from headway.views.examples import examples_json

    key = (store.index, asked, state)
    found = KEPT.get(key)
    try:
        if found is None:
            found = examples_study(
                *(store, asked.a, asked.b, asked.metric),
                by=asked.by,
                over=asked.over,
                slices=asked.slices,
                level=asked.level,
            )
            KEPT.put(key, found)
        return examples_json(found, part.only, part.sort, part.limit, part.offset)
    except ValueError as error:
        raise ApiError(400, str(error)) from error
