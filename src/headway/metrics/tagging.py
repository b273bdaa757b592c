"""Scores of tag sequences: entities as conlleval and seqeval count them, or single tags such as parts of speech."""

from collections import Counter
from typing import Any, Literal

from headway.errors import DataError

Scheme = Literal["bio", "bioes", "plain"]
Entity = tuple[str, int, int]
PREFIXES = ("B-", "I-", "E-", "S-")


def scheme_of(tags: set[str]) -> Scheme:
    """The scheme of a tag set: `plain` when no tag starts as an entity's does, `bioes` with E- or S-, else `bio`.

    A set of O alone is `bio` without entities. DataError: a tag that is none of the scheme the others are of.
    """
    if wrong := malformed(tags):
        raise DataError(wrong[1])
    if _plain(tags):
        return "plain"
    return "bioes" if any(tag.startswith(("E-", "S-")) for tag in tags) else "bio"


def malformed(tags: set[str]) -> tuple[str, str] | None:
    """The first tag that is none of the scheme the others are of, and what is wrong with it."""
    if _plain(tags):
        return None
    begun = {tag for tag in tags if tag.startswith(("B-", "I-"))}
    for tag in sorted(tags - {"O"}):
        if f"{tag[:1]}-" in PREFIXES and tag[1:] in ("", "-"):
            return tag, f"tag {tag!r} has no type; write one behind it, as in {tag[0]}-PER"
        if not tag.startswith(PREFIXES):
            return tag, (
                f"tag {tag!r} beside {min(begun)!r}: entity tags are O and B-, I-, E-, S- with a type behind, "
                "as in B-PER (write L- and U- of BILOU as E- and S-)"
            )
    return None


def _plain(tags: set[str]) -> bool:
    entity = {tag for tag in tags if tag.startswith(PREFIXES)}
    begun = {tag for tag in entity if tag.startswith(("B-", "I-"))}
    untyped = {"B", "I"} <= tags <= {"B", "I", "O", "E", "S"}
    return not begun and not untyped and entity | {"O"} != tags | {"O"}


def entities(tags: list[str], scheme: Scheme) -> list[Entity]:
    """(type, start, end) of each entity in one sentence, `end` exclusive, through seqeval.

    bio: leniently, as conlleval does; an I- that continues nothing begins an entity. bioes: strictly; an entity without
    its B- and E-, or its S-, is none. plain: every tag is an entity of one token.
    """
    if scheme == "plain":
        return [(tag, start, start + 1) for start, tag in enumerate(tags)]
    if scheme == "bio":
        from seqeval.metrics.sequence_labeling import get_entities

        return [(kind, start, end + 1) for kind, start, end in get_entities(tags)]
    from seqeval.scheme import IOBES, Tokens

    return [(entity.tag, entity.start, entity.end) for entity in Tokens(tags, IOBES).entities]


def tagging(
    predicted: list[list[str]], gold: list[list[str]], scheme: Scheme | None = None
) -> tuple[dict[str, float], dict[str, Any]]:
    """Compare predicted with gold tags, sentence by sentence. scheme: by default that of all tags in both.

    precision, recall, f1: over all entities. f1_macro: mean over the types that occur or are predicted. accuracy: of
    tags, entity or not. A ratio of nothing is 0. plain tags have accuracy and f1_macro over the tags only.
    per_type: {type: {precision, recall, f1, support}}, for plain tags those of each tag.
    DataError: malformed tags (see scheme_of). ValueError: sentences of unequal number or length.
    """
    scheme = scheme or scheme_of({tag for sentence in (*predicted, *gold) for tag in sentence})
    found, given, right = Counter[str](), Counter[str](), Counter[str]()
    same = tokens = 0
    for ours, theirs in zip(predicted, gold, strict=True):
        same += sum(a == b for a, b in zip(ours, theirs, strict=True))
        tokens += len(theirs)
        these, those = set(entities(ours, scheme)), set(entities(theirs, scheme))
        found.update(kind for kind, _, _ in these)
        given.update(kind for kind, _, _ in those)
        right.update(kind for kind, _, _ in these & those)
    per_type = {
        kind: _scores(right[kind], found[kind], given[kind]) | {"support": given[kind]}
        for kind in sorted(found | given)
    }
    averages = {
        "f1_macro": _ratio(sum(row["f1"] for row in per_type.values()), len(per_type)),
        "accuracy": _ratio(same, tokens),
    }
    overall = {} if scheme == "plain" else _scores(right.total(), found.total(), given.total())
    return overall | averages, {"scheme": scheme, "per_type": per_type}


def _scores(right: int, found: int, given: int) -> dict[str, float]:
    precision, recall = _ratio(right, found), _ratio(right, given)
    return {"precision": precision, "recall": recall, "f1": _ratio(2 * right, found + given)}


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
