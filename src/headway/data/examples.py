"""What one example of a task is made of: its columns, which of them it *is*, and which is to be predicted.

A task names one of these kinds; preparation then reads, checks, numbers, cuts and counts any of them alike.
A new kind is one more constant here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from headway.data import columns
from headway.data.columns import Reader
from headway.data.names import shown
from headway.data.portions import filtered
from headway.data.records import ORIGIN
from headway.errors import DataError

WORDS = re.compile(r"\w+|[^\w\s]")
# the data keys that say which column of a source is what
ROLES = ("text", "pair", "label", "target", "tokens", "tags", "question", "context", "answers", "messages")


@dataclass(frozen=True)
class Examples:
    """columns: of an example, and how each is read. content: those that make it this example and no other: its id, its
    repeats and the policy for empty rows follow from them. gold: what is to be predicted; may be absent in other splits
    than train. optional: content it may lack. classes: whether gold is one class a row, several, or one a token.
    typed: the columns of what somebody types to have it predicted, from a text and a second one.
    check: refuses rows whose columns contradict each other.
    """

    columns: Mapping[str, Reader]
    content: tuple[str, ...]
    gold: str | None = None
    optional: tuple[str, ...] = ()
    classes: Literal["one", "many", "tokens"] | None = None
    typed: Callable[[str, str | None], dict[str, Any]] = lambda text, pair: {"text": text, "pair": pair}
    check: Callable[[pa.Table], None] | None = None

    def select(self, table: pa.Table, roles: Mapping[str, str | None], *, needs_gold: bool) -> pa.Table:
        """The example's columns and `origin`; an absent gold column is null. Raises: DataError."""
        found: dict[str, pa.ChunkedArray] = {}
        for role, read in self.columns.items():
            name = roles.get(role, None if role in self.optional else role)
            absent = name is None or (role == self.gold and not needs_gold and name not in table.column_names)
            if absent and role != self.gold and role not in self.optional:
                raise DataError(f"data.{role}: null, but this task needs it; name the column that holds it")
            if absent:
                continue
            assert name is not None
            found[role] = read(columns.named(table, role, name), f"data.{role}={name}", table[ORIGIN])
        if self.gold:
            found.setdefault(self.gold, pa.nulls(len(table), pa.string()))
        chosen = pa.table({**found, ORIGIN: table[ORIGIN].cast(columns.TEXT)})
        if self.check is not None:
            self.check(chosen)
        return chosen

    def present(self, table: pa.Table) -> list[str]:
        """The content columns that this table has."""
        return [name for name in self.content if name in table.column_names]

    def without_empty(self, table: pa.Table, policy: str) -> tuple[pa.Table, list[str]]:
        """The table without rows that hold nothing where content should be, and the origins of those rows."""
        names = self.present(table)
        if self.gold and table[self.gold].type == columns.TEXT:
            names.append(self.gold)  # a text to generate must not be empty either
        for name in names:
            if table[name].type == columns.TEXT:
                table = columns.replaced(table, name, pc.fill_null(table[name], ""))
        empty = columns.blank(table[names[0]])
        for name in names[1:]:
            empty = pc.or_(empty, columns.blank(table[name]))
        if policy == "keep" or not pc.any(empty).as_py():
            return table, []
        origins = table[ORIGIN].filter(empty)
        if policy == "error":
            what = " or ".join(names)
            raise DataError(
                f"{origins[0].as_py()}: empty {what}, one of {len(origins):,} rows; mend it, or set data.empty to "
                "drop or keep"
            )
        return filtered(table, ~empty.to_numpy()), origins.to_pylist()


def _aligned(table: pa.Table) -> None:
    tokens, tags = pc.list_value_length(table["tokens"]), table["tags"]
    if tags.type == pa.string():
        return
    uneven = pc.fill_null(pc.not_equal(tokens, pc.list_value_length(tags)), False)
    if (at := pc.index(uneven, True).as_py()) >= 0:
        raise DataError(
            f"{table[ORIGIN][at].as_py()}: {tokens[at]} tokens but {len(tags[at].as_py())} tags; each token needs one"
        )


def _in_context(table: pa.Table) -> None:
    if table["answers"].type == pa.string():
        return
    for start in range(0, len(table), 1000):
        part = table.slice(start, 1000)
        rows = zip(*(part[name].to_pylist() for name in ("context", "answers", ORIGIN)), strict=True)
        for context, answers, origin in rows:
            for answer in answers or []:
                text, at = answer["text"], answer["answer_start"]
                if not (text or "").strip() or at is None or (context or "")[at : at + len(text)] != text:
                    stands = (context or "")[at : at + len(text or "")] if at is not None else ""
                    raise DataError(
                        f"{origin}: answer {shown(str(text))!r} does not stand in its context at character {at}, where "
                        f"{shown(stands)!r} stands; mend answer_start"
                    )


def _question(text: str, pair: str | None) -> dict[str, Any]:
    if not pair or not pair.strip():
        raise DataError("a question needs a text to find the answer in; give it with --pair TEXT, or a file of both")
    return {"question": text, "context": pair}


LABELLED = Examples(
    {"text": columns.text, "pair": columns.text, "label": columns.label},
    content=("text", "pair"),
    gold="label",
    optional=("pair",),
    classes="one",
)
MULTI_LABELLED = replace(LABELLED, columns={**LABELLED.columns, "label": columns.several}, classes="many")
SCORED = replace(LABELLED, columns={**LABELLED.columns, "label": columns.score}, classes=None)
TAGGED = Examples(
    {"tokens": columns.strings, "tags": columns.strings},
    content=("tokens",),
    gold="tags",
    classes="tokens",
    typed=lambda text, _: {"tokens": WORDS.findall(text)},
    check=_aligned,
)
QUESTIONS = Examples(
    {"question": columns.text, "context": columns.text, "answers": columns.answers},
    content=("question", "context"),
    gold="answers",
    typed=_question,
    check=_in_context,
)
TEXTS = Examples({"text": columns.text}, content=("text",), typed=lambda text, _: {"text": text})
DIALOGUES = Examples(
    {"messages": columns.messages},
    content=("messages",),
    typed=lambda text, _: {"messages": [{"role": "user", "content": text}]},
)
PARALLEL = Examples(
    {"text": columns.text, "target": columns.text},
    content=("text",),
    gold="target",
    typed=lambda text, _: {"text": text},
)
