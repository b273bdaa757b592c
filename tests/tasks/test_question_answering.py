"""Question answering against transformers' own model, long contexts in windows, and whole runs. B batch, T tokens."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoTokenizer, BertForQuestionAnswering

from headway.cli import main
from headway.data.encode import Encoded, cached
from headway.data.prepare import prepare
from headway.data.sources.squad import ANSWERS
from headway.errors import DataError, ModelError
from headway.models.pretrained import Pretrained
from headway.models.recurrent import Recurrent
from headway.store.predictions import read_predictions
from headway.store.run import Run
from headway.tasks.base import EVALUATION, Split
from headway.tasks.question_answering import UNKNOWN, QuestionAnswering
from headway.training.evaluate import evaluate, pass_over
from headway.training.events import SilentChannel
from headway.worker import guarded

STORY = "It was a fine film, and  Luke is very good but the plot is poor."
LONG = f"{'the story was not very good and ' * 9}{STORY} {'it was bad and this was awful ' * 6}"


def answers(context: str, *texts: str) -> list[dict[str, Any]]:
    return [{"text": text, "answer_start": context.index(text)} for text in texts]


def table(*rows: tuple[str, str, list[dict[str, Any]] | None]) -> pa.Table:
    questions, contexts, golds = zip(*rows, strict=True)
    origins = [f"squad.json#{number}" for number in range(1, len(rows) + 1)]
    return pa.table(
        {"question": questions, "context": contexts, "answers": pa.array(golds, ANSWERS), "origin": origins}
    )


SHORT = table(
    ("what was fine", STORY, answers(STORY, "a fine film")),
    ("is it bad", STORY, []),
    ("is it good", STORY, answers(STORY, "Luke", "Luke is very")),
)


def encoded(folder: Path, task: QuestionAnswering, model: Path, rows: pa.Table) -> Encoded:
    tokenizer = Pretrained(str(model)).tokenizer()
    return cached(folder / "encoded", lambda: task.encode(tokenizer, rows, "train"), "uint16")


def network(task: QuestionAnswering, path: Path) -> Any:
    source = Pretrained(str(path), dropout=0.0)
    return task.model(source, source.tokenizer(), [], weights=True)


def split_of(folder: Path, task: QuestionAnswering, path: Path, rows: pa.Table) -> Split:
    return Split(rows, encoded(folder, task, path, rows), AutoTokenizer.from_pretrained(path), [])


def test_the_loss_is_that_of_transformers(tiny_bert: Path, tmp_path: Path) -> None:
    task = QuestionAnswering(max_length=96, stride=16, dropout=0.0)
    torch.manual_seed(0)
    ours = network(task, tiny_bert).train()
    theirs = BertForQuestionAnswering(Pretrained(str(tiny_bert), dropout=0.0).configuration()).train()
    theirs.bert.load_state_dict(ours.backbone.model.state_dict(), strict=False)
    theirs.qa_outputs.load_state_dict(ours.output.state_dict())
    items = encoded(tmp_path, task, tiny_bert, SHORT)
    assert len(items) == 3
    for item in range(3):  # one at a time: transformers lets padding have a share of the probability
        batch = task.collate(items, np.array([item]), 0, EVALUATION)
        output = task.loss(ours, batch)
        expected = theirs(
            **{name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")},
            start_positions=batch["start"],
            end_positions=batch["end"],
        )
        torch.testing.assert_close(output.logits[..., 0], expected.start_logits, rtol=0, atol=1e-6)
        torch.testing.assert_close(output.losses[0], expected.loss, rtol=0, atol=1e-6)
        for model, loss in ((ours, output.losses[0]), (theirs, expected.loss)):
            model.zero_grad()
            loss.backward()
        torch.testing.assert_close(ours.output.weight.grad, theirs.qa_outputs.weight.grad, rtol=0, atol=1e-6)


def test_padding_has_no_share(tiny_bert: Path, tmp_path: Path) -> None:
    task = QuestionAnswering(max_length=96, stride=16)
    model = network(task, tiny_bert).eval()
    items = encoded(tmp_path, task, tiny_bert, table(("is it bad", "it is bad", []), ("is it", STORY, [])))
    alone, both = (task.collate(items, np.array(chosen), 0, EVALUATION) for chosen in ([0], [0, 1]))
    assert both["input_ids"].shape[1] > alone["input_ids"].shape[1]
    torch.testing.assert_close(task.loss(model, both).losses[0], task.loss(model, alone).losses[0], rtol=0, atol=1e-6)
    model.train()
    task.loss(model, both).losses.sum().backward()
    assert all(weights.grad.isfinite().all() for weights in model.parameters() if weights.grad is not None)


def test_an_answer_is_where_its_characters_are(tiny_bert: Path, tmp_path: Path) -> None:
    task = QuestionAnswering(max_length=96, stride=16)
    padded = [{"text": "  Luke ", "answer_start": STORY.index("  Luke")}]
    rows = table(*zip(*(SHORT[name].to_pylist() for name in ("question", "context", "answers")), strict=True))
    rows = pa.concat_tables([rows, table(("is it", STORY, padded), ("is it", STORY, None))])
    items = encoded(tmp_path, task, tiny_bert, rows)
    found = []
    for item, (start, end) in enumerate(zip(items.columns["start"], items.columns["end"], strict=True)):
        if start > 0:
            found.append(STORY[items.cut("starts", item)[start] : items.cut("ends", item)[end]])
    assert found == ["a fine film", "Luke", "Luke"]  # the first of several answers, without outer spaces
    assert items.columns["start"].tolist()[1::3] == [0, UNKNOWN]
    assert task.terms(items, np.arange(5), EVALUATION).tolist() == [1, 1, 1, 1, 0]


def test_windows_without_the_answer_point_at_the_first_token(tiny_bert: Path, tmp_path: Path) -> None:
    task = QuestionAnswering(max_length=48, stride=16)
    rows = table(("what was fine", LONG, answers(LONG, "a fine film")))
    items = encoded(tmp_path, task, tiny_bert, rows)
    assert len(items) > 3
    holding = 0
    for item in range(len(items)):
        start, end = int(items.columns["start"][item]), int(items.columns["end"][item])
        starts, ends = items.cut("starts", item), items.cut("ends", item)
        begin = LONG.index("a fine film")
        whole = begin in starts and begin + len("a fine film") in ends
        holding += whole
        assert (start > 0) == whole
        if whole:
            assert LONG[starts[start] : ends[end]] == "a fine film"
        else:
            assert (start, end) == (0, 0)
    assert 1 <= holding < len(items)


def test_characters_far_into_a_context_are_kept(tiny_bert: Path, tmp_path: Path) -> None:
    task = QuestionAnswering(max_length=384, stride=128)
    context = "a" + " " * 70_000 + "film"
    items = encoded(tmp_path, task, tiny_bert, table(("what", context, answers(context, "film"))))
    start, end = int(items.columns["start"][0]), int(items.columns["end"][0])
    assert context[items.cut("starts", 0)[start] : items.cut("ends", 0)[end]] == "film"
    assert items.cut("starts", 0)[0] == -1


class Pointed(torch.nn.Module):
    """Scores that depend on the tokens only: high for where `start` begins and `end` ends, `null` at the first."""

    def __init__(self, start: int, end: int, null: float) -> None:
        super().__init__()
        self.start, self.end, self.null = start, end, null

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        logits = torch.stack([ids == self.start, ids == self.end], dim=-1) * 4.0 * types.unsqueeze(-1)
        logits[:, 0] = self.null
        return logits


@pytest.mark.parametrize(("threshold", "prediction"), [(0.0, "fine film"), (-9.0, ""), (None, "fine film")])
@pytest.mark.parametrize("max_length", [200, 48])
def test_the_best_span_of_all_windows_is_the_answer(
    tiny_bert: Path, tmp_path: Path, threshold: float | None, prediction: str, max_length: int
) -> None:
    """However the context is cut."""
    task = QuestionAnswering(max_length=max_length, stride=16, null_threshold=threshold)
    rows = table(("what", LONG, answers(LONG, "fine film", "film")), ("what is a film", "it was bad", []))
    split = split_of(tmp_path, task, tiny_bert, rows)
    fine, film = split.tokenizer.convert_tokens_to_ids(["fine", "film"])
    evaluation = pass_over(task, Pointed(fine, film, 2.0), split, 3).finish(task, split)
    found = evaluation.predictions
    assert found["prediction"] == [prediction, "it" if threshold is None else ""]
    assert found["answer"] == ["fine film", "it"]
    assert found["margin"] == [4.0 - 8.0, 4.0]
    assert found["confidence"][0] > 0.7 if prediction else found["confidence"][0] < 0.05
    assert list(evaluation.values) == ["loss", *task.measures]
    right = float(prediction != "") + float(threshold is not None)
    assert evaluation.values["exact_match"] == evaluation.values["f1"] == right / 2
    assert evaluation.values["best_f1"] == evaluation.values["best_exact_match"] == 1
    assert evaluation.details["best_f1_threshold"] == -4.0
    assert evaluation.details["no_answer_f1"] == float(threshold is not None)
    assert task.gold(split) == [["fine film", "film"], []]


def test_confidence_is_a_share_of_all_candidates(tiny_bert: Path, tmp_path: Path) -> None:
    task = QuestionAnswering(max_length=96, stride=16, null_threshold=None, max_answer_tokens=1)
    split = split_of(tmp_path, task, tiny_bert, table(("what", "film plot", None)))
    film = split.tokenizer.convert_tokens_to_ids("film")
    found = pass_over(task, Pointed(film, film, 1.0), split, 1).finish(task, split, scored=False).predictions
    assert found["prediction"] == ["film"]
    # three candidates: "film" 8, "plot" 0, none 2
    assert found["confidence"][0] == pytest.approx(math.exp(8) / (math.exp(8) + 1 + math.exp(2)))
    assert task.gold(split) == [None]


def test_a_context_that_no_token_stands_for_has_no_answer(tiny_bert: Path, tmp_path: Path) -> None:
    task = QuestionAnswering(max_length=96, stride=16, null_threshold=None)
    split = split_of(tmp_path, task, tiny_bert, table(("what", "\u200b", []), ("what", STORY, [])))
    evaluation = pass_over(task, network(task, tiny_bert), split, 2).finish(task, split)
    assert evaluation.predictions["prediction"][0] == ""
    assert evaluation.predictions["margin"][0] is None
    assert evaluation.values["best_f1"] == 1


def test_a_model_that_reads_left_to_right_is_refused(tiny_gpt: Path) -> None:
    with pytest.raises(ModelError, match="reads left to right"):
        network(QuestionAnswering(), tiny_gpt)
    tokenizer = Pretrained(str(tiny_gpt)).tokenizer()
    with pytest.raises(ModelError, match="reads left to right"):
        QuestionAnswering().model(Recurrent(), tokenizer, [], weights=True)


def test_a_question_that_leaves_no_room_is_named(tiny_bert: Path, tmp_path: Path) -> None:
    rows = table(("what", STORY, []), ("what is the story " * 20, STORY, []))
    with pytest.raises(DataError, match=r"^squad\.json#2: the question is too long: .*raise task\.max_length"):
        encoded(tmp_path, QuestionAnswering(max_length=48, stride=16), tiny_bert, rows)


@pytest.mark.parametrize("arguments", [{"stride": 384}, {"n_best": 0}, {"max_answer_tokens": 0}])
def test_arguments_that_mean_nothing_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"stride=|must be 1 or more"):
        QuestionAnswering(**arguments)


def test_the_settings_of_the_cache_are_those_of_the_encoding() -> None:
    assert QuestionAnswering(stride=1).settings() != QuestionAnswering(stride=2).settings()
    assert QuestionAnswering(n_best=1, null_threshold=None).settings() == QuestionAnswering().settings()


# --- whole runs ---


def write_squad(path: Path, count: int, seed: int) -> Path:
    """What is praised? The only word of praise, or nothing."""
    draw = np.random.default_rng(seed)
    articles = []
    for article in range(count):
        words = draw.choice(["film", "story", "plot", "acting", "was", "not"], 8).tolist()
        praise = str(draw.choice(["good", "great", "fine"]))
        if article % 3:
            words.insert(int(draw.integers(0, 9)), praise)
        context = f"{' '.join(words)} {seed}{article}"
        gold = answers(context, praise) if article % 3 else []
        qas = [{"id": f"{seed}-{article}", "question": "what is it", "answers": gold}]
        articles.append({"title": f"{seed}-{article}", "paragraphs": [{"context": context, "qas": qas}]})
    path.write_text(json.dumps({"data": articles}))
    return path


def test_a_run_learns_is_evaluated_and_predicts(
    training_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {
        "train": write_squad(tmp_path / "train.json", 200, 0),
        "val": write_squad(tmp_path / "dev.json", 30, 1),
        "test": write_squad(tmp_path / "test.json", 30, 2),
    }
    data = {
        "_target_": "headway.data.sources.squad.read",
        "path": {split: str(file) for split, file in files.items()},
        **{"val_fraction": 0.0, "group": "group"},
    }
    task = {"_target_": "headway.tasks.question_answering.QuestionAnswering", "max_length": 40, "stride": 8}
    changes = {"data": data, "task": task, "optimizer.lr": 5e-3, "trainer.max_epochs": 4}
    path = training_run({}, changes)
    assert guarded(path, SilentChannel()) == 0, (path / "traceback.txt").read_text()
    run = Run.open(path)
    assert run.summary()["test/f1"]["last"] > 0.8

    found = read_predictions(run, "test").to_pylist()
    expected = prepare(data, QuestionAnswering.examples).splits["test"].to_pylist()
    for name in ("id", "question", "context"):
        assert [row[name] for row in found] == [row[name] for row in expected]
    assert [row["gold"] for row in found] == [[answer["text"] for answer in row["answers"]] for row in expected]
    assert all(row["prediction"] in row["context"] for row in found)
    result = evaluate(run, "test", "best")
    assert result["metrics"]["f1"] == run.summary()["test/f1"]["last"]
    assert {"has_answer_f1", "no_answer_f1", "best_f1_threshold"} <= set(result["details"])

    context = "not film was plot great story was acting"
    capsys.readouterr()
    assert main(["predict", str(path), "what is it", "--pair", context, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["question"], row["context"], row["answer"]) == ("what is it", context, "great")
    assert main(["predict", str(path), "what is it", "--pair", context]) == 0
    assert "great" in capsys.readouterr().out
    assert main(["predict", str(path), "what is it"]) == 2
    assert "--pair" in capsys.readouterr().err

    assert main(["eval", str(path), "--file", str(files["test"]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["f1"] == result["metrics"]["f1"]
    assert main(["predict", str(path), str(files["test"]), "--json"]) == 0
    again = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["prediction"] for row in again] == [row["prediction"] for row in found]


def test_an_answer_outside_its_context_is_refused_by_origin(tmp_path: Path) -> None:
    rows = [
        {"question": "what", "context": "a film", "answers": [{"text": "film", "answer_start": 2}]},
        {"question": "what", "context": "a film", "answers": [{"text": "film", "answer_start": 1}]},
    ]
    file = tmp_path / "train.jsonl"
    data = {"_target_": "headway.data.sources.files.read", "path": str(file), "val_fraction": 0.0}
    for text, told in (("film", "'film' does not stand"), (" ", "' ' does not stand")):
        rows[1]["answers"] = [{"text": text, "answer_start": 1 if text == " " else 0}]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        with pytest.raises(DataError, match=rf"train\.jsonl:2: answer {told} in its context at character"):
            prepare(data, QuestionAnswering.examples)
