import pytest

from headway import formats


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0s"), (59.4, "59s"), (60, "1m 00s"), (3725, "1h 02m"), (90061, "1d 01h"), (-5, "0s")],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("past", "text"),
    [(-100, "now"), (5, "now"), (65, "1m ago"), (7200, "2h ago"), (3 * 86400, "3d ago"), (100 * 86400, "2026-11-22")],
)
def test_age(past: float, text: str) -> None:
    begun = "2026-11-22T04:56:01.250Z"
    then = formats.unix(begun)
    assert then is not None
    assert formats.age(begun, then + past) == text


def test_a_time_that_is_none_is_shown_as_nothing() -> None:
    assert formats.age("yesterday") == formats.age(None) == ""


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KB"), (5 * 2**30, "5.0 GB"), (2**50, "1024.0 TB")]
)
def test_size(count: int, text: str) -> None:
    assert formats.size(count) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, ""),
        (0.973214, "0.9732"),
        (5e-5, "5.00e-05"),
        (0, "0"),
        (1600, "1,600"),
        (10234.5, "10,234.5"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (-0.5, "-0.5000"),
        (1e20, "1e+20"),
    ],
)
def test_value(number: float | None, text: str) -> None:
    assert formats.value(number) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 🙂", "plain é 🙂"),
        ("\x1b[31m", "\\u001b[31m"),
        ("a\nb\0", "a\\u000ab\\u0000"),
        ("\u202egnp", "\\u202egnp"),
        ("\u2028", "\\u2028"),
        ("x" * 20, "x" * 9 + "…"),
    ],
)
def test_safe_text_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert formats.safe(text, 10) == shown if len(text) > 10 else formats.safe(text) == shown


def test_a_cell_that_a_spreadsheet_would_run_is_text() -> None:
    given = ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "-1.5", "+2", "-inf", "x=1", "", None, -3]
    assert [formats.csv_cell(value) for value in given] == [
        *("'=1+1", "'+x", "'-x", "'@x", "'\tx", "'\rx", "-1.5", "+2", "-inf", "x=1", "", None, -3)
    ]
