"""Generation: against transformers' own, row by row, token by token, and as a stream."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from headway.cli import parser
from headway.commands.use import DECODING
from headway.models.ngram import KneserNey
from headway.models.pretrained import Pretrained
from headway.models.products import LEAST
from headway.models.recurrent import Recurrent
from headway.models.scratch import Scratch
from headway.models.seq2seq import GruAttention
from headway.tasks import decoding
from headway.tasks.decoding import (
    Decoding,
    Request,
    answers,
    end_tokens,
    generate,
    left_padded,
    stream,
    text_of,
    together,
)
from headway.tokenizers.trained import Trained

TEXTS = ["the good film is it", "a plot was not very bad", "this story — Čapek's — is 好的, 真的!", "bad acting 🎭🎬"]
PROMPTS = [[9, 20, 31, 42, 53, 64, 75], [11, 12], [44], [30, 40, 50, 60]]
BOTH = {
    "t5": Scratch("t5", layers=2, width=32, heads=2),
    "bart": Scratch("bart", layers=2, width=32, heads=2),
    "gru": GruAttention(width=16, embedding=16),
}
DECODERS = ("gpt", "llama", "scratch", "lstm", "ngram")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return Trained("bpe", 300).train(TEXTS, framing="seq2seq")


def padded(rows: list[list[int]], pad: int) -> dict[str, Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


def sharp(model: nn.Module) -> Any:
    """Fresh weights say nearly the same everywhere; with larger ones what is generated depends on what was read."""
    torch.manual_seed(7)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and "norm" not in name and "ln_" not in name:
            nn.init.normal_(parameter, std=0.6)
    return model.eval()


@pytest.fixture
def decoder(request: pytest.FixtureRequest, tokenizer: PreTrainedTokenizerBase) -> Any:
    name = request.param
    if name in ("gpt", "llama"):
        source = Pretrained(str(request.getfixturevalue(f"tiny_{name}")), from_scratch=True)
        return sharp(source.causal_lm(source.tokenizer(), weights=True))
    if name == "ngram":
        model: Any = KneserNey(order=3).causal_lm(tokenizer, weights=True)
        random = np.random.default_rng(0)
        model.fit(random.integers(7, 90, 40) for _ in range(20))
        return model.eval()
    source = (
        Recurrent("lstm", width=24, embedding=24) if name == "lstm" else Scratch("gpt2", 2, 32, 2, max_positions=64)
    )
    return sharp(source.causal_lm(tokenizer, weights=True))


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("name", BOTH)
def test_beams_are_those_of_transformers(tokenizer: PreTrainedTokenizerBase, name: str, beams: int) -> None:
    model = sharp(BOTH[name].seq2seq(tokenizer, weights=True))
    model.generation_config.eos_token_id = 23  # one that comes up
    batch = padded(PROMPTS, tokenizer.pad_token_id)
    how = Decoding(max_new_tokens=12, beams=beams, length_penalty=0.6)
    options = {"length_penalty": 0.6, "early_stopping": True} if beams > 1 else {}
    theirs = model.generate(**batch, max_new_tokens=12, do_sample=False, num_beams=beams, **options).tolist()
    ours = generate(model, batch, how)
    assert len({tuple(row) for row in ours}) > 1
    for mine, theirs_ in zip(ours, theirs, strict=True):
        whole = theirs_[1:]
        assert mine == whole[: whole.index(23)] if 23 in whole else mine == whole


@pytest.mark.parametrize("decoder", DECODERS, indirect=True)
@pytest.mark.parametrize("sampling", [{}, {"temperature": 0.8, "top_k": 20, "top_p": 0.9}])
def test_tokens_are_those_of_transformers(decoder: Any, sampling: dict[str, Any]) -> None:
    """Of each prompt alone and from the same random numbers, also where some rows end long before others."""
    decoder.generation_config.eos_token_id = None
    theirs = []
    for prompt in PROMPTS:
        torch.manual_seed(3)
        found = decoder.generate(**padded([prompt], 0), max_new_tokens=40, do_sample=bool(sampling), **sampling)
        theirs.append(found[0, len(prompt) :].tolist())
    decoder.generation_config.eos_token_id, expected = ended(theirs)
    batch = padded(PROMPTS, 0)
    assert generate(decoder, batch, Decoding(max_new_tokens=40, seed=3, **sampling)) == expected


def ended(rows: list[list[int]]) -> tuple[int, list[list[int]]]:
    """A token that comes up in some rows before their end, not in all at once, and the rows up to it."""
    for end in sorted({token for row in rows for token in row[:-1]}):
        cut = [row[: row.index(end)] if end in row else row for row in rows]
        if len({len(row) for row in cut}) > 1:
            return end, cut
    raise AssertionError("all rows are alike")


@pytest.mark.parametrize("demand", [{"forced_bos_token_id": 9}, {"bad_words_ids": [[31]]}, {"min_new_tokens": 6}, {}])
def test_what_the_generation_config_demands_is_done(tokenizer: PreTrainedTokenizerBase, demand: dict[str, Any]) -> None:
    model = sharp(Scratch("marian", layers=2, width=32, heads=2).seq2seq(tokenizer, weights=True))
    model.generation_config.eos_token_id = 23
    model.generation_config.update(forced_eos_token_id=23, **demand)
    batch = padded(PROMPTS, tokenizer.pad_token_id)
    theirs = model.generate(**batch, max_new_tokens=12, do_sample=False)[:, 1:].tolist()
    assert generate(model, batch, Decoding(max_new_tokens=12)) == [row[: row.index(23)] for row in theirs]


@pytest.mark.parametrize("look", [1, 5])
@pytest.mark.parametrize("name", BOTH)
def test_rows_that_have_ended_leave_the_batch(
    tokenizer: PreTrainedTokenizerBase, name: str, look: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "LOOK", {"cpu": look})
    model = sharp(BOTH[name].seq2seq(tokenizer, weights=True))
    model.generation_config.eos_token_id = None
    batch = padded(PROMPTS, tokenizer.pad_token_id)
    end, expected = ended(generate(model, batch, Decoding(max_new_tokens=12)))
    model.generation_config.eos_token_id = end
    sizes: list[int] = []
    model.register_forward_hook(lambda _module, _args, output: sizes.append(len(output.logits)))
    assert generate(model, batch, Decoding(max_new_tokens=12)) == expected
    assert sizes[0] == 4
    assert sizes[-1] < 4
    needed = min(12, 1 + max(map(len, expected)))
    assert needed <= len(sizes) < needed + look


def test_the_length_penalty_chooses_among_the_beams(tokenizer: PreTrainedTokenizerBase) -> None:
    """After 9, the end has a probability of 0.6, and 10 with the end one of 0.4: log(0.4) / 2 is above log(0.6)."""
    model: Any = KneserNey(order=3).causal_lm(tokenizer, weights=True)
    [end] = end_tokens(model)
    model.fit(np.array(row) for row in [[9, end]] * 600 + [[9, 10, end]] * 400)
    batch, how = padded([[9]], tokenizer.pad_token_id), Decoding(max_new_tokens=8, beams=2)
    assert generate(model, batch, how.changed({"length_penalty": 0.0})) == [[]]
    assert generate(model, batch, how) == [[10]]


def test_the_command_line_has_an_option_for_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(DECODING) == {field.name for field in fields(Decoding)}
    given = parser().parse_args(["predict", "last", "a text", "--beams", "3", "--length-penalty", "0.5"])
    how = Decoding(beams=1, temperature=0.7).changed({name: getattr(given, name) for name in DECODING})
    assert how == Decoding(beams=3, temperature=0.7, length_penalty=0.5)
    with pytest.raises(SystemExit):
        parser().parse_args(["predict", "last", "a text", "--length-penalty", "nan"])
    assert "--length-penalty: invalid finite value: 'nan'" in capsys.readouterr().err


@pytest.mark.parametrize("name", BOTH)
def test_a_source_does_not_depend_on_its_batch(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    model = sharp(BOTH[name].seq2seq(tokenizer, weights=True))
    how = Decoding(max_new_tokens=10, beams=2, repetition_penalty=1.3)
    alone = [generate(model, padded([row], 0), how)[0] for row in PROMPTS]
    assert generate(model, padded(PROMPTS, tokenizer.pad_token_id), how) == alone
    assert len({tuple(row) for row in alone}) > 1


@pytest.mark.parametrize("decoder", DECODERS, indirect=True)
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_a_prompt_does_not_depend_on_its_batch(decoder: Any, penalty: float) -> None:
    """Prompts of unlike lengths, whatever side their padding is on and whatever it holds."""
    how = Decoding(max_new_tokens=10, repetition_penalty=penalty)
    alone = [generate(decoder, padded([row], 0), how)[0] for row in PROMPTS]
    right = padded(PROMPTS, 5)
    assert generate(decoder, right, how) == alone
    assert generate(decoder, left_padded(right), how) == alone
    assert generate(decoder, padded(PROMPTS, 70), how) == alone
    assert len({tuple(row) for row in alone}) > 1


@pytest.mark.parametrize("decoder", ["gpt", "llama", "scratch", "lstm"], indirect=True)
def test_greedy_is_the_likeliest_token_each_time(decoder: Any) -> None:
    """The whole prefix read anew for every token, without any cache."""
    for prompt, found in zip(PROMPTS, generate(decoder, padded(PROMPTS, 0), Decoding(max_new_tokens=6)), strict=True):
        ids = list(prompt)
        for _ in range(6):
            with torch.no_grad():
                best = int(decoder(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))).logits[0, -1].argmax())
            if best in end_tokens(decoder):
                break
            ids.append(best)
        assert found == ids[len(prompt) :]


@pytest.mark.parametrize("decoder", ["gpt", "llama", "lstm"], indirect=True)
@pytest.mark.parametrize("beams", [1, 3])
def test_a_step_reads_one_token(decoder: Any, beams: int) -> None:
    decoder.generation_config.eos_token_id = None
    table = (
        decoder.get_input_embeddings()
        if hasattr(decoder, "model") or hasattr(decoder, "transformer")
        else decoder.embedding
    )
    lengths: list[int] = []
    table.register_forward_hook(lambda _module, args, _output: lengths.append(args[0].shape[1]))
    generate(decoder, padded(PROMPTS, 0), Decoding(max_new_tokens=5, beams=beams))
    assert lengths == [7, 1, 1, 1, 1]


def test_sampling_follows_its_seed_alone(tokenizer: PreTrainedTokenizerBase) -> None:
    torch.manual_seed(0)
    model: Any = Scratch("gpt2", 1, 32, 2).causal_lm(tokenizer, weights=True)
    batch = padded([[9, 10]] * 3, 0)
    how = Decoding(max_new_tokens=12, temperature=1.0, seed=5)
    torch.manual_seed(1)
    first = generate(model.eval(), batch, how)
    after = torch.rand(1)
    torch.manual_seed(2)
    assert generate(model, batch, how) == first
    assert generate(model, batch, how.changed({"seed": 6, "top_k": None})) != first
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after)  # nobody else's random numbers are used up
    greedy = generate(model, batch, Decoding(max_new_tokens=12))
    assert generate(model, batch, how.changed({"temperature": 0})) == greedy == generate(model, batch, how.certain())
    assert generate(model, batch, how.changed({"top_k": 1})) == greedy
    one = {name: tensor[:1] for name, tensor in batch.items()}
    assert "".join(stream(model, tokenizer, one, how)) == text_of(tokenizer, generate(model, one, how)[0])


@pytest.mark.parametrize("temperature", [None, 1.5])
@pytest.mark.parametrize("decoder", ["scratch"], indirect=True)
def test_answers_are_in_the_order_of_the_requests(
    decoder: Any, tokenizer: PreTrainedTokenizerBase, temperature: float | None
) -> None:
    """In batches of like lengths, each is what comes of it alone as a stream."""
    how, sizes = Decoding(max_new_tokens=8, temperature=temperature), list[torch.Size]()
    requests = [Request(ids, how) for ids in PROMPTS]
    alone = ["".join(stream(decoder, tokenizer, together([one], 0, decoder.device), how)) for one in requests]
    assert len(set(alone)) == len(alone)
    decoder.transformer.wte.register_forward_hook(lambda _module, args, _output: sizes.append(args[0].shape))
    assert answers(decoder, tokenizer, requests, 2) == alone
    assert [tuple(size) for size in sizes if size[1] > 1] == [(2, 7), (2, 2)]


@pytest.mark.parametrize("decoder", ["scratch"], indirect=True)
def test_answers_lay_weights_out_once(decoder: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """For all batches together there are enough steps, and afterwards the model is as before."""
    kept: list[Any] = []
    decoder.transformer.wte.register_forward_hook(lambda *_: kept.append(vars(decoder.lm_head).get("forward")))
    answers(decoder, tokenizer, [Request(ids, Decoding(max_new_tokens=LEAST // 2)) for ids in PROMPTS], 2)
    assert len(set(kept)) == 1
    assert kept[0] is not None
    assert "forward" not in vars(decoder.lm_head)


@pytest.mark.parametrize("kind", ["bpe", "byte", "unigram", "wordpiece", "word", "character"])
def test_the_pieces_of_a_stream_are_the_text(kind: Any) -> None:
    """Whatever a tokenizer does at word ends, and for characters of several tokens: 12 sampled texts each."""
    tokenizer = Trained(kind, 400, min_frequency=1).train(TEXTS * 5, framing="none")
    torch.manual_seed(0)
    model: Any = Scratch("gpt2", 1, 32, 2).causal_lm(tokenizer, weights=True).eval()
    batch = padded([[9, 10]], 0)
    most = 0
    for seed in range(12):
        how = Decoding(max_new_tokens=30, temperature=1.5, seed=seed)
        pieces = list(stream(model, tokenizer, batch, how))
        most = max(most, len(pieces))
        assert "".join(pieces) == text_of(tokenizer, generate(model, batch, how)[0])
        assert all(pieces)
    assert most > 5


class Says:
    """A model that generates given tokens, whatever it reads."""

    def __init__(self, model: Any, ids: list[int]) -> None:
        self.config, self.generation_config, self.modules = model.config, model.generation_config, model.modules
        self.ids, self.steps = ids, 0

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False

    def generate(self, **_: Any) -> Iterator[tuple[Tensor, Tensor]]:
        for token in self.ids:
            self.steps += 1
            yield torch.tensor([0]), torch.tensor([token])


@pytest.mark.parametrize("text", TEXTS)
def test_no_half_character_is_ever_shown(text: str) -> None:
    bytes_ = Trained("byte").train([])
    ids = bytes_(text, add_special_tokens=False)["input_ids"]
    model = Says(Scratch("gpt2", 1, 32, 2).causal_lm(bytes_, weights=True), ids)
    pieces = list(stream(model, bytes_, padded([[9]], 0), Decoding()))
    assert "".join(pieces) == text
    assert not any("�" in piece for piece in pieces)
    assert len(pieces) > 10


def test_a_stream_ends_at_its_stop_text_and_shows_none_of_it(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = tokenizer("the film<|im_end|>the plot<|im", add_special_tokens=False)["input_ids"]
    model = Says(Scratch("gpt2", 1, 32, 2).causal_lm(tokenizer, weights=True), ids)
    batch = padded([[9]], 0)
    assert "".join(stream(model, tokenizer, batch, Decoding(), "<|im_end|>")) == "the film"
    assert text_of(tokenizer, ids, "<|im_end|>") == "the film"
    assert "".join(stream(model, tokenizer, batch, Decoding(), "<none>")) == "the film<|im_end|>the plot<|im"


def test_nobody_reading_on_ends_the_generation(tokenizer: PreTrainedTokenizerBase) -> None:
    torch.manual_seed(0)
    model: Any = Scratch("gpt2", 1, 32, 2, max_positions=4000).causal_lm(tokenizer, weights=True).eval()
    model.generation_config.eos_token_id = None
    steps: list[int] = []
    model.transformer.wte.register_forward_hook(lambda *_: steps.append(1))
    pieces = stream(model, tokenizer, padded([[9]], 0), Decoding(max_new_tokens=3900, temperature=1.5))
    next(pieces)
    assert not torch.is_inference_mode_enabled()  # whoever reads goes on as before
    assert "forward" in vars(model.lm_head)
    pieces.close()
    assert len(steps) < 3900
    assert "forward" not in vars(model.lm_head)


def test_what_fails_in_the_middle_is_raised(tokenizer: PreTrainedTokenizerBase) -> None:
    model: Any = Scratch("gpt2", 1, 32, 2, max_positions=8).causal_lm(tokenizer, weights=True).eval()
    model.generation_config.eos_token_id = None
    with pytest.raises(IndexError):
        list(stream(model, tokenizer, padded([[9]], 0), Decoding(max_new_tokens=20)))


def test_a_pretrained_models_own_taste_is_not_asked(tiny_gpt: Path) -> None:
    model: Any = Pretrained(str(tiny_gpt)).causal_lm(Pretrained(str(tiny_gpt)).tokenizer(), weights=True)
    batch = padded(PROMPTS, 0)
    before = generate(model.eval(), batch, Decoding(max_new_tokens=8))
    model.generation_config.update(do_sample=True, temperature=3.0, num_beams=1, repetition_penalty=9.0)
    assert generate(model, batch, Decoding(max_new_tokens=8)) == before
