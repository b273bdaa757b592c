from headway.web.kept import Kept


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    kept: Kept[str] = Kept(2)
    kept.put(1, "one")
    kept.put(2, "two")
    assert kept.get(1) == "one"
    kept.put(3, "three")
    assert [kept.get(key) for key in (1, 2, 3)] == ["one", None, "three"]
