import re

from headway.store.ids import new_run_id


def test_form() -> None:
    assert re.fullmatch(r"20261122-045601-[0-9a-z]{6}", new_run_id(1795323361.25))


def test_sorts_by_time_within_a_second() -> None:
    moments = [1795323361 + part / 1000 for part in range(0, 1000, 7)]
    ids = [new_run_id(moment) for moment in moments]
    assert ids == sorted(ids)


def test_unique_in_the_same_millisecond() -> None:
    # 100 of 36^4: all different with probability 0.997; of two tries one is enough
    assert any(len({new_run_id(1795323361.5) for _ in range(100)}) == 100 for _ in range(2))
