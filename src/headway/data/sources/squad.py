"""Questions on paragraphs, with answers that stand in them: the JSON of SQuAD 1.1 and 2.0."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from headway.data.columns import ANSWERS
from headway.data.locate import read_all
from headway.data.names import shown
from headway.data.records import with_origin
from headway.data.streams import MAX_BYTES, Caps, Source, check_encoding, whole
from headway.errors import DataError

OWN_SUFFIXES = (".json",)  # of a run on such data, never a table of other columns
COLUMNS = ("question_id", "title", "group", "question", "context")


def read(
    path: str | Path | Mapping[str, str | Sequence[str]], *, encoding: str = "utf-8", max_bytes: int = MAX_BYTES
) -> Mapping[str, pa.Table]:
    """Read SQuAD's JSON (Rajpurkar et al. 2016, 2018), one row a question, in the order of the file.

    Columns: `question_id`, `title`, `question`, `context`; `answers`, a list of text and answer_start (in characters
    of the context), empty for a question without answer, null where the file gives none; `origin`, "path#question
    id"; and `group`, the article: paragraphs of one article are about one thing, so a cut should not part them.
    path: as of `files.read`. max_bytes: most bytes of a file, which is held as a whole.
    Raises: DataError naming file and question, above all for an answer that does not stand at its place.
    """
    check_encoding(encoding)
    caps = Caps(max_bytes)
    return read_all(path, caps, lambda file: [_table(file, caps, encoding)], kinds=OWN_SUFFIXES)


def _table(source: Source, caps: Caps, encoding: str) -> pa.Table:
    text = whole(source, caps, encoding)
    try:
        loaded = json.loads(text)
        if "\\ud" in text or "\\uD" in text:  # half a surrogate pair is JSON, but no text
            json.dumps(loaded, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise DataError(f"{source}:{error.lineno}: not JSON at column {error.colno} ({error.msg})") from error
    except UnicodeEncodeError as error:
        raise DataError(f"{source}: a \\u escape is half of a surrogate pair; write both halves") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source}: not usable JSON ({error})") from error
    rows = list(_questions(loaded, str(source)))
    if not rows:
        raise DataError(f"{source}: holds no question")
    columns: dict[str, pa.Array] = {name: pa.array([row[name] for row in rows], pa.string()) for name in COLUMNS}
    columns["answers"] = pa.array([row["answers"] for row in rows], ANSWERS)
    return with_origin(pa.table(columns), [f"{source}#{row['question_id']}" for row in rows])


def _questions(loaded: Any, name: str) -> Iterator[dict[str, Any]]:
    for i, article in enumerate(_get(loaded, "data", list, name)):
        here = f"{name}: data[{i}]"
        title = _get(article, "title", str, here) if isinstance(article, dict) and "title" in article else ""
        for j, paragraph in enumerate(_get(article, "paragraphs", list, here)):
            inner = f"{here}.paragraphs[{j}]"
            context = _get(paragraph, "context", str, inner)
            for k, item in enumerate(_get(paragraph, "qas", list, inner)):
                key = _get(item, "id", str, f"{inner}.qas[{k}]")
                where = f"{name}#{shown(key)}"
                yield {
                    **{"question_id": key, "title": title, "group": title or f"article {i}", "context": context},
                    **{"question": _get(item, "question", str, where), "answers": _answers(item, context, where)},
                }


def _answers(item: dict[str, Any], context: str, where: str) -> list[dict[str, Any]] | None:
    impossible = _get(item, "is_impossible", bool, where) if "is_impossible" in item else None
    if "answers" not in item:
        return [] if impossible else None
    answers = [
        {
            name: _get(answer, name, kind, f"{where}: answers[{i}]")
            for name, kind in (("text", str), ("answer_start", int))
        }
        for i, answer in enumerate(_get(item, "answers", list, where))
    ]
    if impossible and answers:
        raise DataError(f"{where}: is_impossible is true, yet it has answers; mend one of the two")
    if impossible is False and not answers:
        raise DataError(f"{where}: has no answer, yet is_impossible is false; mend one of the two")
    for answer in answers:
        text, start = answer["text"], answer["answer_start"]
        if not text.strip():
            raise DataError(f"{where}: an answer is empty; leave it out, or name the words of the context")
        stands = context[start : start + len(text)] if start >= 0 else ""
        if stands != text:
            _misplaced(text, start, stands, context, where)
    return answers


def _misplaced(text: str, start: int, stands: str, context: str, where: str) -> NoReturn:
    place = context.find(text)
    hint = f"it stands at {place}" if place >= 0 else "it stands nowhere in it"
    raise DataError(
        f"{where}: answer {shown(text)!r} does not stand at character {start} of its context, "
        f"where {shown(stands)!r} does; {hint}"
    )


def _get(holder: Any, key: str, kind: type, where: str) -> Any:
    """The value of a key that must be there and be of one kind."""
    if not isinstance(holder, dict):
        raise DataError(f"{where}: a JSON {type(holder).__name__}, where SQuAD has an object with {key!r}")
    if key not in holder:
        raise DataError(f"{where}: no {key!r}; is this SQuAD's JSON? It has {', '.join(map(shown, list(holder)[:6]))}")
    value = holder[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DataError(f"{where}: {key!r} is {type(value).__name__}, not {kind.__name__}")
    return value
