import pytest

from headway.store.layout import project_folder


@pytest.mark.parametrize("project", ["reviews", "bbc_news", "A.b-2"])
def test_a_plain_name_is_its_own_folder(project: str) -> None:
    assert project_folder(project) == project


@pytest.mark.parametrize(
    "project",
    ["../x", "a/b", "..", ".hidden", "CON", "nul.txt", "a\0b", "\u202egnp", "🙂", "x" * 10_000, "-rf", "a b", "\ud800"],
)
def test_anything_else_becomes_one_safe_name(project: str) -> None:
    folder = project_folder(project)
    assert folder.isascii()
    assert 0 < len(folder) <= 80
    assert folder[0] not in ".-"
    assert not set(folder) & set("/\\\0: ")
    assert folder.split(".")[0].lower() not in {"con", "nul"}
    assert folder != project


def test_names_that_look_alike_stay_apart() -> None:
    assert len({project_folder(project) for project in ("a/b", "a-b", "a b", "á-b")}) == 4
