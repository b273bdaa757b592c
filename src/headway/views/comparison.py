"""What the command line prints of a comparison, as rich renderables, and the same as JSON.

Names of groups come from configurations: they are shown as text, never as markup or terminal commands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from headway.compare.words import other_tests
from headway.formats import safe, value

if TYPE_CHECKING:
    from headway.compare.resampling import Interval
    from headway.compare.study import Study
    from headway.compare.verdict import Effect, Verdict

STYLES = {"better": "green", "worse": "red", "tied": "cyan", "too little data": "yellow", "refused": "bold red"}
MOST_SENTENCES = 6
NAME = 60  # characters of a group's


def study_view(found: "Study") -> list[RenderableType]:
    """The leaderboard, the pairs as a table and in sentences, and what to bear in mind."""
    comparison = found.comparison
    question = comparison.question
    direction = "higher" if question.higher_is_better else "lower"
    head = f"{question.metric}, {direction} is better, intervals at {100 * (1 - question.level):g}%"
    letters = {place.name: _letter(number) for number, place in enumerate(comparison.places)}
    parts: list[RenderableType] = [Text(safe(head), "bold"), _board(found, letters), Text(comparison.rule, "dim")]
    parts += [Text(), _pairs(comparison.verdicts, letters), Text()]
    if len(comparison.verdicts) <= MOST_SENTENCES:
        for one in comparison.verdicts:
            parts.append(Text(safe(one.sentence)))
            if one.finding is not None:
                parts.append(Text(f"  also, uncorrected: {other_tests(one.finding)}", "dim"))
    else:
        parts.append(Text("--json has each pair in a sentence", "dim"))
    assumed = dict.fromkeys(text for one in comparison.verdicts for text in one.assumptions)
    noted = dict.fromkeys([*found.notes, *(text for one in comparison.verdicts for text in one.notes)])
    for title, texts in (("assumed", assumed), ("mind", noted)):
        if texts:
            parts += [Text(), *(Text(f"{title}: {safe(text)}", "dim" if title == "assumed" else "") for text in texts)]
    return parts


def study_json(found: "Study") -> dict[str, Any]:
    """Everything that was found, by the names of the dataclasses' fields."""
    comparison = asdict(found.comparison)
    return {
        "question": comparison["question"],
        "rule": comparison["rule"],
        "places": comparison["places"],
        "verdicts": comparison["verdicts"],
        "groups": [asdict(group) for group in found.groups],
        "notes": found.notes,
    }


def _letter(number: int) -> str:
    """A to Z, then AA, AB, ..."""
    ahead, last = divmod(number, 26)
    return (_letter(ahead - 1) if ahead else "") + chr(ord("A") + last)


def _board(found: "Study", letters: Mapping[str, str]) -> Table:
    table = _table("", "rank", "group", "seeds", "mean", "sd", "interval", "best", "worst")
    for place in found.comparison.places:
        cells = [value(place.mean), value(place.sd), _interval(place.interval), value(place.best), value(place.worst)]
        rank = "" if place.rank is None else str(place.rank)
        table.add_row(
            letters[place.name],
            rank,
            Text(safe(place.name, NAME)),
            str(place.n),
            *cells,
            style="bold" if rank == "1" else "",
        )
    return table


def _pairs(verdicts: "Sequence[Verdict]", letters: Mapping[str, str]) -> Table:
    """A group without a value has no letter."""
    table = _table("pair", "verdict", "difference", "interval", "adjusted p", "effect")
    for one in verdicts:
        cells = [""] * 4
        if one.finding is not None and one.adjusted is not None:
            p_value = "< 0.001" if one.adjusted < 0.001 else f"{one.adjusted:.3f}"
            difference, interval = value(one.finding.difference), _interval(one.finding.interval)
            cells = [difference, interval, p_value, _effect(one.finding.effect)]
        pair = " : ".join(letters.get(name) or safe(name, NAME) for name in (one.first, one.second))
        table.add_row(Text(pair), Text(one.outcome, STYLES[one.outcome]), *cells)
    return table


def _effect(effect: "Effect | None") -> str:
    if effect is None:
        return ""
    if effect.second is not None:
        return f"{effect.first:.0f} : {effect.second:.0f} right alone"
    return f"g = {effect.first:.2f}"


def _interval(interval: "Interval | None") -> str:
    return "" if interval is None else f"{value(interval.low)} to {value(interval.high)}"


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for header in headers:
        left = header in ("group", "pair", "verdict", "effect", "")
        table.add_column(header, justify="left" if left else "right", overflow="fold", no_wrap=header != "group")
    return table
