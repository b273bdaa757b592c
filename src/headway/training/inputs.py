"""What `headway predict` is given, as a table of texts."""

import sys
from pathlib import Path

import pyarrow as pa

from headway.config.freeze import thaw
from headway.data.prepare import read_texts
from headway.errors import DataError
from headway.store.run import Run
from headway.training.session import plain

FILES = (".csv", ".tsv", ".jsonl", ".parquet", ".txt", ".gz", ".zip")


def texts_to_predict(arguments: list[str], pair: str | None, run: Run) -> pa.Table:
    """Texts on the command line, one file of them (read with the run's column names), or "-" for a text a line.

    Returns a table with id, text, [pair], label (-1), origin. Raises: DataError for an empty input.
    """
    data = plain(thaw(run.config_text), "data")
    if len(arguments) == 1 and _is_file(arguments[0]):
        return read_texts(Path(arguments[0]), data)
    if len(arguments) == 1 and Path(arguments[0]).suffix in FILES and " " not in arguments[0]:
        raise DataError(f"{arguments[0]}: no such file; to predict this as a text, add a word to it")
    texts = [line.rstrip("\n") for line in sys.stdin] if arguments == ["-"] else arguments
    if not any(text.strip() for text in texts):
        raise DataError("predict: no text given; pass texts, a file, or - to read standard input")
    return read_texts(texts if pair is None else [(text, pair) for text in texts], data)


def _is_file(argument: str) -> bool:
    try:
        return Path(argument).is_file()
    except OSError:  # a text too long to be a file name
        return False
