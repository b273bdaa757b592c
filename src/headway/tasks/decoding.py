"""How text is generated, for every model that can: greedy, sampled or with beams; whole batches or as a stream.

The models' own cache of keys and values (or state) is used, so that a step costs one token. B batch, T tokens.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, StoppingCriteriaList

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
        """Without sampling: what is generated for an example then depends on nothing else in its batch."""
        return replace(self, temperature=None, top_k=None, top_p=None)

    def arguments(self) -> dict[str, Any]:
        """For `generate` of transformers. Which tokens begin, end and fill, the model knows."""
        given = any(value is not None for value in (self.temperature, self.top_k, self.top_p))
        sampled = given and self.temperature != 0 and self.beams == 1
        sampling = {"temperature": self.temperature or 1.0, "top_k": self.top_k or 0, "top_p": self.top_p or 1.0}
        return {
            "max_new_tokens": self.max_new_tokens,
            "do_sample": sampled,
            **(sampling if sampled else {}),
            "num_beams": self.beams,
            **({"length_penalty": self.length_penalty, "early_stopping": True} if self.beams > 1 else {}),
            "repetition_penalty": self.repetition_penalty,
            "use_cache": True,
        }


def generate(model: Any, batch: Mapping[str, Tensor], how: Decoding) -> list[list[int]]:
    """What is generated after each prompt, or for each source: token ids before the first one that ends a text.

    batch: input_ids and attention_mask, [B,T]; padding may stand on either side. Sampling follows `how.seed` and the
    batch; without it a row does not depend on the others.
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
    with torch.random.fork_rng(devices=_devices(model)), torch.inference_mode():
        torch.manual_seed(how.seed)
        found = model.generate(**(batch if both else left_padded(batch)), **how.arguments())
    # a decoder repeats its prompt; an encoder-decoder begins with its start token
    rows = found[:, 1 if both else batch["input_ids"].shape[1] :].tolist()
    ends = end_tokens(model)
    return [row[: next((at for at, token in enumerate(row) if token in ends), None)] for row in rows]


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
    tokens = _Tokens()
    left, failures = threading.Event(), list[BaseException]()

    def given_up(input_ids: Tensor, _: Tensor, **__: Any) -> Tensor:
        return torch.full((len(input_ids),), left.is_set(), device=input_ids.device)

    def work() -> None:
        try:
            with torch.random.fork_rng(devices=_devices(model)), torch.inference_mode():
                torch.manual_seed(how.seed)
                criteria = StoppingCriteriaList([given_up])
                model.generate(**batch, **how.arguments(), streamer=tokens, stopping_criteria=criteria)
        except BaseException as error:
            failures.append(error)
        finally:
            tokens.end()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield from _stable(tokens, lambda ids: text_of(tokenizer, ids), end_tokens(model), stop)
    finally:
        left.set()
        thread.join()
    if failures:
        raise failures[0]


def _stable(tokens: "_Tokens", spell: Callable[[list[int]], str], ends: set[int], stop: str) -> Iterator[str]:
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


class _Tokens:
    """What `generate` takes for a streamer: hands tokens, but not the prompt, to another thread."""

    def __init__(self) -> None:
        self._queue: queue.Queue[int | None] = queue.Queue()
        self._prompt = True

    def put(self, value: Tensor) -> None:
        if not self._prompt:
            for token in value.flatten().tolist():
                self._queue.put(token)
        self._prompt = False

    def end(self) -> None:
        self._queue.put(None)

    def __iter__(self) -> Iterator[int]:
        return iter(self._queue.get, None)


def _devices(model: nn.Module) -> list[torch.device]:
    return [device for device in {parameter.device for parameter in model.parameters()} if device.type == "cuda"]
