from headway.web.sides import differences, packages, patch_diff


def test_differences_tell_a_missing_key_from_a_null() -> None:
    found = differences("key", [{"a": 1, "b": None, "c": [1]}, {"a": 1, "c": [1]}])
    assert found == [
        {"key": "a", "values": [1, 1], "differs": False},
        {"key": "b", "values": [None, None], "differs": True},
        {"key": "c", "values": [[1], [1]], "differs": False},
    ]


def test_packages() -> None:
    text = "# Python 3.11.7 (cpython)\n# Linux-6\nTorch==2.13.0+cpu\nabsl-py==2.5.1\nnot a package\n"
    assert packages(text) == {"absl-py": "2.5.1", "python": "3.11.7", "torch": "2.13.0+cpu"}


PATCH = "# changes on top of abc\ndiff --git a/x.py b/x.py\n-old\n+new\ndiff --git a/y.py b/y.py\n-1\n+2\n"


def test_equal_patches_have_no_difference() -> None:
    assert patch_diff(PATCH, PATCH, "A", "B") is None


def test_only_files_that_differ_are_shown() -> None:
    shown = patch_diff(PATCH, PATCH.replace("+2", "+3"), "A", "B")
    assert shown is not None
    assert "x.py" not in shown
    assert shown.splitlines()[:2] == ["--- A/y.py", "+++ B/y.py"]
    assert "-+2" in shown
    assert "++3" in shown


def test_a_file_changed_in_one_run_only_is_shown_whole() -> None:
    shown = patch_diff("", PATCH, "A", "B")
    assert shown is not None
    assert "++new" in shown


def test_a_change_too_long_for_difflib_is_said_to_differ() -> None:
    long = "diff --git a/big b/big\n" + "".join(f"+{number}\n" for number in range(30_000))
    assert patch_diff(long, long + "+end\n", "A", "B") == "# big: changed differently; too long to compare here\n"
