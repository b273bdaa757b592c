"""What `headway dynamics` and `headway labels` print and draw. Texts and labels are other people's: never markup."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from headway.formats import safe
from headway.views.answers import CLASSES, confusion_view

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa

    from headway.compare.dynamics import Dynamics
    from headway.compare.label_errors import LabelErrors

CONTENT = ("text", "pair", "question", "context", "tokens")
SHOWN = 100  # characters of a text in a table
LABEL = 24  # of a label
LEFT = ("region", "gold", "predicted", "given", "likely", "id", "text")
MEANS = ("confidence", "variability", "correctness")
PAIRS = 10  # of labels, where a matrix does not fit
SHADES = " ·░▒▓█"  # from none to most examples
MAP = (10, 50)  # rows of confidence, columns of variability
MANY = 5_000  # points above which a figure holds them as pixels


# --- training dynamics -----------------------------------------------------------------------------------------------


def dynamics_json(
    split: str,
    steps: Mapping[str, Sequence[int]],
    table: "pa.Table",
    found: "Dynamics",
    chosen: "np.ndarray[Any, Any]",
) -> dict[str, Any]:
    """steps: of each run. table: examples and their last predictions, [N]. chosen: numbers of the examples to list."""
    import numpy as np

    from headway.compare.dynamics import REGIONS, regions

    names = regions(found)
    measured = {name: getattr(found, name) for name in vars(found)}
    summary = []
    for region in (one for one in REGIONS if one in names):  # two examples have no third
        mine = names == region
        means = {name: float(values[mine].mean()) for name, values in measured.items() if name in MEANS}
        forgotten = found.forgotten[mine]
        counts = {
            "forgotten": int((np.isfinite(forgotten) & (forgotten > 0)).sum()),
            "never_learned": int(np.isinf(forgotten).sum()),
        }
        summary.append({"region": region, "examples": int(mine.sum()), **means, **counts})
    columns = [name for name in (*CONTENT, "gold", "prediction") if name in table.column_names]
    columns = [name for name in columns if table[name].type != "int64"]  # tokens may be how many there are
    rows = [
        {
            "id": row["id"],
            "region": str(names[at]),
            **{name: float(values[at]) for name, values in measured.items()},
            **{name: row[name] for name in columns},
        }
        for at, row in zip(chosen.tolist(), table.take(chosen).select(["id", *columns]).to_pylist(), strict=True)
    ]
    return {
        "split": split,
        "runs": [{"id": run, "steps": list(at)} for run, at in steps.items()],
        "examples": len(names),
        "regions": summary,
        "rows": rows,
    }


def dynamics_view(shown: Mapping[str, Any], found: "Dynamics") -> list[RenderableType]:
    """Regions, the data map, and the chosen examples."""
    looks = sorted({len(run["steps"]) for run in shown["runs"]})
    of = f"run {shown['runs'][0]['id']}" if len(shown["runs"]) == 1 else f"{len(shown['runs'])} runs"
    times = " to ".join(map(str, {looks[0]: 0, looks[-1]: 0}))
    head = f"{shown['split']} of {of}: {shown['examples']:,} examples at {times} validations"
    by_region = [
        [
            one["region"],
            f"{one['examples']:,}",
            *(_number(one[name]) for name in MEANS),
            *(f"{one[name]:,}" for name in ("forgotten", "never_learned")),
        ]
        for one in shown["regions"]
    ]
    examples = [
        [
            *(_number(row[name]) for name in MEANS),
            "never right" if row["forgotten"] == float("inf") else _number(row["forgotten"], 1),
            *(_answer(row.get(name)) for name in ("gold", "prediction")),
            _asked(row),
        ]
        for row in shown["rows"]
    ]
    return [
        Text(safe(head), "bold"),
        _table(("region", "examples", *MEANS, "forgotten", "never"), by_region),
        Text(),
        *_map(found),
        Text(),
        _table(("conf.", "var.", "right", "forgotten", "gold", "predicted", "text"), examples),
    ]


def _map(found: "Dynamics") -> list[Text]:
    """How many examples lie where, by confidence (up) and variability (right), darker for more."""
    import numpy as np

    rows, columns = MAP
    counts, _, _ = np.histogram2d(found.confidence, found.variability, bins=(rows, columns), range=((0, 1), (0, 0.5)))
    shares = np.log1p(counts) / max(float(np.log1p(counts.max())), 1e-9)
    shades = np.ceil(shares * (len(SHADES) - 1)).astype(int)
    lines = [
        f"{(at + 1) / rows:4.1f} │" + "".join(SHADES[shade] for shade in shades[at]) for at in reversed(range(rows))
    ]
    axis = f"   0 └{'─' * columns}"
    ticks = f"     0{'variability'.center(columns - 4)}0.5"
    return [Text("confidence", "dim"), *(Text(line) for line in (*lines, axis)), Text(ticks, "dim")]


def save_figure(path: "Path", found: "Dynamics", title: str) -> None:
    """The data map of Swayamdipta et al. 2020, figure 1; equal input gives equal bytes. Raises: RunError."""
    import matplotlib as mpl
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    from headway.errors import RunError
    from headway.store.atomic import replacing

    known = not np.isnan(found.correctness).any()
    with mpl.rc_context({"svg.hashsalt": "headway", "text.parse_math": False}):
        figure = Figure(figsize=(6, 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot(xlabel="variability", ylabel="confidence", ylim=(-0.02, 1.02), title=safe(title, 60))
        points = axes.scatter(
            found.variability,
            found.confidence,
            c=found.correctness if known else "C0",
            cmap="coolwarm_r" if known else None,
            norm=Normalize(0, 1) if known else None,
            s=8,
            linewidths=0,
            alpha=0.7,
            rasterized=len(found.confidence) > MANY,
        )
        axes.set_xlim(left=0)
        if known:
            figure.colorbar(points, label="correctness")
        undated: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
        try:
            with replacing(path) as file:
                figure.savefig(file, format=path.suffix[1:], dpi=150, metadata=undated[path.suffix])
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error}") from error


# --- label errors ----------------------------------------------------------------------------------------------------


def labels_json(
    about: Mapping[str, Any],
    classes: Sequence[str],
    table: "pa.Table",
    probabilities: "np.ndarray[Any, Any]",
    found: "LabelErrors",
    limit: int,
) -> dict[str, Any]:
    """about: runs, split, by and notes. probabilities: [N, C]. limit: examples listed, 0 for all."""
    columns = [name for name in CONTENT if name in table.column_names]
    chosen = found.ranked[: limit or None]
    rows = []
    for at, row in zip(chosen.tolist(), table.take(chosen).to_pylist(), strict=True):
        likely = int(found.likely[at])
        rows.append(
            {
                "id": row["id"],
                "given": row["gold"],
                "likely": classes[likely],
                "probability": float(probabilities[at, classes.index(row["gold"])]),
                "likely_probability": float(probabilities[at, likely]),
                "margin": float(found.margin[at]),
                **{name: row[name] for name in columns},
            }
        )
    return {
        **about,
        "examples": len(table),
        "estimate": found.estimate,
        "disagree": int((found.margin < 0).sum()),
        "flagged": int(found.flagged.sum()),
        "labels": list(classes),
        "counts": found.counts.tolist(),
        "rows": rows,
    }


def labels_view(shown: Mapping[str, Any]) -> list[RenderableType]:
    """How many labels are wrong, which are taken for which, and the surest errors."""
    of = f"run {shown['runs'][0]}" if len(shown["runs"]) == 1 else f"{len(shown['runs'])} runs"
    wrong = f"about {shown['estimate']:,} ({100 * shown['estimate'] / shown['examples']:.1f}%) are wrong"
    counts = f"{shown['disagree']:,} differ from the prediction, {shown['flagged']:,} of them are flagged"
    head = f"{shown['split']} of {of}: of {shown['examples']:,} labels {wrong}; {counts}"
    parts: list[RenderableType] = [Text(safe(head), "bold")]
    if len(shown["labels"]) <= CLASSES:
        parts += [Text("given label in rows, estimated true one in columns", "dim"), confusion_view(shown)]
    else:
        parts += _pairs(shown["labels"], shown["counts"])
    for note in shown["notes"]:
        parts += [Text(), Text(safe(f"mind: {note}"))]
    rows = [
        [
            *(safe(row[name], LABEL) for name in ("given", "likely")),
            *(_number(row[name]) for name in ("probability", "margin")),
            safe(row["id"]),
            _asked(row),
        ]
        for row in shown["rows"]
    ]
    return [*parts, Text(), _table(("given", "likely", "p(given)", "margin", "id", "text"), rows)]


def _pairs(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> list[Text]:
    """The most frequent confusions."""
    pairs = [(n, given, true) for given, row in enumerate(counts) for true, n in enumerate(row) if n and given != true]
    most = sorted(pairs, reverse=True)[:PAIRS]
    return [Text(safe(f"{labels[given]} is {labels[true]}: {n:,}"), "dim") for n, given, true in most]


# --- cells -----------------------------------------------------------------------------------------------------------


def _asked(row: Mapping[str, Any]) -> str:
    """What an example is made of, each part cut to its share of the room."""
    cells = [cell for name in CONTENT if (cell := row.get(name))]
    texts = [" ".join(cell) if isinstance(cell, list) else str(cell) for cell in cells]
    return " | ".join(safe(text, SHOWN // len(texts)) for text in texts)


def _answer(answer: Any) -> str:
    return safe(" ".join(map(str, answer)) if isinstance(answer, list) else "" if answer is None else answer, LABEL)


def _number(number: float, digits: int = 3) -> str:
    return "" if math.isnan(number) else f"{number:.{digits}f}"


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Numbers to the right; a text takes what room is left."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0), expand="text" in headers)
    for header in headers:
        justify: JustifyMethod = "left" if header in LEFT else "right"
        ratio = 1 if header == "text" else None
        table.add_column(header, justify=justify, no_wrap=True, overflow="ellipsis", ratio=ratio)
    for row in rows:
        table.add_row(*map(Text, row))
    return table
