"""Tokenizers trained on the texts of the run, for models that start from nothing.

Equal texts give equal tokenizers, in every process. The trainers of the tokenizers library keep their words in a hash
table whose order changes from process to process; what that order could reach is put into a fixed one here.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from headway.errors import ConfigError

FORMAT = 1  # bump when the same texts and arguments give another tokenizer
# one set for every task; in brackets, as texts of this field hold "<unk>" and "</s>" as ordinary words
ROLES = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
    "bos_token": "[BOS]",
    "eos_token": "[EOS]",
}
SPECIAL = list(ROLES.values())
BYTES = 256
FRAMINGS: dict[str, tuple[str, str] | None] = {
    "bert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),  # Devlin et al. 2019, section 3
    "seq2seq": ("$A [EOS]", "$A [EOS] $B [EOS]"),  # Raffel et al. 2020: every input and every target ends with it
    "none": None,
}
STEP = 1e-4  # by how much the unigram trainer sets the scores of characters apart that it must keep


@dataclass(frozen=True)
class Trained:
    """kind: what a piece is.

    bpe: frequent strings of bytes (Sennrich et al. 2016; on bytes as in Radford et al. 2019): any text, exactly.
    wordpiece: frequent strings of characters, apart from punctuation (Schuster & Nakajima 2012; Devlin et al. 2019).
    unigram: pieces of a unigram language model (Kudo 2018). word: words and marks, each by itself. whitespace: what
    stands between spaces, for texts already cut into words. character, byte: each one.
    vocab_size: pieces at most, the seven special tokens included; byte always has 263. lowercase: before anything else;
    wordpiece then also drops accents, as BERT's does. min_frequency: of a pair to be merged, of a word or a character;
    unigram chooses by likelihood alone. framing: tokens put around a text, auto: what the task asks for.
    Raises: ConfigError for sizes that hold no piece.
    """

    kind: Literal["bpe", "wordpiece", "unigram", "word", "whitespace", "character", "byte"] = "bpe"
    vocab_size: int = 8000
    lowercase: bool = False
    min_frequency: int = 2
    framing: Literal["auto", "bert", "seq2seq", "none"] = "auto"

    def __post_init__(self) -> None:
        if self.kind not in PARTS:
            raise ConfigError([f"tokenizer.kind={self.kind}: choose one of {', '.join(PARTS)}"])
        if self.framing not in ("auto", *FRAMINGS):
            raise ConfigError([f"tokenizer.framing={self.framing}: choose one of auto, {', '.join(FRAMINGS)}"])
        least = len(SPECIAL) + (BYTES if self.kind == "bpe" else 1)
        if self.kind != "byte" and self.vocab_size < least:
            raise ConfigError([f"tokenizer.vocab_size={self.vocab_size}: kind {self.kind} needs {least} or more"])
        if self.min_frequency < 1:
            raise ConfigError([f"tokenizer.min_frequency={self.min_frequency}: wants 1 or more"])

    def key(self) -> dict[str, Any]:
        """Everything but the texts and the task's framing that the result depends on, as plain data."""
        return {**asdict(self), "format": FORMAT, "tokenizers": tokenizers.__version__}

    def train(self, texts: Iterable[str], framing: str = "bert") -> PreTrainedTokenizerFast:
        """Read `texts` once and make the tokenizer.

        framing: what the task asks for, bert | seq2seq | none; the class's own wins over it.
        """
        parts = PARTS[self.kind]
        tokenizer = Tokenizer(models.BPE())
        if (normalizer := parts.normalizer(self.lowercase)) is not None:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = parts.pre_tokenizer()
        tokenizer.model = parts.train(self, _words(tokenizer, texts) if self.kind != "byte" else Counter())
        tokenizer.add_special_tokens(SPECIAL)
        if parts.decoder is not None:
            tokenizer.decoder = parts.decoder()
        steps: list[Any] = []
        if self.kind in ("bpe", "byte"):
            steps.append(processors.ByteLevel(trim_offsets=True))  # a piece's place does not begin with its space
        if (frame := FRAMINGS[framing if self.framing == "auto" else self.framing]) is not None:
            ids = [(token, tokenizer.token_to_id(token)) for token in SPECIAL]
            steps.append(processors.TemplateProcessing(single=frame[0], pair=frame[1], special_tokens=ids))
        if steps:
            tokenizer.post_processor = processors.Sequence(steps)
        return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **ROLES
        )


def _words(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    """How often each string occurs between two cuts of the pre-tokenizer."""
    counts: Counter[str] = Counter()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer is not None else text
        counts.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    return counts


def _repeated(words: Counter[str]) -> Iterator[str]:
    return (word for word, count in words.items() for _ in range(count))


def _bpe(options: Trained, words: Counter[str]) -> models.BPE:
    tokenizer = Tokenizer(models.BPE())  # without a pre-tokenizer: what it is given is cut already
    trainer = trainers.BpeTrainer(
        vocab_size=options.vocab_size,
        min_frequency=options.min_frequency,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_repeated(words), trainer)
    return tokenizer.model


def _wordpiece(options: Trained, words: Counter[str]) -> models.WordPiece:
    """Single characters are numbered before the training: the trainer would number "##x" in its table's order."""
    singles: Counter[str] = Counter()
    for word, count in words.items():
        for piece in _characters(word):
            singles[piece] += count
    alphabet = set(_frequent(singles, options.min_frequency, options.vocab_size // 2))
    known = Counter({word: count for word, count in words.items() if alphabet.issuperset(_characters(word))})
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trainer = trainers.WordPieceTrainer(
        vocab_size=options.vocab_size,
        min_frequency=options.min_frequency,
        special_tokens=SPECIAL + sorted(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_repeated(known), trainer)
    return models.WordPiece(tokenizer.get_vocab(), unk_token="[UNK]", max_input_chars_per_word=100)


def _characters(word: str) -> list[str]:
    return [word[:1], *(f"##{character}" for character in word[1:])]


def _unigram(options: Trained, words: Counter[str]) -> models.Unigram:
    """Scores are rounded, as sums in another order differ in their last digits, and ordered.

    Characters that only stay because every character must are scored by the trainer in its table's order, one STEP
    apart; here they all get the lowest of these scores.
    """
    if not words:
        return models.Unigram([(token, 0.0) for token in SPECIAL], unk_id=SPECIAL.index("[UNK]"))
    tokenizer = Tokenizer(models.Unigram())
    trainer = trainers.UnigramTrainer(
        vocab_size=options.vocab_size, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False
    )
    tokenizer.train_from_iterator(_repeated(words), trainer)
    scores = {piece: round(score, 6) for piece, score in json.loads(tokenizer.model.__getstate__())["vocab"]}
    learnt = {piece: score for piece, score in scores.items() if piece not in SPECIAL}
    lowest = min(learnt.values())
    for piece, score in learnt.items():
        if len(piece) == 1 and score <= lowest + STEP * len(learnt):
            learnt[piece] = lowest
    ordered = sorted(learnt.items(), key=lambda item: (-item[1], item[0]))
    return models.Unigram([*((token, 0.0) for token in SPECIAL), *ordered], unk_id=SPECIAL.index("[UNK]"))


def _whole(options: Trained, words: Counter[str]) -> models.WordLevel:
    """One piece per word, the most frequent first."""
    pieces = [*SPECIAL, *_frequent(words, options.min_frequency, options.vocab_size - len(SPECIAL))]
    return models.WordLevel({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]")


def _byte(_options: Trained, _words: Counter[str]) -> models.BPE:
    pieces = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    return models.BPE({piece: number for number, piece in enumerate(pieces)}, [])


def _frequent(counts: Counter[str], least: int, most: int) -> list[str]:
    kept = [(-count, word) for word, count in counts.items() if count >= least and word not in SPECIAL]
    return [word for _, word in sorted(kept)[:most]]


@dataclass(frozen=True)
class Parts:
    """What a kind is made of; `normalizer` gets lowercase."""

    train: Callable[[Trained, Counter[str]], Any]
    normalizer: Callable[[bool], Any]
    pre_tokenizer: Callable[[], Any]
    decoder: Callable[[], Any] | None


def _cased(lowercase: bool) -> Any:
    return normalizers.Lowercase() if lowercase else None


def _ideographs_apart(lowercase: bool) -> Any:
    """Chinese has no spaces to cut at."""
    return normalizers.BertNormalizer(clean_text=False, strip_accents=False, lowercase=lowercase)


PARTS: dict[str, Parts] = {
    "bpe": Parts(_bpe, _cased, lambda: pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel),
    "wordpiece": Parts(
        _wordpiece,
        lambda lowercase: normalizers.BertNormalizer(lowercase=lowercase),
        pre_tokenizers.BertPreTokenizer,
        decoders.WordPiece,
    ),
    "unigram": Parts(_unigram, _cased, pre_tokenizers.Metaspace, decoders.Metaspace),
    "word": Parts(_whole, _ideographs_apart, pre_tokenizers.Whitespace, None),
    "whitespace": Parts(_whole, _cased, pre_tokenizers.WhitespaceSplit, None),
    "character": Parts(_whole, _cased, lambda: pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated"), decoders.Fuse),
    "byte": Parts(
        _byte,
        _cased,
        lambda: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        decoders.ByteLevel,
    ),
}
