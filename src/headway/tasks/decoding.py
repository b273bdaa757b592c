"""How text is generated, for every model that can: greedy, sampled or with beams; whole batches or as a stream.

transformers prepares (prompts, encoder, what the model's generation config demands of the scores) and searches with
beams; the loop that takes one token after the other is here. B batch, R rows of it that go on, T tokens, V vocabulary.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, PreTrainedTokenizerBase
from transformers.utils.generic import ModelOutput

from headway.models.generation import State, empty_cache
from headway.models.products import few_rows

LOOK = {"cuda": 8}  # steps between two looks at which rows have ended, where a look has to wait for the device
SHARE = 0.75  # once no more rows than this share of them go on, the others leave the batch
NOTHING = -1  # is no token
LOOKAHEAD = 3  # tokens: so many can be needed to end a character, or to change how the ones before are spelt


@dataclass(frozen=True)
class Decoding:
    """Sampling happens where temperature, top_k or top_p is given; otherwise the likeliest token or beams win.

    max_new_tokens: most tokens to generate. temperature: Ackley et al. 1985. top_k: Fan et al. 2018, section 5.2.
    top_p: Holtzman et al. 2020, section 3.1. beams: width of the search, above 1 without sampling; length_penalty:
    exponent of the length that a beam's log-probability is divided by (Wu et al. 2016, section 7, simplified as in
    transformers). repetition_penalty: Keskar et al. 2019, section 4.1. seed: of sampling.
    """

    max_new_tokens: int = 64
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    beams: int = 1
    length_penalty: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0

    def changed(self, options: Mapping[str, Any]) -> "Decoding":
        """With the options that are not None."""
        known = {field.name for field in fields(self)}
        return replace(self, **{name: value for name, value in options.items() if value is not None and name in known})

    def certain(self) -> "Decoding":
        """Without sampling: what is generated for an example then depends on no seed."""
        return replace(self, temperature=None, top_k=None, top_p=None)

    @property
    def sampled(self) -> bool:
        given = any(value is not None for value in (self.temperature, self.top_k, self.top_p))
        return given and self.temperature != 0 and self.beams == 1

    def arguments(self) -> dict[str, Any]:
        """For `generate` of transformers. Which tokens begin, end and fill, the model knows."""
        sampling = {"temperature": self.temperature or 1.0, "top_k": self.top_k or 0, "top_p": self.top_p or 1.0}
        return {
            "max_new_tokens": self.max_new_tokens,
            "do_sample": self.sampled,
            **(sampling if self.sampled else {}),
            "num_beams": self.beams,
            **({"length_penalty": self.length_penalty, "early_stopping": True} if self.beams > 1 else {}),
            "repetition_penalty": self.repetition_penalty,
            "use_cache": True,
        }


@dataclass(frozen=True)
class Request:
    """What a model is to answer, and how. ids: of the prompt or the source. stop: see `stream`."""

    ids: list[int]
    how: Decoding
    stop: str = ""


def answers(model: Any, tokenizer: PreTrainedTokenizerBase, requests: list[Request], size: int) -> list[str]:
    """The whole text for each, in batches of up to `size` of like lengths; all are to be answered the same way."""
    found = [""] * len(requests)
    order = sorted(range(len(requests)), key=lambda at: -len(requests[at].ids))
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    how = requests[0].how
    with few_rows(model, len(parts[0]) * how.beams, len(parts) * how.max_new_tokens):  # weights are laid out once
        for part in parts:
            asked = [requests[at] for at in part]
            made = generate(model, together(asked, int(tokenizer.pad_token_id), model.device), how)
            for at, one, ids in zip(part, asked, made, strict=True):
                found[at] = text_of(tokenizer, ids, one.stop)
    return found


def together(requests: Sequence[Request], pad: int, device: torch.device) -> dict[str, Tensor]:
    """input_ids and attention_mask, [B,T], padded on the right."""
    longest = max(len(one.ids) for one in requests)
    ids = [one.ids + [pad] * (longest - len(one.ids)) for one in requests]
    mask = [[1] * len(one.ids) + [0] * (longest - len(one.ids)) for one in requests]
    return {"input_ids": torch.tensor(ids, device=device), "attention_mask": torch.tensor(mask, device=device)}


def generate(model: Any, batch: Mapping[str, Tensor], how: Decoding) -> list[list[int]]:
    """What is generated after each prompt, or for each source: token ids before the first one that ends a text.

    batch: input_ids and attention_mask, [B,T]; padding may stand on either side. Each row is what it would be
    alone, also where it is sampled: `how.seed` gives all of them the same random numbers.
    """
    both = model.config.is_encoder_decoder
    lengths = batch["attention_mask"].sum(1)
    if not both and how.repetition_penalty != 1 and lengths.min() < lengths.max():  # padding would count as repeated
        rows: list[list[int]] = [[] for _ in lengths]
        for length in set(lengths.tolist()):
            alike = (lengths == length).nonzero().flatten()
            part = {name: tensor[alike, -length:] for name, tensor in left_padded(batch).items()}
            for at, row in zip(alike.tolist(), generate(model, part, how), strict=True):
                rows[at] = row
        return rows
    ends = end_tokens(model)
    if how.beams > 1:
        with torch.inference_mode(), few_rows(model, how.beams * len(lengths), how.max_new_tokens):
            found = model.generate(**(batch if both else left_padded(batch)), **how.arguments())
        # a decoder repeats its prompt; an encoder-decoder begins with its start token
        made = found[:, 1 if both else batch["input_ids"].shape[1] :]
    else:
        made = torch.full((len(lengths), how.max_new_tokens), NOTHING, device=lengths.device)
        for step, (going, tokens) in enumerate(_steps(model, batch, how)):
            made[going, step] = tokens
        ends = ends | {NOTHING}
    return [row[: next((at for at, token in enumerate(row) if token in ends), None)] for row in made.tolist()]


def _steps(model: Any, batch: Mapping[str, Tensor], how: Decoding) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Of each step, the rows of the batch that it adds a token to [R], and those tokens [R]; without beams."""
    both = model.config.is_encoder_decoder
    room = how.max_new_tokens + (1 if both else batch["input_ids"].shape[1])
    cache = empty_cache(model, room)
    with few_rows(model, len(batch["input_ids"]), how.max_new_tokens):
        yield from model.generate(
            **(batch if both else left_padded(batch)),
            **how.arguments(),
            **({} if cache is None else {"past_key_values": cache}),
            custom_generate=_loop,
            seed=how.seed,
        )


@torch.inference_mode()
def _loop(
    model: Any,
    input_ids: Tensor,
    logits_processor: Callable[[Tensor, Tensor], Tensor],
    generation_config: Any,
    seed: int,
    **state: Any,
) -> Iterator[tuple[Tensor, Tensor]]:
    """What `generate` of transformers calls once all is prepared. input_ids [R,T]: what the decoder reads first.

    state: what the model's forward wants besides, the cache among it. Rows that have ended leave.
    """
    state.pop("stopping_criteria")  # the ends of texts are looked for here, and more rarely
    both, drawn = model.config.is_encoder_decoder, generation_config.do_sample
    generator = torch.Generator(input_ids.device).manual_seed(seed)
    ends = torch.tensor(sorted(end_tokens(model)), dtype=input_ids.dtype, device=input_ids.device)
    going = torch.arange(len(input_ids), device=input_ids.device)
    ended = torch.zeros_like(going, dtype=torch.bool)
    look = LOOK.get(input_ids.device.type, 1)
    for step in range(generation_config.max_length - input_ids.shape[1]):
        new = {"is_first_iteration": True} if step == 0 else {"next_sequence_length": 1}
        output = model(**model.prepare_inputs_for_generation(input_ids, **new, **state), return_dict=True)
        state = model._update_model_kwargs_for_generation(output, state, is_encoder_decoder=both)
        scores = logits_processor(input_ids, output.logits[:, -1].float())  # [R,V]
        if drawn:  # as torch.multinomial draws, but all rows by the same numbers: each is what it would be alone
            scores = scores.softmax(-1) / torch.empty_like(scores[0]).exponential_(generator=generator)
        tokens = _likeliest(scores)
        yield going, tokens
        input_ids = torch.cat([input_ids, tokens[:, None]], dim=1)
        ended |= torch.isin(tokens, ends)
        if step % look == look - 1:
            left = (~ended).nonzero().flatten()
            if not len(left):
                return
            movable = isinstance(state.get("past_key_values"), Cache | State)
            if movable and len(left) <= SHARE * len(going):
                state = {name: _rows(one, left, len(going)) for name, one in state.items()}
                going, ended, input_ids = going[left], ended[left], input_ids[left]


def _likeliest(scores: Tensor) -> Tensor:
    """[R,V] -> [R]; on a processor by numpy, which takes a tenth of the time."""
    return torch.from_numpy(scores.numpy().argmax(-1)) if scores.device.type == "cpu" else scores.argmax(-1)


def _rows(one: Any, left: Tensor, rows: int) -> Any:
    """Of something that the model reads, those rows; what has no rows stays as it is."""
    if isinstance(one, Cache | State):
        one.reorder_cache(left)  # type: ignore[arg-type]
    elif isinstance(one, ModelOutput):
        return type(one)(**{name: _rows(part, left, rows) for name, part in one.items()})
    elif isinstance(one, Tensor) and one.dim() and len(one) == rows:
        return one[left]
    return one


def left_padded(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same rows with their padding on the left: a decoder goes on after the last column. [B,T] each."""
    mask = batch["attention_mask"]
    order = mask.argsort(dim=1, stable=True)
    return {"input_ids": batch["input_ids"].gather(1, order), "attention_mask": mask.gather(1, order)}


def end_tokens(model: Any) -> set[int]:
    """The tokens after which this model generates nothing."""
    ends = model.generation_config.eos_token_id
    return set() if ends is None else {ends} if isinstance(ends, int) else set(ends)


def text_of(tokenizer: PreTrainedTokenizerBase, ids: list[int], stop: str = "") -> str:
    """Generated ids as text, without special tokens and without `stop` and what comes after it."""
    text = str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
    return text.partition(stop)[0] if stop else text


def stream(
    model: Any, tokenizer: PreTrainedTokenizerBase, batch: Mapping[str, Tensor], how: Decoding, stop: str = ""
) -> Iterator[str]:
    """The text generated for one input, as it comes; with beams all at once, for only then it is known.

    stop: text that ends it, for a model whose tokenizer has no single token for that. The pieces together are
    `text_of` what `generate` gives. Once nobody reads on, the model stops.
    """
    if how.beams > 1:
        yield text_of(tokenizer, generate(model, batch, how)[0], stop)
        return
    with closing(_steps(model, batch, how)) as steps:
        ids = (int(token) for _, token in steps)
        yield from _stable(ids, lambda ids: text_of(tokenizer, ids), end_tokens(model), stop)


def _stable(tokens: Iterable[int], spell: Callable[[list[int]], str], ends: set[int], stop: str) -> Iterator[str]:
    """Text as soon as later tokens do not change it any more."""
    ids: list[int] = []
    done = 0  # characters given out
    for token in tokens:
        if token in ends:
            break
        ids.append(token)
        text = spell(ids)
        if stop and stop in text:
            break
        sure = _shared(spell(ids[:-LOOKAHEAD]), text[: len(text) - len(stop)])
        if sure > done:
            yield text[done:sure]
            done = sure
    text = spell(ids)
    if rest := (text.partition(stop)[0] if stop else text)[done:]:
        yield rest


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
