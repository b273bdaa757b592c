"""Checks of data before training: CPU seconds for a set of SST-2's size (67,349 short texts against 872).

python tests/bench/bench_checks.py
"""

import json
import random
import time

import numpy as np
import pyarrow as pa

from headway.data.checks import check
from headway.data.examples import LABELLED
from headway.data.prepare import prepare_tables

GOAL = 2.0  # CPU seconds


def main() -> None:
    rng = random.Random(0)
    known = [f"w{number}" for number in range(15_000)]
    texts = [" ".join(rng.choices(known, k=rng.randint(2, 16))) for _ in range(67_349 + 872)]
    labels = [rng.choice("ab") for _ in texts]
    parts = {"train": slice(67_349), "dev": slice(67_349, None)}
    tables = {
        name: pa.table({"text": texts[part], "label": labels[part], "origin": [name] * len(texts[part])})
        for name, part in parts.items()
    }
    splits = prepare_tables(tables).splits
    began = time.process_time()
    check(splits, LABELLED, ["a", "b"], {}, {"val": np.zeros(872, np.bool_)})
    print(json.dumps({"checks_cpu_s": round(time.process_time() - began, 2), "goal_s": GOAL}))


if __name__ == "__main__":
    main()
