import pytest

from headway.config.values import fits, in_words

YES = [
    ("int", 1), ("float", 1), ("float", 0.5), ("str", "a"), ("bool", True), ("None", None), ("", object()),
    ("float | None", None), ("Optional[int]", None), ("Union[int, str]", "a"), ("float | Tensor", 0.001),
    ("list[int]", [1, 2]), ("tuple[float, float]", [0.9, 0.99]), ("tuple[int, ...]", [1, 2, 3]),
    ("tuple[int, ...]", []), ("tuple[str, ...] | list[str]", []), ("Sequence[str]", ["a"]),
    ("typing.Sequence[str]", ["a"]), ("dict[str, int]", {"a": 1}), ("Mapping[str, str | None]", {"a": None}),
    ("Literal['a', 1]", 1), ("Any", [1]), ("SomethingElse", "a"), ("'int'", 1), ("str | Path", "a"),
    ("Annotated[int, 3]", 1), ("not python (", 1), ("Callable[[int], int]", {"_target_": "x.y"}),
    ("Literal[MODE]", "a"),
]  # fmt: skip
NO = [
    ("int", True), ("int", 1.5), ("int", "1"), ("float", "abc"), ("float", True), ("str", 1), ("bool", 1), ("None", 0),
    ("float | None", "a"), ("Optional[int]", "a"), ("Union[int, str]", 1.5), ("float | Tensor", "abc"),
    ("list[int]", [1, "a"]), ("list[int]", "a"), ("tuple[float, float]", [0.9]), ("tuple[float, float]", ["a", "b"]),
    ("Sequence[str]", "a"), ("dict[str, int]", {"a": "b"}), ("dict", [1]), ("Literal['a', 'b']", "c"),
    ("'int'", "a"), ("Annotated[int, 3]", "a"), ("Callable[[int], int]", "os.system"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), YES)
def test_fits(annotation: str, value: object) -> None:
    assert fits(annotation, value)


@pytest.mark.parametrize(("annotation", "value"), NO)
def test_does_not_fit(annotation: str, value: object) -> None:
    assert not fits(annotation, value)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("float | Tensor", "a number"),
        ("int | None", "a whole number or null"),
        ("Literal['auto', 'cls']", "one of auto, cls"),
        ("tuple[float | Tensor, float]", "a list of 2: a number, a number"),
        ("tuple[str, ...] | list[str]", "a list, each text or a list, each text"),
        ("Optional[bool]", "true or false or null"),
    ],
)
def test_annotations_in_words(annotation: str, words: str) -> None:
    assert in_words(annotation) == words
