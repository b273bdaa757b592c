"""Dialogues as text and tokens, by a chat template, and which of the tokens are the assistant's.

A dialogue is a list of messages {"role", "content"}; the system message, if any, comes first.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jinja2
import numpy as np
from transformers import PreTrainedTokenizerBase

from headway.data.names import shown
from headway.errors import DataError, ModelError

Messages = Sequence[Mapping[str, Any]]
# for tokenizers that bring no template: a turn ends with a token that every tokenizer has
PLAIN = (
    "{% for message in messages %}{{ message.role }}:\n{{ message.content }}{{ eos_token or sep_token or '<|end|>' }}\n"
    "{% endfor %}{% if add_generation_prompt %}assistant:\n{% endif %}"
)
MARKED = re.compile(r"\{%-?\s*generation\s*-?%\}")
QUESTION, ANSWER = {"role": "user", "content": "Question"}, {"role": "assistant", "content": "Answer"}


@dataclass(frozen=True)
class Tokens:
    """Of one dialogue. answers: for each of `ids` 1 where it is the assistant's, else 0. dropped: messages left out at
    its beginning; cut: tokens left out after that.
    """

    ids: list[int]
    answers: list[int]
    dropped: int
    cut: int


@dataclass(frozen=True)
class Chat:
    """template: a Jinja chat template; null: the tokenizer's own, and PLAIN where it has none.

    What a template writes and the tokenizer does not know as a special token is ordinary text for it.
    """

    tokenizer: PreTrainedTokenizerBase
    template: str | None = None

    def __post_init__(self) -> None:
        """Raises: ModelError for a template that cannot write a question and its answer."""
        _ = self.stop

    @cached_property
    def _template(self) -> str:
        own = self.tokenizer.get_chat_template() if self.tokenizer.chat_template else PLAIN
        return self.template or own

    def text(self, messages: Messages, *, ask: bool = False) -> str:
        """The messages and, with `ask`, what stands before the assistant's next one."""
        conversation = [dict(message) for message in messages]
        return str(
            self.tokenizer.apply_chat_template(
                conversation, chat_template=self._template, add_generation_prompt=ask, tokenize=False
            )
        )

    @cached_property
    def stop(self) -> str:
        """What ends an answer, such as <|im_end|>; blanks around it are left off, and it is "" where nothing does."""
        try:
            closing = self.text([QUESTION, ANSWER]).rpartition(ANSWER["content"])[2]
        except (jinja2.TemplateError, TypeError) as error:
            raise ModelError(
                f"task.template={'null, the model has one' if self.template is None else shown(self.template)!r}: "
                f"cannot write a question and its answer ({' '.join(str(error).split())[:200]})"
            ) from error
        return closing.strip() or closing

    @cached_property
    def end(self) -> int | None:
        """The token of `stop`, where the tokenizer has one for it."""
        ids = self.tokenizer(self.stop, add_special_tokens=False)["input_ids"] if self.stop else []
        return ids[0] if ids and ids[0] in self.tokenizer.added_tokens_decoder else None

    def whole(self, messages: Messages, room: int, origin: str) -> Tokens:
        """A dialogue to learn from. See `_fitted` for one of more than `room` tokens. Raises: DataError."""
        with _told(origin):
            kept = self._fitted(messages, room, ask=False)
            ids, answers = self._marked(kept) if MARKED.search(self._template) else self._compared(kept, origin)
        return Tokens(ids[-room:], answers[-room:], len(messages) - len(kept), max(0, len(ids) - room))

    def prompt(self, messages: Messages, room: int, origin: str) -> Tokens:
        """What the assistant answers: all up to its last message, or up to the end where another spoke last."""
        asked = messages[:-1] if messages[-1]["role"] == "assistant" else messages
        if not asked:
            raise DataError(f"{origin}: there is nothing to answer; put a message of the user before the assistant's")
        with _told(origin):
            kept = self._fitted(asked, room, ask=True)
            ids = self._ids(self.text(kept, ask=True))
        return Tokens(ids[-room:], [0] * min(len(ids), room), len(asked) - len(kept), max(0, len(ids) - room))

    def _fitted(self, messages: Messages, room: int, *, ask: bool) -> Messages:
        """Without its oldest exchanges, as few as will do; an exchange begins with the user, and the system stays.

        The last exchange stays as well: where it alone has too many tokens, the caller cuts the first of them.
        """
        first = int(messages[0]["role"] == "system")
        begins = [first, *(at for at in range(first + 1, len(messages)) if messages[at]["role"] == "user")]

        def without(exchanges: int) -> Messages:
            return [*messages[:first], *messages[begins[exchanges] :]]

        def fits(exchanges: int) -> bool:
            return len(self._ids(self.text(without(exchanges), ask=ask))) <= room

        return messages if fits(0) else without(bisect_left(range(len(begins) - 1), True, key=fits))

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        return ids

    def _marked(self, messages: Messages) -> tuple[list[int], list[int]]:
        """By the template's own {% generation %} marks."""
        found: Any = self.tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            chat_template=self._template,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        return found["input_ids"], found["assistant_masks"]

    def _compared(self, messages: Messages, origin: str) -> tuple[list[int], list[int]]:
        """An answer reaches from where the template asks for it to the end of turn that follows it."""
        text = self.text(messages)
        pieces = self.tokenizer(
            text, add_special_tokens=False, return_attention_mask=False, return_offsets_mapping=True
        )
        starts = np.asarray(pieces["offset_mapping"], np.int64).reshape(-1, 2)[:, 0]
        answers = np.zeros(len(starts), np.int64)
        for at, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            through = self.text(messages[: at + 1])
            # templates refuse to ask after nothing
            asked = self.text(messages[:at], ask=True) if at else through.partition(message["content"].strip())[0]
            if not (text.startswith(through) and through.startswith(asked)):
                raise DataError(
                    f"{origin}: the chat template writes the beginning of this dialogue otherwise when more follows, "
                    "so it does not tell which part is the assistant's; mark that in task.template with "
                    "{% generation %} ... {% endgeneration %}, or use another"
                )
            ended = through.rfind(self.stop, len(asked)) if self.stop else -1
            until = len(through) if ended < 0 else ended + len(self.stop)
            answers[(starts >= len(asked)) & (starts < until)] = 1
        return pieces["input_ids"], answers.tolist()


@contextmanager
def _told(origin: str) -> Iterator[None]:
    """Gives what a template refuses the origin of the dialogue."""
    try:
        yield
    except (jinja2.TemplateError, TypeError) as error:
        said = " ".join(str(error).split())[:200]
        raise DataError(f"{origin}: the chat template refuses this dialogue ({said})") from error
