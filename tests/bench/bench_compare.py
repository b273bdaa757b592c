"""Statistics: resamples of test sets, tests of many pairs, tables of many groups. Seconds of wall time.

python tests/bench/bench_compare.py [--examples 10000] [--resamples 10000] [--groups 10] [--seeds 5] [--json]
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from synthetic_runs import make_run

from headway.compare.corrections import holm
from headway.compare.measures import Measure, measures_of
from headway.compare.paired import paired_bootstrap, paired_permutation
from headway.compare.resampling import bootstrap
from headway.compare.seeds import almost_stochastic_order, hierarchical, permuted_means, seed_interval, welch
from headway.compare.study import study
from headway.store.index.store import Store

LABELS = ["contradiction", "entailment", "neutral"]
WORDS = ["the", "a", "man", "woman", "dog", "in", "on", "green", "park", "runs", "sits", "with", "two", "street", "."]
TABLE_GROUPS, TABLE_SEEDS = 200, 5


def classified(examples: int, runs: int) -> list[dict[str, Measure]]:
    """Runs that have about 85 % of the same examples right."""
    draws = np.random.default_rng(0)
    gold = draws.choice(LABELS, examples)
    easy = draws.random(examples) < 0.8
    columns = [
        {
            "gold": gold.tolist(),
            "prediction": np.where(easy, gold, draws.choice(LABELS, examples)).tolist(),
            "confidence": draws.random(examples).tolist(),
            "loss": draws.exponential(size=examples).tolist(),
        }
        for _ in range(runs)
    ]
    return measures_of(columns)


def translated(examples: int) -> list[dict[str, Any]]:
    draws = np.random.default_rng(0)
    texts = [[" ".join(draws.choice(WORDS, 12)) for _ in range(examples)] for _ in range(3)]
    rest = {"loss": [1.0] * examples, "tokens": [12] * examples}
    return [{"gold": texts[0], "prediction": ours, **rest} for ours in texts[1:]]


def table_of_groups() -> None:
    """Mean, interval over seeds and Welch's test against the first group, with Holm's correction, for each group."""
    draws = np.random.default_rng(0)
    values = draws.normal(0.9, 0.01, (TABLE_GROUPS, TABLE_SEEDS))
    for group in values:
        group.mean(), group.std(ddof=1), seed_interval(group, 1000)
    holm([welch(group, values[0]).p_value for group in values[1:]])


def study_of_folders(folder: Path) -> dict[str, float]:
    """From run folders to ranks and verdicts: TABLE_GROUPS recipes of TABLE_SEEDS seeds."""
    for at in range(TABLE_GROUPS * TABLE_SEEDS):
        group, seed = divmod(at, TABLE_SEEDS)
        make_run(
            folder / "runs", at, 20, 5, model="gpt2", lr=1e-5 * (group + 1), dropout=0.0, seed=seed, status="finished"
        )
    store = Store(folder / "runs", index=folder / "index.db")
    start = time.perf_counter()
    store.refresh()
    found = {"index_their_runs": time.perf_counter() - start}
    start = time.perf_counter()
    store.refresh()
    groups = study(store, "val/accuracy").groups
    assert [len(group.ids) for group in groups] == [TABLE_SEEDS] * TABLE_GROUPS
    return found | {"study_of_their_runs": time.perf_counter() - start}


def measure(examples: int, resamples: int, groups: int, seeds: int) -> dict[str, float]:
    start = time.perf_counter()
    runs = classified(examples, groups * seeds)
    found = {"measures_of_all_runs": time.perf_counter() - start}
    members = [runs[group * seeds : (group + 1) * seeds] for group in range(groups)]
    firsts = [group[0] for group in members]
    pairs = {name: list(combinations([run[name] for run in firsts], 2)) for name in ("accuracy", "f1_macro")}
    two = [[run["accuracy"] for run in group] for group in members[:2]]
    values = [[one.estimate for one in group] for group in two]
    texts = translated(1000)
    calls: dict[str, Callable[[], object]] = {
        f"bootstrap_accuracy_{groups}_groups": lambda: bootstrap([run["accuracy"] for run in firsts], resamples),
        f"bootstrap_macro_f1_{groups}_groups": lambda: bootstrap([run["f1_macro"] for run in firsts], resamples),
        f"bootstrap_accuracy_{groups}_groups_of_{seeds}_seeds": lambda: bootstrap(
            [run["accuracy"] for run in runs], resamples
        ),
        f"paired_bootstrap_accuracy_{len(pairs['accuracy'])}_pairs": lambda: paired_bootstrap(
            pairs["accuracy"], resamples
        ),
        f"paired_permutation_macro_f1_{len(pairs['f1_macro'])}_pairs": lambda: paired_permutation(
            pairs["f1_macro"], resamples
        ),
        "hierarchical_two_groups": lambda: hierarchical(two[0], two[1], resamples),
        "almost_stochastic_order": lambda: almost_stochastic_order(values[0], values[1]),
        "permuted_means": lambda: permuted_means(values[0], values[1]),
        f"table_of_{TABLE_GROUPS}_groups_of_{TABLE_SEEDS}_seeds": table_of_groups,
        "bleu_chrf_rouge_of_two_runs_of_1000_texts": lambda: measures_of(texts),
    }
    bleu = tuple(run["bleu"] for run in measures_of([{name: row[:200] for name, row in run.items()} for run in texts]))
    calls["paired_bootstrap_bleu_200_texts"] = lambda: paired_bootstrap([(bleu[0], bleu[1])], resamples)
    for name, call in calls.items():
        start = time.perf_counter()
        call()
        found[name] = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        found |= study_of_folders(Path(folder))
    return {name: round(seconds, 3) for name, seconds in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    seconds = measure(**options)
    if as_json:
        print(json.dumps({**options, "cores": os.cpu_count(), "load": os.getloadavg()[0], "seconds": seconds}))
        return
    print(f"{options['resamples']} resamples of {options['examples']} examples; load {os.getloadavg()[0]:.1f}")
    for name, value in seconds.items():
        print(f"{value:9.3f} s  {name}")


if __name__ == "__main__":
    main()
