"""The language in which runs are filtered and sorted: the same in Python, on the command line and in the page.

    config.optimizer.lr < 1e-4 and tag = "final" and status = finished

    filter    = [ any ]
    any       = all { "or" all }
    all       = one { ["and"] one }                              "bert large" means: both words
    one       = "not" one | "(" any ")" | "exists" "(" key ")" | key operator value
              | key ["not"] "in" "(" value { "," value } ")" | text
    key       = field | "config." NAME | metric | ("last" | "min" | "max" | "best") "(" metric ")"
    metric    = NAME | "metric." NAME [ ".last" | ".min" | ".max" | ".best" ]
    operator  = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
    sort      = [ ["-"] key { "," ["-"] key } ]                  "-" is descending; runs without a value come last

A text alone is looked for in name, id, tags, notes, project and overrides. NAME with odd characters is quoted:
metric."my loss", config."a b". A metric alone means its best finite value by the run's own mode. `tag = "final"` means
that the run has this tag. `~` is "contains", whatever the case of ASCII letters; `*` in it stands for anything.
`created` compares with a date, an ISO time (of this machine's zone, if it names none) or a time ago: `created > 7d` is
the last seven days; `seconds` takes 90, 30m, 2h, 1d. A value is a number, true, false, null or a text; a number is
compared as a number, anything else as text, "16" in quotes too. A run without the key satisfies no comparison but
`= null`; `!=`, `!~` and `not in` are exactly the opposites of `=`, `~` and `in`, so there such a run does count.
"""

import difflib
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from headway.errors import HeadwayError

MAX_LENGTH = 10_000  # characters of a filter
MAX_DEPTH = 100  # brackets and negations in each other
MAX_TERMS = 500  # comparisons, values in lists and texts
MAX_ORDERS = 20  # keys of a sort order

Kind = Literal["text", "number", "time", "duration", "flag", "tags"]
FIELDS: dict[str, tuple[str, Kind]] = {  # name -> column of the table runs, and how it compares
    "id": ("id", "text"),
    "name": ("name", "text"),
    "project": ("project", "text"),
    "status": ("status", "text"),
    "tag": ("tags", "tags"),
    "notes": ("notes", "text"),
    "seed": ("seed", "number"),
    "host": ("host", "text"),
    "created": ("created", "time"),
    "seconds": ("seconds", "duration"),
    "step": ("step", "number"),
    "steps": ("steps", "number"),
    "archived": ("archived", "flag"),
    "recipe": ("recipe", "text"),
    "commit": ("commit", "text"),
    "data": ("data", "text"),
}
AGGREGATES = ("best", "last", "min", "max")

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<sign>[!<>]=|!~|==|[=<>~(),])"""
    r"""|(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<word>(?:(?<=\.)"(?:[^"\\]|\\.)*"|[^\s"'=<>!~(),])+)|(?P<wrong>.)""",
    re.DOTALL,
)
_EXAMPLES = {"config": "config.optimizer.lr", "metric": 'metric."val/accuracy"'}
_OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~", "!~")
_ALIASES = {"tags": "tag", "created_at": "created"}


class FilterError(HeadwayError):
    """What is wrong with a filter or a sort order, and at which character (from 0)."""

    def __init__(self, message: str, position: int) -> None:
        self.message, self.position = message, position
        super().__init__(f"{message} (at character {position + 1})")

    def __reduce__(self) -> tuple[type["FilterError"], tuple[str, int]]:
        return (FilterError, (self.message, self.position))


# --- the syntax tree -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """What is compared: a field, `config.NAME` or an aggregate of a metric."""

    kind: Literal["field", "config", "metric"]
    name: str
    position: int = 0
    aggregate: str = "best"


@dataclass(frozen=True)
class Value:
    text: str
    position: int = 0
    quoted: bool = False

    @property
    def number(self) -> float | None:
        try:
            number = math.nan if self.quoted or "_" in self.text else float(self.text)
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    @property
    def is_null(self) -> bool:
        return not self.quoted and self.text == "null"


@dataclass(frozen=True)
class Search:
    text: Value


@dataclass(frozen=True)
class Compare:
    key: Key
    operator: str  # one of = < <= > >= ~
    value: Value


@dataclass(frozen=True)
class Exists:
    key: Key


@dataclass(frozen=True)
class Not:
    item: "Tree"


@dataclass(frozen=True)
class All:
    items: tuple["Tree", ...]


@dataclass(frozen=True)
class AnyOf:
    items: tuple["Tree", ...]


Tree = Search | Compare | Exists | Not | All | AnyOf


@dataclass(frozen=True)
class Order:
    key: Key
    descending: bool


# --- text to tree ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Token:
    kind: str  # word, quoted, sign or end
    text: str
    position: int


def parse(text: str) -> Tree:
    """The syntax tree of a filter; the empty one holds for every run. Raises FilterError."""
    parser = _Parser(text)
    tree = All(()) if parser.now.kind == "end" else parser.any_of()
    parser.ended()
    return tree


def parse_sort(text: str) -> list[Order]:
    """The keys of a sort order. Raises FilterError."""
    return _Parser(text).orders()


def parse_key(text: str) -> Key:
    """One key, as a column is named. Raises FilterError."""
    parser = _Parser(text)
    key = parser.key()
    parser.ended()
    return key


def keys_of(tree: Tree) -> Iterator[Key]:
    """Every key that the tree names, from left to right."""
    if isinstance(tree, All | AnyOf):
        for item in tree.items:
            yield from keys_of(item)
    elif isinstance(tree, Not):
        yield from keys_of(tree.item)
    elif isinstance(tree, Compare | Exists):
        yield tree.key


def unknown_key(key: Key, config: Collection[str], metrics: Collection[str]) -> FilterError:
    """The error for a key that no run has, with the nearest of the names that there are."""
    shown = f"config.{key.name}" if key.kind == "config" else key.name
    known = [*FIELDS, *metrics, *(f"config.{name}" for name in config)]
    near = [name for name in known if name.endswith(f".{key.name}")]  # `lr` for config.optimizer.lr
    near = near or difflib.get_close_matches(shown[:100], [name[:100] for name in known], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return FilterError(f"no run has {_cut(shown)}{hint}", key.position)


class _Parser:
    """Recursive descent: one method for each rule of the grammar above."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise FilterError(f"{len(text)} characters; at most {MAX_LENGTH}", MAX_LENGTH)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise FilterError("a lone surrogate is not valid text", error.start) from None
        self.tokens = _tokens(text)
        self.at = self.depth = self.terms = 0

    def orders(self) -> list[Order]:
        orders: list[Order] = []
        while self.now.kind != "end":
            if len(orders) == MAX_ORDERS:
                raise FilterError(f"more than {MAX_ORDERS} sort keys", self.now.position)
            if orders:
                self.expect(",", "between sort keys")
            token = self.now
            descending = token.kind == "word" and token.text.startswith("-") and token.text != "-"
            if descending:
                self.tokens[self.at] = Token("word", token.text[1:], token.position + 1)
            orders.append(Order(self.key(), descending))
        return orders

    def any_of(self) -> Tree:
        items = [self.all_of()]
        while self.is_word("or"):
            self.take()
            items.append(self.all_of())
        return items[0] if len(items) == 1 else AnyOf(tuple(items))

    def all_of(self) -> Tree:
        items = [self.one()]
        while not (self.now.kind == "end" or self.is_word("or") or self.is_sign(")")):
            if self.is_word("and"):
                self.take()
            items.append(self.one())
        return items[0] if len(items) == 1 else All(tuple(items))

    def one(self) -> Tree:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FilterError(f"more than {MAX_DEPTH} brackets and negations in each other", self.now.position)
        if self.is_word("not"):
            self.take()
            tree: Tree = Not(self.one())
        elif self.is_sign("("):
            self.take()
            tree = self.any_of()
            self.expect(")", "to close the bracket")
        elif self.is_word("exists") and self.is_sign("(", ahead=1):
            self.at += 2
            tree = Exists(self.key())
            self.expect(")", "after the key")
        else:
            tree = self.comparison_or_text()
        self.depth -= 1
        return tree

    def comparison_or_text(self) -> Tree:
        is_key = self.is_aggregate() or self.is_word(*FIELDS)
        after = 4 if self.is_aggregate() else 1
        at_in = after + self.is_word("not", ahead=after)
        if self.is_word("in", ahead=at_in) and self.is_sign("(", ahead=at_in + 1):
            return self.list_of(self.key())
        if is_key or self.is_sign(*_OPERATORS, ahead=after):
            return self.comparison(self.key())
        return Search(self.value("a comparison or a text to look for"))

    def comparison(self, key: Key) -> Tree:
        if not self.is_sign(*_OPERATORS):
            raise self.error(f"expected an operator ({' '.join(_OPERATORS)} in)")
        operator = self.take().text
        value = self.value()
        if operator in ("!=", "!~"):
            return Not(Compare(key, operator[1:], value))
        return Compare(key, operator, value)

    def list_of(self, key: Key) -> Tree:
        negated = self.is_word("not")
        self.at += 1 + negated
        self.expect("(", "before the values")
        items = [Compare(key, "=", self.value())]
        while self.is_sign(","):
            self.take()
            items.append(Compare(key, "=", self.value()))
        self.expect(")", "after the values")
        return Not(AnyOf(tuple(items))) if negated else AnyOf(tuple(items))

    def key(self) -> Key:
        if self.is_aggregate():
            aggregate, name = self.take(), self.tokens[self.at + 1]
            self.at += 2
            self.expect(")", f"after {name.text}")
            key = _key(name) if name.kind == "word" else Key("metric", _unquote(name.text))
            if key.kind != "metric":
                raise FilterError(f"{aggregate.text}() is of a metric; {_cut(name.text)} is none", name.position)
            return replace(key, aggregate=aggregate.text.lower(), position=aggregate.position)
        if self.now.kind != "word":
            raise self.error("expected a field, config.KEY or a metric")
        return _key(self.take())

    def value(self, what: str = "a value (a number, a text, true, false or null)") -> Value:
        if self.now.kind not in ("word", "quoted") or self.is_word("and", "or", "not"):
            raise self.error(f"expected {what}")
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise FilterError(f"more than {MAX_TERMS} comparisons", self.now.position)
        token = self.take()
        return Value(_unquote(token.text), token.position, token.kind == "quoted")

    def ended(self) -> None:
        if self.now.kind != "end":
            raise self.error("expected `and`, `or` or the end")

    def expect(self, sign: str, where: str) -> None:
        if not self.is_sign(sign):
            raise self.error(f"expected {sign} {where}")
        self.take()

    @property
    def now(self) -> Token:
        return self.peek(0)

    def peek(self, ahead: int) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.now
        self.at += 1
        return token

    def is_word(self, *words: str, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind == "word" and token.text.lower() in words

    def is_sign(self, *signs: str, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind == "sign" and token.text in signs

    def is_aggregate(self) -> bool:
        return self.is_word(*AGGREGATES) and self.is_sign("(", ahead=1) and self.peek(2).kind in ("word", "quoted")

    def error(self, expected: str) -> FilterError:
        found = "the end" if self.now.kind == "end" else _cut(self.now.text)
        return FilterError(f"{expected}, found {found}", self.now.position)


def _tokens(text: str) -> list[Token]:
    tokens = []
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind == "wrong":
            what = "this quote is not closed" if match[0] in "\"'" else f"{match[0]} is no operator"
            raise FilterError(what, match.start())
        if kind != "space":
            tokens.append(Token(kind, "=" if match[0] == "==" else match[0], match.start()))
    return [*tokens, Token("end", "", len(text))]


def _key(token: Token) -> Key:
    name = _ALIASES.get(token.text, token.text)
    if name in FIELDS:
        return Key("field", name, token.position)
    head, dot, rest = name.partition(".")
    if not dot or head not in ("config", "metric"):
        return Key("metric", name, token.position)
    aggregate = "best"
    if head == "metric":
        start, _, end = rest.rpartition(".")
        rest, aggregate = (start, end) if start and end in AGGREGATES else (rest, "best")
    if not _unquote(rest):
        raise FilterError(f"{head}. needs a name after it, such as {_EXAMPLES[head]}", token.position)
    return Key("config" if head == "config" else "metric", _unquote(rest), token.position, aggregate)


def quoted(text: str) -> str:
    """A text as a value of the language, whatever is in it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquote(text: str) -> str:
    if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]:
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
