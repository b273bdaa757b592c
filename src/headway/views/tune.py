"""What `headway tune-batch` prints: every setting that was tried, as rich renderables, and the same as JSON."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from headway.formats import duration, safe, size
from headway.store.provenance import hardware, versions
from headway.training.tuned import Changes, Tried
from headway.training.tuning import Tuned

BOUNDS = {
    "memory": "more does not fit into memory",
    "time": "more would take too long to try",
    "data": "there is no more data",
}
ORDER = ("setting", "together", "size", "evaluation", "compile")


def words(changes: Changes) -> str:
    """As overrides: "batch.size=64 trainer.compile=true"."""
    return " ".join(f"{key}={word(value)}" for key, value in changes.items())


def word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def trying(stage: str, changes: Changes) -> str:
    what = {"memory": "does it fit: ", "compile": "compiling: "}.get(stage, "")
    return f"{what}{words(changes) or 'as it is'}"


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str, Changes], None]]:
    """Says what is being tried on standard error: in one line that changes, or where there is no terminal in many."""
    console = Console(stderr=True, highlight=False, quiet=quiet)
    seen: set[str] = set()
    with console.status("preparing the data") as status:

        def say(stage: str, changes: Changes) -> None:
            text = trying(stage, changes)
            status.update(text)
            if not console.is_terminal and text not in seen:
                console.print(text, markup=False)
            seen.add(text)

        yield say


def comment(found: Tuned) -> Iterable[str]:
    """What stands above the settings in the file."""
    made = hardware()
    devices = ", ".join(made.get("gpus") or []) or f"{made['processor']}, {made['cpus']} cores"
    yield f"Measured by `headway tune-batch` on {datetime.now(UTC).date()} on {devices}, torch {versions()['torch']}."
    for one in found.tried:
        if one.changes and one.changes.items() <= found.chosen.items() and one.ratio is not None:
            yield f"{words(one.changes)}: {one.ratio:.2f} times as fast"
    if not found.chosen:
        yield "Nothing that was tried is faster than what was asked for, so nothing is set here."


def tuned_view(found: Tuned) -> Iterable[RenderableType]:
    assert found.present is not None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("tried", "tokens/s", "ratio", "memory", ""):
        table.add_column(name, justify="right" if name in ("tokens/s", "ratio", "memory") else "left")
    for one in sorted(found.tried, key=lambda one: (ORDER.index(one.stage), one.changes != {})):
        chosen = bool(one.changes) and one.changes.items() <= found.chosen.items()
        table.add_row(*cells(one), style="bold green" if chosen else "")
    yield table
    unit = found.present.unit.removeprefix("batch.").replace("size", "examples")
    if found.largest is not None:
        fits = f"{found.largest.size:,} {'of' if unit == 'examples' else 'tokens of'} the longest examples"
        yield Text(f"\nat once on a device fit {fits}; {BOUNDS[found.largest.bound]}")
    if found.present.base:
        yield Text(f"as asked it does not fit into memory; with {words(found.present.base)} it does")
    yield Text(f"measured for {duration(found.seconds)}")
    yield Text(f"chosen: {words(found.chosen) or 'everything as it is'}", style="bold")


def cells(one: Tried) -> tuple[Text, ...]:
    ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
    rate = "" if one.tokens_per_s is None else f"{one.tokens_per_s:,.0f}"
    note = one.note or (f"{one.seconds:.0f} s to compile" if one.seconds else "")
    memory = "" if one.memory_bytes is None else size(one.memory_bytes)
    name = words(one.changes) or "as it is"
    return tuple(Text(text) for text in (name, rate, ratio, memory, safe(note, 100)))


def tuned_json(found: Tuned) -> dict[str, Any]:
    return {
        "present": found.present and asdict(found.present),
        "tried": [one.plain() for one in found.tried],
        "largest": found.largest and asdict(found.largest),
        "chosen": found.chosen,
        "seconds": round(found.seconds, 1),
    }
