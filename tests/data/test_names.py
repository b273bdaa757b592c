"""Names as they are shown and guessed."""

import pytest

from headway.data.names import listed, split_of, suggest


@pytest.mark.parametrize(
    ("stem", "split"),
    [
        ("train", "train"),
        ("Dev", "Dev"),
        ("validation", "validation"),
        ("train-00001-of-00004", "train"),
        ("test_0-of-2", "test"),
        ("dev-v2.0", "dev"),
        ("test_2016_flickr", None),
        ("all", None),
        ("training_notes", None),
        ("contest", None),
    ],
)
def test_split_of(stem: str, split: str | None) -> None:
    assert split_of(stem) == split


def test_names_out_of_files_cannot_break_the_line_or_fill_the_screen() -> None:
    said = listed(["a\nb", "\x1b[2Jc", "d" * 10_000_000])
    assert said == f"a b,  [2Jc, {'d' * 60}..."
    assert listed(str(i) for i in range(14)).endswith("11 and 2 more")


def test_suggest() -> None:
    assert suggest("sentense", ["Sentence", "label"]) == "; did you mean Sentence?"
    assert suggest("x", ["sentence"]) == ""
    assert suggest("x" * 10_000_000, ["x" * 9_000_000]).endswith("...?")
