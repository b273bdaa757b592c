"""Static vectors from text files: which rows they fill, and what is said of files that cannot be used."""

import gzip
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from headway.errors import ModelError
from headway.models.vectors import embedding, read_vectors

GLOVE = "good 1 2 3\nfilm -0.5 0 1e-2\n. . . 9 9 9\nzebra 4 4 4\ngood 7 7 7\n"


@pytest.fixture
def tokenizer(tiny_bert: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_bert)


@pytest.mark.parametrize("header", ["", "5 3\n"])
@pytest.mark.parametrize("suffix", ["txt", "txt.gz"])
def test_words_of_the_vocabulary_get_their_vectors(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, header: str, suffix: str
) -> None:
    path = tmp_path / f"vectors.{suffix}"
    path.write_bytes(gzip.compress((header + GLOVE).encode()) if suffix.endswith("gz") else (header + GLOVE).encode())
    torch.manual_seed(0)
    plain = embedding(tokenizer, 3, None, False, weights=True).weight
    torch.manual_seed(0)
    filled = embedding(tokenizer, 3, str(path), True, weights=True).weight
    good, film = tokenizer.convert_tokens_to_ids(["good", "film"])
    assert filled[good].tolist() == [1, 2, 3]  # the first of two
    assert filled[film].tolist() == pytest.approx([-0.5, 0, 0.01])
    others = [row for row in range(len(tokenizer)) if row not in (good, film)]
    assert torch.equal(filled[others], plain[others])
    assert plain[others].std().item() == pytest.approx(0.25, rel=0.2)
    assert not filled.requires_grad
    assert plain.requires_grad


def test_marks_of_word_starts_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "v").write_text("the 1\n▁ 2\n")
    rows, values = read_vectors(tmp_path / "v", {"Ġthe": 3, "▁the": 4, "the": 5, "▁": 6, "##the": 7}, 1)
    assert dict(zip(rows.tolist(), values[:, 0].tolist(), strict=True)) == {3: 1, 4: 1, 5: 1, 6: 2}


def test_a_checkpoint_needs_no_file(tokenizer: PreTrainedTokenizerBase) -> None:
    assert embedding(tokenizer, 3, "/no/such/file", False, weights=False).weight.shape == (len(tokenizer), 3)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("good 1 2 3\nfilm 1 2\n", 2, "2 numbers after the word, wanted 3"),
        ("good 1 2 3 4\n", 1, "4 numbers after the word, wanted 3"),
        ("2 4\ngood 1 2 3 4\n", 1, "model.embedding=4"),
        ("good 1 2 3\nfilm 1 x 3\n", 2, "'film' is not all finite numbers"),
        ("good 1 2 3\nfilm 1 nan 3\n", 2, "'film' is not all finite numbers"),
        ("good 1 2 3\n\nfilm 1 2 3\n", 2, "0 numbers after the word"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(text)
    with pytest.raises(ModelError) as caught:
        read_vectors(path, {"good": 0, "film": 1}, 3)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(GLOVE.encode() * 9999)[:-20])
    (tmp_path / "other.txt").write_text("perro 1 2 3\n")
    (tmp_path / "empty.txt").touch()
    for name, words in (
        ("cut.gz", "cannot be read"),
        ("none.txt", "No such file"),
        ("other.txt", "none of the tokenizer's 1 tokens"),
        ("empty.txt", "none of the tokenizer's 1 tokens"),
    ):
        with pytest.raises(ModelError, match=words) as caught:
            read_vectors(tmp_path / name, {"dog": 0}, 3)
        assert str(tmp_path / name) in str(caught.value)


def test_nothing_to_freeze(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(ModelError, match=r"give model\.vectors a file"):
        embedding(tokenizer, 3, None, True, weights=True)
