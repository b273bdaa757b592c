"""What the command line prints of the examples on which two groups of runs differ; the same as JSON and as CSV.

Texts, labels and names come from data sets and configurations: they are shown as text, never as markup.
"""

import csv
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from headway.formats import csv_cell, safe, value

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from headway.compare.breakdown import Breakdown, Concentration, Standout
    from headway.compare.contrast import Contrast, Party

    Rows = Sequence[int] | npt.NDArray[np.int64]

STYLES = {"fixed": "green", "improved": "green", "broken": "red", "worsened": "red", "both_wrong": "yellow"}
NAME, LINE = 36, 160  # characters of a slice's name, of a text


def examples_view(found: "Contrast", only: str, rows: "Rows", total: int) -> list[RenderableType]:
    """Counts, tables, where the difference concentrates, then these of `total` examples."""
    direction = "higher" if found.question.higher_is_better else "lower"
    head = f"{found.metric}, {direction} is better, {len(found.changes.sure):,} examples; differences are B less A"
    parts: list[RenderableType] = [
        Text(safe(head), "bold"),
        _parties(found),
        Text(),
        Text(safe(found.verdict.sentence)),
    ]
    parts += [Text(), _counts(found)]
    for table in found.tables:
        parts += [Text(), _breakdown(table, found.question.level)]
    parts += [Text(), *(Text(safe(line)) for line in sentences(found.concentration))]
    parts += [Text(), *(Text(safe(f"mind: {note}")) for note in found.notes)] if found.notes else []
    shown = f"{len(rows)} of {total:,}" if len(rows) < total else f"{total:,}"
    parts += [Text(), Text(f"{only.replace('_', ' ')}: {shown}", "bold")]
    for row in rows:
        parts += _case(found, int(row))
    return parts


def examples_json(
    found: "Contrast", only: str | None = None, sort: str = "sure", limit: int = 20, offset: int = 0
) -> dict[str, Any]:
    """Everything as plain data. ValueError: an outcome that this kind of metric has not, or an unknown order."""
    rows = found.listed(only, sort)
    concentration = found.concentration
    return {
        "metric": found.metric,
        "split": found.split,
        "higher_is_better": found.question.higher_is_better,
        "level": found.question.level,
        "kind": found.kind,
        "score": found.score,
        "a": _party_json(found.first),
        "b": _party_json(found.second),
        "examples": len(found.changes.sure),
        "counts": found.changes.counts,
        "mcnemar": None if found.mcnemar is None else vars(found.mcnemar),
        "verdict": {
            name: getattr(found.verdict, name) for name in ("outcome", "sentence", "assumptions", "notes", "adjusted")
        },
        "tables": [_breakdown_json(table) for table in found.tables],
        "concentration": {
            "looked_at": concentration.looked_at,
            "permutations": concentration.permutations,
            "level": concentration.level,
            "sentences": sentences(concentration),
            "slices": [
                _standout_json(one, one.adjusted <= concentration.level)
                for one in (*concentration.found, *concentration.nearest)
            ],
        },
        "shown": len(rows),
        "cases": [_case_json(found, int(row)) for row in rows[offset : offset + limit]],
        "columns": list(found.columns),
        "notes": found.notes,
    }


def examples_csv(found: "Contrast", rows: "Rows", file: TextIO) -> None:
    """A line for each example; several runs' answers with their counts, as in "positive 4/5"."""
    contents = _contents(found)
    writer = csv.writer(file, lineterminator="\n")
    own = ["outcome", "sure", "difference", "a", "b", "a_score", "b_score"]
    writer.writerow([csv_cell(name) for name in ("id", *contents, *own)])
    for row in map(int, rows):
        changed = [_outcome(found, row), float(found.changes.sure[row]), float(found.changes.difference[row])]
        said = [_said(found, party, row) for party in (found.first, found.second)]
        means = [float(party.scores[:, row].mean()) for party in (found.first, found.second)]
        cells = [_plain(found.columns[name][row]) for name in contents]
        writer.writerow([csv_cell(cell) for cell in (found.columns["id"][row], *cells, *changed, *said, *means)])


def sentences(found: "Concentration") -> list[str]:
    """One for each slice that stands out, or that none does and which come nearest."""
    if not found.looked_at:
        return ["there are too few examples to search for slices on which the difference concentrates"]
    if found.found:
        lead = f"the difference concentrates on these of {found.looked_at} slices that were looked at:"
        return [lead, *(f"  {_standout(one)}" for one in found.found)]
    lead = f"none of {found.looked_at} slices stands out from the others at the level {found.level:g}; nearest are:"
    return [lead, *(f"  {_standout(one)}" for one in found.nearest)]


def _standout(one: "Standout") -> str:
    seeds = "" if one.over_seeds is None else f", {_equals(one.over_seeds)} over seeds alone"
    change = f"B less A is {_signed(one.difference)} ({value(one.first)} to {value(one.second)})"
    return (
        f"{one.name} ({one.n:,} examples): {change}, elsewhere {_signed(one.elsewhere)}; "
        f"{_equals(one.adjusted)} for all looked at{seeds}"
    )


def _parties(found: "Contrast") -> Table:
    table = _table("", "group", "runs", "seeds", "mean")
    for letter, party in (("A", found.first), ("B", found.second)):
        seeds = ", ".join(str(seed) for seed in party.seeds if seed is not None)
        table.add_row(letter, Text(safe(party.name, 60)), str(len(party.ids)), seeds, value(party.mean))
    return table


def _counts(found: "Contrast") -> Text:
    """In one line; with McNemar's test of one run each."""
    text = Text()
    counts = {name: count for name, count in found.changes.counts.items() if count or name != "split"}
    for name, count in counts.items():
        text.append(f"{name.replace('_', ' ')} {count:,}", STYLES.get(name, "")).append("   ")
    if found.mcnemar is not None:
        text.append(f"McNemar {_equals(found.mcnemar.p_mid)}", "dim")
    elif found.kind == "right":
        text.append("right: by more than half of a group's runs", "dim")
    else:
        text.append(f"by {found.score}", "dim")
    return text


def _breakdown(table: "Breakdown", level: float) -> Table:
    shown = _table(
        table.by.removeprefix("meta."), "examples", f"A {table.metric}", "B", "B - A", "interval", "adjusted p"
    )
    for row in table.rows:
        interval = "" if row.interval is None else f"{_signed(row.interval.low)} to {_signed(row.interval.high)}"
        cells = [f"{row.n:,}", value(row.first), value(row.second), _signed(row.difference), interval]
        sure = row.adjusted is not None and row.adjusted <= level
        shown.add_row(
            Text(safe(row.name, NAME)),
            *cells,
            "" if row.adjusted is None else _p(row.adjusted),
            style="bold" if sure else "",
        )
    return shown


def _case(found: "Contrast", row: int) -> list[RenderableType]:
    outcome, columns = _outcome(found, row), found.columns
    head = Text(outcome.replace("_", " "), STYLES.get(outcome, "")).append(f"  {safe(columns['id'][row])}", "dim")
    lines: list[RenderableType] = [Text(), head]
    for name in _contents(found):
        if (cell := columns[name][row]) is not None and not (name == "gold" and _is_tagged(found)):
            lines.append(Text(f"  {safe(name.removeprefix('meta.')):8} ", "dim").append(safe(_plain(cell), LINE)))
    if _is_tagged(found):
        gold = ", ".join(_entities(found, row, columns["gold"][row])) or "nothing"
        lines.append(Text("  gold     ", "dim").append(safe(gold, LINE)))
    for letter, party in (("A", found.first), ("B", found.second)):
        lines.append(Text(f"  {letter:8} ", "dim").append(safe(_said(found, party, row), LINE)))
    return lines


def _said(found: "Contrast", party: "Party", row: int) -> str:
    """The runs' answers, the most frequent first, with their scores where these are graded."""
    score = f"{found.score.removesuffix(' of the example')} {value(float(party.scores[:, row].mean()))}"
    if not party.outputs or "prediction" not in party.outputs[0]:
        return score
    several = len(party.ids) > 1
    cells = _answers(party, row)
    if cells and isinstance(cells[0][0], float):
        numbers = [value(cell) for cell, count in cells for _ in range(count)]
        return f"{', '.join(numbers)} ({score})"
    shown = [
        f"{text or '(none)'} {count}/{len(party.ids)}" if several else text or "(none)"
        for text, count in ((_shown(found, row, cell), count) for cell, count in cells)
    ]
    return " | ".join(shown) + (f" ({score})" if found.kind == "graded" else "")


def _answers(party: "Party", row: int) -> list[tuple[Any, int]]:
    from headway.compare.examples import answers

    return answers([run["prediction"][row] for run in party.outputs])


def _shown(found: "Contrast", row: int, cell: Any) -> str:
    """An answer; of tags the entities that are not those of the gold answer."""
    if not _is_tagged(found):
        return _plain(cell)
    said, gold = _entities(found, row, cell), _entities(found, row, found.columns["gold"][row])
    parts = {"missed": [one for one in gold if one not in said], "added": [one for one in said if one not in gold]}
    return "; ".join(f"{name} {', '.join(ones)}" for name, ones in parts.items() if ones) or "all right"


def _is_tagged(found: "Contrast") -> bool:
    outputs = found.first.outputs[0]
    return "tokens" in found.columns and isinstance(outputs.get("prediction", [""])[0], list)


def _entities(found: "Contrast", row: int, tags: Sequence[str]) -> list[str]:
    """As "Empire State Building [location]"."""
    from headway.metrics.tagging import entities, scheme_of

    tokens = found.columns["tokens"][row]
    scheme = scheme_of({tag for cells in (found.columns["gold"], [tags]) for cell in cells for tag in cell})
    return [f"{' '.join(tokens[start:end])} [{kind}]" for kind, start, end in entities(list(tags), scheme)]


def _contents(found: "Contrast") -> list[str]:
    """The columns of an example that are shown: its input, its metadata, its gold answer."""
    names = ("text", "pair", "question", "context")
    along = [name for name in found.columns if name.startswith("meta.")]
    return [name for name in (*names, *along, "gold") if name in found.columns]


def _outcome(found: "Contrast", row: int) -> str:
    return list(found.changes.counts)[int(found.changes.outcome[row])]


def _party_json(party: "Party") -> dict[str, Any]:
    return {name: getattr(party, name) for name in ("name", "ids", "seeds", "steps", "mean")}


def _breakdown_json(table: "Breakdown") -> dict[str, Any]:
    rows = [
        {
            "name": row.name,
            "expression": row.expression,
            "n": row.n,
            "a": _defined(row.first),
            "b": _defined(row.second),
            "difference": _defined(row.difference),
            "low": None if row.interval is None else row.interval.low,
            "high": None if row.interval is None else row.interval.high,
            "p_value": row.p_value,
            "adjusted": row.adjusted,
        }
        for row in table.rows
    ]
    return {"by": table.by, "metric": table.metric, "slices": rows}


def _standout_json(one: "Standout", significant: bool) -> dict[str, Any]:
    names = {"first": "a", "second": "b"}
    cells = {names.get(name, name): _defined(cell) for name, cell in vars(one).items()}
    return cells | {"significant": significant}


def _case_json(found: "Contrast", row: int) -> dict[str, Any]:
    columns = found.columns
    contents = _contents(found)
    return {
        "id": columns["id"][row],
        "outcome": _outcome(found, row),
        "sure": float(found.changes.sure[row]),
        "difference": float(found.changes.difference[row]),
        "input": {name: columns[name][row] for name in contents if name != "gold" and not name.startswith("meta.")},
        "metadata": {name: columns[name][row] for name in contents if name.startswith("meta.")},
        "gold": columns["gold"][row] if "gold" in columns else None,
        **{name: _side_json(found, party, row) for name, party in (("a", found.first), ("b", found.second))},
    }


def _side_json(found: "Contrast", party: "Party", row: int) -> dict[str, Any]:
    said = _answers(party, row) if party.outputs and "prediction" in party.outputs[0] else []
    return {
        "score": float(party.scores[:, row].mean()),
        "answers": [{"text": _shown(found, row, cell), "value": cell, "runs": count} for cell, count in said],
    }


def _defined(cell: Any) -> Any:
    """JSON has no number for what is not one."""
    return None if isinstance(cell, float) and not isfinite(cell) else cell


def _plain(cell: Any) -> str:
    if isinstance(cell, list):
        return ", ".join(dict.fromkeys(map(str, cell))) or "(none)"  # annotators of a question often agree
    return value(cell) if isinstance(cell, float) else str(cell)


def _signed(number: float) -> str:
    return f"+{value(number)}" if number > 0 else value(number)


def _equals(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def _p(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for place, header in enumerate(headers):
        left = place == 0 or header in ("group", "seeds")
        table.add_column(header, justify="left" if left else "right", no_wrap=True)
    return table
