"""What `headway predict` is given, as a table of examples."""

import sys
from pathlib import Path

import pyarrow as pa

from headway.config.freeze import thaw
from headway.data.examples import Examples
from headway.data.typed import read_examples
from headway.errors import DataError
from headway.store.run import Run
from headway.training.session import kept_labels, plain

FILES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt", ".conll", ".gz", ".zip")


def examples_to_predict(arguments: list[str], pair: str | None, run: Run, examples: Examples) -> pa.Table:
    """Texts on the command line, one file of them (read as the run's data was), or "-" for a text a line.

    For a run on column files of tagged tokens, a .txt or .tsv file is one of these too where `conll.own_settings` finds
    it to be, and a sentence a line or a table where not.
    Returns a prepared table without gold. Raises: DataError for an empty input.
    """
    data = plain(thaw(run.config_text), "data")
    if len(arguments) == 1 and _is_file(arguments[0]):
        return read_examples(Path(arguments[0]), data, examples, kept_labels(run.path))
    if len(arguments) == 1 and Path(arguments[0]).suffix in FILES and " " not in arguments[0]:
        raise DataError(f"{arguments[0]}: no such file; to predict this as a text, add a word to it")
    texts = [line.rstrip("\n") for line in sys.stdin] if arguments == ["-"] else arguments
    if not any(text.strip() for text in texts):
        raise DataError("predict: no text given; pass texts, a file, or - to read standard input")
    return read_examples([(text, pair) for text in texts], data, examples)


def _is_file(argument: str) -> bool:
    try:
        return Path(argument).is_file()
    except OSError:  # a text too long to be a file name
        return False
