"""Harness of guarantee 1: train, kill -9 at random moments, resume; everything must equal the uninterrupted run.

Run as a script: python kill_and_resume.py FOLDER MODEL KILLS SEED. It imports the heavy libraries once and forks a
fresh process for every attempt, so that a kill costs a second and not ten. Prints one JSON object, in which `pairs`
says how many of all pairs of values of AXES, and of a value and a task, have met in a run.
"""

import itertools
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

STEPS = 24  # of 8 items: two epochs of the classification data
AXES = {
    "bucket": (True, False),
    "tokens": (None, 600),
    "dropout": (0.0, 0.2),
    "workers": (0, 2),
    "accumulate": (1, 2),
    "val_every": (3, 5),
    "precision": ("32-true", "bf16-mixed"),
    "attention": ("unpadded", "sdpa"),
    "checkpointing": (False, True),
    # aot_eager: what torch.compile traces, forward and backward, run without generated code, which takes a minute
    "compile": (None, "aot_eager"),
}
LONG = 100  # kills from which generated code is tried too, where there is a compiler
ANSWERED = ("Classification", "Regression", "MultiLabel", "Tagging", "QuestionAnswering")  # tasks with a gold answer
TRANSFORMERS = ("Pretrained", "Scratch")  # models that have attention
WORDS = ["good", "great", "fine", "bad", "awful", "poor", "film", "story", "plot", "acting"]
BYTES = {"_target_": "headway.tokenizers.trained.Trained", "kind": "byte"}
FILES = {"_target_": "headway.data.sources.files.read"}


def scratch(architecture: str) -> dict:
    return {
        "_target_": "headway.models.scratch.Scratch",
        **{"architecture": architecture, "layers": 2, "width": 16, "heads": 2, "max_positions": 256},
    }


def task_cases(model: str, folder: Path) -> dict[str, dict]:
    """Each task with data and a network of its own: the parts of a config that differ."""
    bert = {"_target_": "headway.models.pretrained.Pretrained", "path": model}
    path = {kind: str(folder / kind) for kind in ("texts.csv", "tags.conll", "squad.json", "plain.txt", "chat.jsonl")}

    def task(module: str, name: str, **settings: object) -> dict:
        return {"_target_": f"headway.tasks.{module}.{name}", **settings}

    texts = {**FILES, "path": path["texts.csv"]}
    prose = {"_target_": "headway.data.sources.documents.read", "path": path["plain.txt"], "unit": "line"}
    return {
        "classification": {
            "task": task("classification", "Classification", max_length=24), "data": texts, "model": bert,
        },
        "regression": {
            "task": task("regression", "Regression", max_length=24), "data": {**texts, "label": "score"}, "model": bert,
        },
        "multilabel": {
            "task": task("multilabel", "MultiLabel", max_length=24),
            "data": {**texts, "label": "labels"}, "model": bert,
        },
        "tagging": {
            "task": task("tagging", "Tagging", max_length=16, stride=4),
            "data": {"_target_": "headway.data.sources.conll.read", "path": path["tags.conll"]},
            "model": {"_target_": "headway.models.recurrent.Recurrent", "bidirectional": True, "width": 16},
            "tokenizer": {"_target_": "headway.tokenizers.trained.Trained", "kind": "wordpiece", "vocab_size": 200},
        },
        "question_answering": {
            "task": task("question_answering", "QuestionAnswering", max_length=32, stride=8),
            "data": {"_target_": "headway.data.sources.squad.read", "path": path["squad.json"]},
            "model": bert,
        },
        "language_modelling": {
            "task": task("language_modelling", "LanguageModelling", max_length=32, across=False),
            "data": prose, "model": scratch("gpt2"), "tokenizer": BYTES,
        },
        "packed": {
            "task": task("language_modelling", "LanguageModelling", max_length=32, across=True),
            "data": prose, "model": scratch("llama"), "tokenizer": BYTES,
        },
        "masked_lm": {
            "task": task("masked_lm", "MaskedLanguageModelling", max_length=32, next_sentence=True, whole_words=True),
            "data": prose, "model": bert,
        },
        "dialogue": {
            "task": task("dialogue", "Dialogue", max_length=128, max_new_tokens=4),
            "data": {**FILES, "path": path["chat.jsonl"]}, "model": scratch("llama"), "tokenizer": BYTES,
        },
        "seq2seq": {
            "task": task("seq2seq", "SequenceToSequence", max_new_tokens=4),
            "data": {**texts, "target": "reply"},
            "model": {"_target_": "headway.models.seq2seq.GruAttention", "width": 16, "embedding": 16},
            "tokenizer": BYTES,
        },
        "lora": {
            "task": task("classification", "Classification", max_length=24), "data": texts, "model": bert,
            "adapter": {"_target_": "headway.models.adapters.Lora", "r": 2},
        },
    }  # fmt: skip


def config(parts: dict, axes: dict) -> str:
    """The frozen config of one case."""
    import yaml

    model = {} if "lora" in str(parts.get("adapter")).lower() else {"dropout": axes["dropout"]}
    if parts["model"]["_target_"].endswith(TRANSFORMERS):
        model |= {"attn_implementation": axes["attention"], "gradient_checkpointing": axes["checkpointing"]}
    node = {
        **{"project": "harness", "name": None, "tags": [], "notes": None, "seed": 1, "runs_dir": "runs"},
        **parts,
        "data": {**parts["data"], "val_fraction": 0.2, "test_fraction": 0.0, "stratify": False},
        "model": {**parts["model"], **model},
        "batch": {
            "size": 8,
            "eval_size": 16,
            **{name: axes[name] for name in ("accumulate", "bucket", "tokens", "workers")},
        },
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": 1e-3, "weight_decay": 0.01, "fused": True},
        "scheduler": {"_target_": "headway.training.schedules.linear", "warmup": 0.1},
        "trainer": {
            **{"max_epochs": None, "max_steps": STEPS, "val_every": axes["val_every"], "checkpoint_every": 3},
            **{"keep": 2, "gradient_clip_val": 1.0, "precision": axes["precision"], "accelerator": "cpu", "devices": 1},
            **{"num_nodes": 1, "threads": 1, "monitor": None, "monitor_mode": None, "patience": None, "log_every": 1},
            **{"max_restarts": 0, "test": False, "deterministic": True, "compile": axes["compile"] is not None},
            "train_predictions": parts["task"]["_target_"].endswith(ANSWERED),
        },
        "tracker": {"_target_": None},
    }
    return yaml.safe_dump(node, sort_keys=False)


def write_data(folder: Path) -> None:
    """120 examples of every kind, of unlike lengths."""
    draw = random.Random(0)
    picked = [draw.choices(WORDS, k=draw.randint(2, 18)) for _ in range(120)]
    with (folder / "texts.csv").open("w") as file:
        file.write("text,label,score,labels,reply\n")
        for i, words in enumerate(picked):
            label = ("pos", "neg")[i % 2]
            file.write(f"{' '.join(words)} {i},{label},{len(words) / 4},{words[0]};{words[1]},{words[-1]} {label}\n")
    with (folder / "tags.conll").open("w") as file:
        for words in picked:
            file.write("".join(f"{word} {'B-thing' if word > 'm' else 'O'}\n" for word in words) + "\n")
    asked = []
    for i, words in enumerate(picked):
        context = " ".join(words)
        answers = [{"text": words[-1], "answer_start": len(context) - len(words[-1])}] if i % 3 else []
        question = {"id": str(i), "question": f"what {i}", "answers": answers, "is_impossible": not answers}
        asked.append({"context": context, "qas": [question]})
    (folder / "squad.json").write_text(json.dumps({"version": "v2.0", "data": [{"title": "t", "paragraphs": asked}]}))
    prose = (". ".join(" ".join(words[at : at + 4]) for at in range(0, len(words), 4)) for words in picked)
    (folder / "plain.txt").write_text("".join(f"{line}. {i}.\n" for i, line in enumerate(prose)))
    turns = ((" ".join(words[:-1]), words[-1]) for words in picked)
    chats = ([{"role": "user", "content": a}, {"role": "assistant", "content": b}] for a, b in turns)
    (folder / "chat.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))


def make_run(folder: Path, text: str) -> Path:
    from headway.config.freeze import config_hash
    from headway.store.writer import create_run

    return create_run(
        folder, project="harness", name=None, tags=[], notes=None, config_yaml=text, config_hash=config_hash(text),
        overrides=[], command=[], seed=1,
    )  # fmt: skip


def attempt(run: Path, backend: str | None) -> int:
    """Start one training process on `run`; returns its pid. backend: of torch.compile."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()  # its data workers die with it
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    trace = os.open(run / "trace.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        from headway.training.compiled import Compiled
        from headway.training.events import SilentChannel
        from headway.training.loaders import TrainSteps
        from headway.worker import guarded

        fetch = TrainSteps.__getitem__

        def traced(self: TrainSteps, key: tuple[int, int]) -> dict:
            ids = self.plan.part(*key, self.rank, self.accumulate).tolist()
            os.write(trace, json.dumps([*key, ids]).encode() + b"\n")
            return fetch(self, key)

        TrainSteps.__getitem__ = traced
        Compiled.__init__.__defaults__ = (backend,)
        os._exit(guarded(run, SilentChannel()))
    finally:
        os._exit(99)


def wait_for_rows(run: Path, rows: int, pid: int) -> bool:
    """Until the history has `rows` lines; False if the process ended first."""
    history = run / "history.jsonl"
    while True:
        if history.exists() and history.read_bytes().count(b"\n") >= rows:
            return True
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
        time.sleep(0.0005)


def outcome(run: Path) -> dict:
    """What must be equal: losses and metrics as float hex per step, batches, final weights."""
    import torch

    from headway.store.run import Run

    train, val, counts = {}, {}, {}
    for row in Run.open(run).rows():
        if "train/loss" in row:
            names = ("train/loss", "train/grad_norm", "train/lr", "train/tokens")
            train[row["step"]] = [float(row[name]).hex() for name in names]
        if "val/loss" in row:
            val[row["step"]] = {k: v.hex() for k, v in row.items() if k.startswith("val/")}
            counts[row["step"]] = counts.get(row["step"], 0) + 1
    batches = {}
    for line in (run / "trace.jsonl").read_text().splitlines():
        step, micro, ids = json.loads(line)
        batches.setdefault((step, micro), ids)
        if batches[step, micro] != ids:  # a replayed step drew other examples
            batches[step, micro] = "differs between attempts"
    last = (run / "checkpoints" / "last").read_text().strip()
    state = torch.load(run / "checkpoints" / last, weights_only=True)
    weights = {name: tensor.double().sum().item().hex() for name, tensor in state["model"].items()}
    exact = {name: tensor.numpy().tobytes() for name, tensor in state["model"].items()}
    moments = [entry["exp_avg"].numpy().tobytes() for entry in state["optimizer"]["state"].values()]
    return {
        "train": train, "val": val, "validated once": all(n == 1 for n in counts.values()), "batches": batches,
        "weights": weights, "exact": exact, "moments": moments, "step": state["step"],
        "train predictions": {file.name: file.read_bytes() for file in (run / "predictions").glob("train-*")},
    }  # fmt: skip


def kill_and_resume(run: Path, backend: str | None, kills: int, draw: random.Random) -> int:
    """Kill `kills` attempts at random rows, then let one finish; returns how many were really killed."""
    done = 0
    for _ in range(kills):
        history = run / "history.jsonl"
        seen = history.read_bytes().count(b"\n") if history.exists() else 0
        pid = attempt(run, backend)
        if not wait_for_rows(run, seen + draw.randint(1, 12), pid):
            continue  # it finished before the moment came
        time.sleep(draw.random() * 0.02)  # anywhere in a step, a validation or a save
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        done += 1
    pid = attempt(run, backend)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"the last attempt ended with {status}: {(run / 'traceback.txt').read_text()}")
    return done


def main(folder: Path, model: str, kills: int, seed: int) -> None:
    from headway.imports import lean

    with lean():  # as a worker does, so that each task is trained with no more than that
        import headway.training.loop  # noqa: F401 - everything heavy, once
    import torch

    torch.set_num_threads(1)
    os.environ["HEADWAY_CACHE"] = str(folder / "cache")
    draw = random.Random(seed)
    write_data(folder)
    parts = task_cases(model, folder)
    if kills >= LONG and shutil.which(os.environ.get("CXX", "g++")):
        AXES["compile"] = (None, "aot_eager", "inductor")
    every, met = {"task": tuple(parts), **AXES}, set()
    attempts, done, failures, tasks = 0, 0, [], dict.fromkeys(parts, 0)
    while done < kills or attempts < len(parts):  # every task in turn, each time under other circumstances
        task = list(parts)[attempts % len(parts)]
        drawn = [{"task": task} | {name: draw.choice(values) for name, values in AXES.items()} for _ in range(50)]
        if task == "language_modelling":  # only without padding are documents kept apart
            drawn = [one | {"attention": "unpadded", "compile": None} for one in drawn]
        if kills < LONG and attempts % 5:  # tracing takes most of the time of a case
            drawn = [one | {"compile": None} for one in drawn]
        axes = max(drawn, key=lambda axes: len(set(pairs(axes)) - met))
        met |= set(pairs(axes))
        text = config(parts[task], axes)
        reference = make_run(folder / "runs", text)
        _, status = os.waitpid(attempt(reference, axes["compile"]), 0)
        if os.waitstatus_to_exitcode(status) != 0:
            raise RuntimeError(f"the uninterrupted run failed: {(reference / 'traceback.txt').read_text()}")
        run = make_run(folder / "runs", text)
        killed = kill_and_resume(run, axes["compile"], draw.randint(1, 3), draw)
        done += killed
        tasks[task] += killed
        attempts += 1
        expected, found = outcome(reference), outcome(run)
        differing = [name for name in expected if expected[name] != found[name]]
        if differing or found["step"] != STEPS:
            failures.append({"axes": axes, "differs": differing, "run": str(run)})
        if not differing:
            shutil.rmtree(run)
            shutil.rmtree(reference)
        print(f"{done} of {kills} kills in {attempts} runs, {len(failures)} failures", file=sys.stderr, flush=True)
    possible = sum(len(one) * len(other) for one, other in itertools.combinations(every.values(), 2))
    said = {"tasks": tasks, "pairs": [len(met), possible], "compile": [name or "none" for name in AXES["compile"]]}
    print(json.dumps({"runs": attempts, "kills": done, "failures": failures, **said}))


def pairs(axes: dict) -> Iterator[tuple]:
    """What meets in a case: one that brings many new pairs together finds most for its time."""
    return itertools.combinations(axes.items(), 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
