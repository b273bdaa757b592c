"""Dialogues: which tokens are the assistant's, what is left out, what is generated, and a run from end to end."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sacrebleu
import torch
import torch.nn.functional as F
from transformers import PreTrainedTokenizerBase

from headway.cli import main
from headway.data.encode import Encoded, cached
from headway.errors import DataError, ModelError
from headway.models.pretrained import Pretrained
from headway.models.recurrent import Recurrent
from headway.models.scratch import Scratch
from headway.store.predictions import read_predictions
from headway.store.run import Run
from headway.tasks.base import EVALUATION, Split
from headway.tasks.chat import Chat
from headway.tasks.decoding import answers, end_tokens, generate, text_of
from headway.tasks.dialogue import Dialogue
from headway.tokenizers.trained import Trained
from headway.training.evaluate import evaluate
from headway.training.events import SilentChannel
from headway.worker import guarded

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKED = (
    "{% for message in messages %}{{ message.role + ':' }}{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content + eos_token }}{% endgeneration %}{% else %}{{ message.content }}{% endif %}"
    "{{ '\n' }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
FORGETFUL = "{% for m in messages %}{{ m.role }}:{{ m.content if loop.last else '...' }}\n{% endfor %}"


def turns(*contents: str, system: str | None = None) -> list[dict[str, str]]:
    """The user's and the assistant's, in turn."""
    roles = ("user", "assistant")
    said = [{"role": roles[at % 2], "content": content} for at, content in enumerate(contents)]
    return said if system is None else [{"role": "system", "content": system}, *said]


FILM = turns("Is it good?", "No, it is bad.", "And the plot?", "The plot too!\n A bad plot. ", system="Be rude.")


def byte(*special: str) -> PreTrainedTokenizerBase:
    """A token is a byte, or one of these special tokens."""
    tokenizer = Trained("byte").train([], framing="none")
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    return tokenizer


def marked(tokenizer: PreTrainedTokenizerBase, ids: list[int], answers: list[int]) -> list[str]:
    """The stretches of text that are the assistant's."""
    parts: list[list[int]] = []
    for at, (token, answer) in enumerate(zip(ids, answers, strict=True)):
        if answer and (at == 0 or not answers[at - 1]):
            parts.append([])
        if answer:
            parts[-1].append(token)
    return [tokenizer.decode(part) for part in parts]


def encoded(folder: Path, task: Dialogue, tokenizer: PreTrainedTokenizerBase, rows: Any, split: str = "val") -> Encoded:
    return cached(folder / split, lambda: task.encode(tokenizer, table(rows), split), "uint16")


def table(rows: list[list[dict[str, str]]]) -> pa.Table:
    return pa.table({"messages": rows, "origin": [f"chat.jsonl:{at}" for at in range(1, len(rows) + 1)]})


@pytest.mark.parametrize(
    ("template", "end", "answers"),
    [
        (None, "[EOS]", ["No, it is bad.[EOS]", "The plot too!\n A bad plot. [EOS]"]),
        (CHATML, "<|im_end|>", ["No, it is bad.<|im_end|>", "The plot too!\n A bad plot. <|im_end|>"]),
        (MARKED, "[EOS]", ["No, it is bad.[EOS]", "The plot too!\n A bad plot. [EOS]"]),
    ],
)
def test_the_answers_and_their_ends_are_learnt_and_nothing_else(
    template: str | None, end: str, answers: list[str]
) -> None:
    for tokenizer in (byte("<|im_start|>", "<|im_end|>"), byte()):
        chat = Chat(tokenizer, template)
        found = chat.whole(FILM, 1000, "chat.jsonl:1")
        assert tokenizer.decode(found.ids) == chat.text(FILM)
        assert marked(tokenizer, found.ids, found.answers) == answers
        assert chat.stop == end
        known = end in tokenizer.get_vocab()
        assert chat.end == (tokenizer.convert_tokens_to_ids(end) if known else None)
        asked = chat.prompt(FILM, 1000, "chat.jsonl:1")
        first = max(at for at in range(len(found.ids)) if found.answers[at] > found.answers[at - 1])
        assert asked.ids == found.ids[:first]  # what is generated begins where what was learnt begins


def test_a_template_of_the_tokenizer_is_used_before_the_plain_one() -> None:
    tokenizer = byte("<|im_start|>", "<|im_end|>")
    assert Chat(tokenizer).text(FILM[:2]) == "system:\nBe rude.[EOS]\nuser:\nIs it good?[EOS]\n"
    tokenizer.chat_template = CHATML
    assert Chat(tokenizer).text(FILM[:1]) == "<|im_start|>system\nBe rude.<|im_end|>\n"
    assert Chat(tokenizer, MARKED).text(FILM[1:2]) == "user:Is it good?\n"


@pytest.mark.parametrize("kind", ["bpe", "unigram", "wordpiece", "word", "character"])
def test_answers_are_found_whatever_a_piece_is(kind: Any) -> None:
    tokenizer = Trained(kind, 400, min_frequency=1).train([m["content"] for m in FILM] + ["user assistant :"] * 3)
    found = Chat(tokenizer).whole(FILM, 1000, "chat.jsonl:1")
    squeezed = ["".join(part.split()) for part in marked(tokenizer, found.ids, found.answers)]
    assert squeezed == ["No,itisbad.[EOS]", "Theplottoo!Abadplot.[EOS]"]


def test_an_assistant_may_begin() -> None:
    tokenizer = byte()
    found = Chat(tokenizer).whole([{"role": "assistant", "content": "Hi."}, *turns("Yes?", "No.")], 1000, "x:1")
    assert marked(tokenizer, found.ids, found.answers) == ["Hi.[EOS]", "No.[EOS]"]


def test_the_oldest_exchanges_go_first() -> None:
    tokenizer = byte()
    chat = Chat(tokenizer)
    long = turns("a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4", system="s")
    tool = [*long[:5], {"role": "tool", "content": "t"}, *long[5:]]  # belongs to the second exchange
    for room in range(30, 200):
        for messages in (long, tool):
            found = chat.whole(messages, room, "x:1")
            kept = [messages[0], *messages[1 + found.dropped :]]
            whole = len(tokenizer(chat.text(kept))["input_ids"])
            assert found.ids == tokenizer(chat.text(kept))["input_ids"][-room:]
            assert kept[1]["role"] == "user"
            assert found.cut == max(0, whole - room)
            if found.cut:  # only the last exchange is ever cut
                assert kept == [messages[0], *messages[-2:]]
            if found.dropped:  # one exchange less would not do
                fewer = max(at for at in range(1, 1 + found.dropped) if messages[at]["role"] == "user")
                assert len(tokenizer(chat.text([messages[0], *messages[fewer:]]))["input_ids"]) > room


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rows = [turns("a", "b"), turns("a" * 30, "b", "c", "d"), turns("a" * 90, "b" * 30)]
    task = Dialogue(max_length=64, max_new_tokens=8)
    items = encoded(tmp_path, task, byte(), rows)
    assert items.columns["cut"].tolist() == [0, 1, 1]
    assert items.sizes("input_ids", np.arange(3)).max() == 64
    assert items.sizes("prompt", np.arange(3)).max() == 56
    assert task.terms(items, np.arange(3), EVALUATION).tolist() == [2, 2, 31]


def test_the_loss_is_that_of_the_answers_tokens(tmp_path: Path) -> None:
    """By hand: the distribution after each prefix, one at a time."""
    tokenizer = byte()
    rows = [FILM, turns("Hm?", "Oh.")]
    task = Dialogue(max_length=256)
    items = encoded(tmp_path, task, tokenizer, rows, "train")
    assert "prompt" not in items.sequences
    torch.manual_seed(0)
    for source in (Scratch("gpt2", 1, 32, 2), Scratch("llama", 1, 32, 2), Recurrent("lstm", width=16, embedding=16)):
        model: Any = task.model(source, tokenizer, [], weights=True).eval()
        with torch.no_grad():
            found = task.loss(model, task.collate(items, np.arange(2), tokenizer.pad_token_id, EVALUATION)).losses
            for row, expected in ((0, ["No, it is bad.", FILM[4]["content"]]), (1, ["Oh."])):
                text, total, at = Chat(tokenizer).text(rows[row]), 0.0, 0
                for answer in expected:
                    at = text.index(answer, at)
                    before = tokenizer(text[:at])["input_ids"]
                    for token in [*tokenizer(answer)["input_ids"], tokenizer.eos_token_id]:
                        logits = model(torch.tensor([before])).logits[0, -1]
                        total += float(F.cross_entropy(logits, torch.tensor(token)))
                        before.append(token)
                assert float(found[row]) == pytest.approx(total, rel=1e-5)


def test_generated_answers_do_not_depend_on_the_batch_and_are_those_of_predict(tmp_path: Path) -> None:
    tokenizer = byte("<|im_start|>", "<|im_end|>")
    rows = [FILM, turns("Hm?", "Oh."), turns("a", "b", "c")]
    task = Dialogue(max_length=256, template=CHATML, max_new_tokens=6)
    items = encoded(tmp_path, task, tokenizer, rows)
    torch.manual_seed(3)
    for source in (Scratch("gpt2", 1, 32, 2), Recurrent("gru", width=16, embedding=16)):
        model = task.model(source, tokenizer, [], weights=True).eval()
        assert end_tokens(model) == set(tokenizer.convert_tokens_to_ids(["[EOS]", "<|im_end|>"]))
        batch = task.collate(items, np.arange(3), tokenizer.pad_token_id, EVALUATION)
        with torch.no_grad():
            rows_ = task.rows(model, task.loss(model, batch), batch)
        split = Split(table(rows), items, tokenizer, [])
        texts = task.decode({**rows_, "loss": [0.0] * 3, "terms": [1] * 3}, split)["prediction"]
        assert texts == answers(
            model, tokenizer, [task.request(model, tokenizer, {"messages": row}, {}) for row in rows], 2
        )
        for row in range(3):
            prompt = torch.from_numpy(items.cut("prompt", row).astype(np.int64))[None]
            one = {"input_ids": prompt, "attention_mask": torch.ones_like(prompt)}
            assert generate(model, one, task.decoding) == [rows_["generated"][row]]


def test_answers_end_at_the_end_of_turn(tmp_path: Path) -> None:
    """Where that is no token, the text is cut at it."""
    rows = [turns("a", "yes"), turns("b", "no"), turns("c", "d", "e")]
    task = Dialogue(max_length=256, template=CHATML, metrics=["bleu", "chrf"])
    tokenizer = byte()
    split = Split(table(rows), encoded(tmp_path, task, tokenizer, rows), tokenizer, [])
    said = [tokenizer(text)["input_ids"] for text in ("yes<|im_end|>\nyes", "nos<|im", "f")]
    found = task.decode({"generated": said, "loss": [4.0, 2.0, 0.0], "terms": [4, 4, 2]}, split)
    assert found["prediction"] == ["yes", "nos<|im", "f"]
    assert task.gold(split) == ["yes", "no", None]
    values, details = task.measure(found, split)
    assert values["perplexity"] == pytest.approx(math.exp(6 / 10))
    assert values["chrf"] == pytest.approx(sacrebleu.corpus_chrf(["yes", "nos<|im"], [["yes", "no"]]).score, abs=1e-6)
    assert set(values) == set(task.measures)
    assert details["dialogues"] == {"answered": 2, "shortened": 0}
    assert text_of(tokenizer, said[0]) == "yes<|im_end|>\nyes"


@pytest.mark.parametrize(
    ("messages", "template", "said"),
    [
        (turns("Hello?"), None, "chat.jsonl:2: no message of the assistant answers another; complete or remove"),
        (turns("a", "b")[1:], None, "chat.jsonl:2: no message of the assistant answers another"),
        (turns("a", "b", "c", "d"), FORGETFUL, r"chat.jsonl:1: .* writes the beginning of this dialogue otherwise"),
        (
            turns("a", "b", system="c"),
            "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + CHATML,
            r"chat.jsonl:2: the chat template refuses this dialogue \(no system here\)",
        ),
    ],
)
def test_a_dialogue_that_cannot_be_learnt_from_is_named(messages: Any, template: str | None, said: str) -> None:
    with pytest.raises(DataError, match=said):
        list(Dialogue(template=template).encode(byte(), table([turns("a", "b"), messages]), "train"))


@pytest.mark.parametrize("template", ["{% for %}", "{{ messages[0].content.a.b }}", "{{ messages + 1 }}"])
def test_a_template_that_cannot_be_used_is_refused(template: str) -> None:
    with pytest.raises(ModelError, match=r"task\.template='\{.*cannot write a question and its answer"):
        Chat(byte(), template)


def test_no_room_is_said(tiny_gpt: Path) -> None:
    with pytest.raises(ValueError, match="max_new_tokens must be 1 or more and below max_length"):
        Dialogue(max_length=64, max_new_tokens=64)
    source = Pretrained(str(tiny_gpt))
    model = Dialogue().model(source, source.tokenizer(), [], weights=True)
    with pytest.raises(DataError, match="600 more are asked for, but the model has 512 positions"):
        Dialogue().request(model, source.tokenizer(), {"messages": turns("hi")}, {"max_new_tokens": 600})


def write_dialogues(folder: Path) -> Path:
    """The assistant says a colour in German; some dialogues have two rounds, some a system message."""
    folder.mkdir()
    words = {"red": "rot", "blue": "blau", "green": "grün", "gold": "gold"}
    random = np.random.default_rng(0)
    for split, count in (("train", 300), ("val", 20), ("test", 20)):
        lines = []
        for number in range(count):
            asked = random.choice(list(words), 1 + number % 2)
            said = [text for word in asked for text in (word, words[word])]
            lines.append(json.dumps({"messages": turns(*said, system="Say it in German." if number % 3 else None)}))
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


LSTM = {"_target_": "headway.models.recurrent.Recurrent", "cell": "lstm", "width": 48, "embedding": 48, "dropout": 0.0}
GPT = {
    "_target_": "headway.models.scratch.Scratch",
    **{"architecture": "gpt2", "layers": 2, "width": 48, "heads": 4, "max_positions": 64, "dropout": 0.0},
}


@pytest.mark.parametrize("model", [GPT, LSTM], ids=["gpt", "lstm"])
def test_from_training_to_an_answer(
    training_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], model: dict[str, Any]
) -> None:
    data = write_dialogues(tmp_path / "colours")
    task = {"_target_": "headway.tasks.dialogue.Dialogue", "max_length": 24, "max_new_tokens": 4}
    tokenizer = {"_target_": "headway.tokenizers.trained.Trained", "kind": "word"}
    learning = {"optimizer.lr": 5e-3, "trainer.max_epochs": 14, "data.path": str(data)}
    path = training_run({}, {"task": task, "model": model, "tokenizer": tokenizer, **learning})
    assert guarded(path, SilentChannel()) == 0, (path / "traceback.txt").read_text()
    run = Run.open(path)
    summary = run.summary()
    assert summary["test/chrf"]["last"] > 90
    assert summary["val/perplexity"]["last"] == pytest.approx(math.exp(summary["val/loss"]["last"]), rel=1e-6)
    found = read_predictions(run, "test").to_pylist()
    assert [row["gold"] for row in found] == [row["messages"][-1]["content"] for row in found]
    again = evaluate(run, "test", "best")
    assert again["metrics"] == pytest.approx(
        {name.removeprefix("test/"): value["last"] for name, value in summary.items() if name.startswith("test/")}
    )
    assert again["details"]["dialogues"]["answered"] == 20

    capsys.readouterr()
    assert main(["predict", str(path), "blue"]) == 0
    assert capsys.readouterr().out == "blau\n"
    asked = [turns("red", "rot", "green"), turns("gold", "what?")]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in asked))
    assert main(["predict", str(path), str(tmp_path / "asked.jsonl"), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["prediction"] for row in rows] == ["grün", "gold"]


def test_a_run_on_dialogues_without_answers_fails_in_one_line(
    training_run: Callable[..., Path], tmp_path: Path, tiny_gpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_dialogues(tmp_path / "colours")
    (data / "train.jsonl").write_text(json.dumps({"messages": turns("red")}) + "\n")
    task = {"_target_": "headway.tasks.dialogue.Dialogue", "max_length": 48, "max_new_tokens": 8}
    model = {"_target_": "headway.models.pretrained.Pretrained", "path": str(tiny_gpt)}
    path = training_run({}, {"task": task, "model": model, "data.path": str(data)})
    assert guarded(path, SilentChannel()) == 1
    assert "train.jsonl:1: no message of the assistant answers another" in capsys.readouterr().err
