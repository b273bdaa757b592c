"""What `headway reproduce` prints: what is not as it was, and whether the same came of it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from headway.compare.replay import Change, Difference, Verdict, plain
from headway.formats import safe
from headway.store.run import Run
from headway.training.reproduce import Inspection

__all__ = ["inspection_json", "inspection_view", "plain", "verdict_view"]

MOST = 12  # changes of a kind that are shown
_STYLES = {"bit-identical": "bold green", "identical to a step": "bold yellow", "different": "bold red"}


def inspection_view(found: Inspection) -> Iterable[RenderableType]:
    """Before anything is trained: a line for each kind of thing that a result depends on."""
    run = found.run
    end = "" if found.until is None else f": trained up to step {found.until}, as far as it was recorded"
    yield Text.assemble((safe(f"{run.name or run.project} "), "bold"), f"{safe(run.id)} ({safe(run.status)}{end})")
    yield _line("config", f"as it was ({run.meta['config_hash']})")
    data = [change for change in found.changes if change.kind == "data"]
    recorded = (run.meta.get("data") or {}).get("fingerprint")
    yield _line("data", _listed(data) or f"{'as it was' if recorded else 'none was recorded; now'} ({found.data[:12]})")
    yield _line("code", safe(found.code.line))
    packages = [change for change in found.changes if change.kind == "package"]
    same = f"the same {found.packages}" if found.packages else "none were recorded"
    yield _line("packages", _listed(packages) or same)
    yield _line("machine", _listed([change for change in found.changes if change.kind == "machine"]) or "as it was")


def inspection_json(found: Inspection) -> dict[str, Any]:
    return {
        "run": found.run.id,
        "until": found.until,
        "code": found.code.line,
        "changes": [asdict(change) for change in found.changes],
    }


def verdict_view(original: Run, replayed: Run, found: Verdict) -> Iterable[RenderableType]:
    """The verdict, the first difference, how much it came to in the end, and what may have caused it."""
    parts = ", ".join(f"{one.name} at step {one.step}" for one in found.compared)
    what = f"{found.values:,} values of {found.steps:,} steps{f', {parts}' if parts else ''}"
    if found.outcome == "identical to a step":
        said = f"identical to step {found.identical_to:,}"
    else:
        said = found.outcome if found.first is None else "different from the first step"
    yield Text.assemble((said, _STYLES[found.outcome]), f": {safe(original.id)} and {safe(replayed.id)}; {what}")
    if found.first is not None:
        yield Text(f"  first: step {found.first.step:,}, {_said(found.first)}")
        for one in found.final[:MOST]:
            yield Text(f"   last: {_said(one)}")
        yield from _causes(found.changes)
    for note in found.notes:
        yield Text(f"   note: {safe(note)}", "dim")


def _causes(changes: Sequence[Change]) -> Iterable[RenderableType]:
    likely = [change for change in changes if change.decides] or list(changes)
    if likely:
        yield Text(f" differs: {_listed(likely)}")
    else:
        yield Text(
            " differs: nothing that was recorded; sums in another order give other bits: set trainer.threads and "
            "trainer.deterministic=true"
        )


def _said(one: Difference) -> str:
    if one.detail is not None:
        return safe(f"{one.name}: {one.detail}")
    if one.replayed is None:
        return f"{safe(one.name)}: {one.original!r}, not recorded by the other"
    relative = f", {one.relative:.1e} of it" if one.relative is not None else ""
    return f"{safe(one.name)}: {one.original!r} against {one.replayed!r}{relative}"


def _listed(changes: Sequence[Change]) -> str:
    """ "torch 2.13.0 -> 2.14.0, numpy ..."; the first MOST, what decides results first."""
    shown = [f"{change.name} {_short(change.then)} -> {_short(change.now)}" for change in changes[:MOST]]
    rest = len(changes) - len(shown)
    return safe(", ".join(shown)) + (f" and {rest} more" if rest else "")


def _short(value: str | None) -> str:
    if value is None:
        return "none"
    return value[:12] if len(value) in (40, 64) and value.isalnum() else value[:60]  # a commit, a fingerprint


def _line(name: str, text: str) -> Text:
    return Text(f"{name:>9}: {text}")
