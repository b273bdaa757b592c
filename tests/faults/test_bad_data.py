"""Fault rows 12, 13 and 14: every bad input is one line that names file and place, in bounded memory."""

import gzip
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headway.data.prepare import prepare
from headway.data.sources.files import read
from headway.data.streams import MAX_RATIO, RATIO_FREE_BYTES
from headway.errors import DataError

MEMORY_LIMIT = 500 * 2**20  # bytes, of the whole process
ROWS = b"text,label\nfine,1\n"


def refused(file: Path, content: bytes, **options: Any) -> str:
    """What is said about a file with this content; one line, with the file's name."""
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(file, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(file))
    return message.removeprefix(str(file))


# Row 12


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt"])
def test_bad_utf8_names_line_and_byte(tmp_path: Path, name: str) -> None:
    message = refused(tmp_path / name, ROWS.replace(b",", b"\t" if name == "a.tsv" else b",") + b"caf\xe9,0\n")
    assert message.startswith(f":3: byte 0xe9 at byte {len(ROWS) + 3} is not utf-8")
    assert "data.encoding" in message


def test_bad_utf8_in_jsonl_and_in_a_class_folder(tmp_path: Path) -> None:
    good = b'{"text": "a"}\n'
    assert refused(tmp_path / "a.jsonl", good + b'{"text": "\xff"}\n').startswith(
        f":2: byte 0xff at byte {len(good) + 10}"
    )
    (tmp_path / "data" / "neg").mkdir(parents=True)
    (tmp_path / "data" / "neg" / "1.txt").write_bytes(b"one\ntwo \xe9")
    with pytest.raises(DataError, match=r"neg/1\.txt:2: byte 0xe9 at byte 8 is not utf-8"):
        read(tmp_path / "data")


def test_byte_offset_counts_the_mark_and_all_before_it(tmp_path: Path) -> None:
    assert ":1: byte 0xff at byte 4 is not utf-8" in refused(tmp_path / "a.csv", b"\xef\xbb\xbfa\xff\n")
    assert ":2: byte 0xff at byte 5 is not utf-8" in refused(tmp_path / "a.csv", b"\xef\xbb\xbfa\n\xff\n")


def test_utf16_is_recognised(tmp_path: Path) -> None:
    assert (
        refused(tmp_path / "a.csv", "text,label\na,1\n".encode("utf-16")) == ":1: this file is UTF-16; save it as UTF-8"
    )


def test_missing_column_lists_the_found_ones(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"sentence,label\na,1\n")
    with pytest.raises(
        DataError, match=r"a\.csv: no column 'sentense' \(data\.text\); found sentence, label; did you mean sentence\?"
    ):
        prepare({"_target_": "headway.data.sources.files.read", "path": str(tmp_path / "a.csv"), "text": "sentense"})


def test_unknown_label_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(b"text,label\na,neg\nb,pos\n")
    (tmp_path / "dev.csv").write_bytes(b"text,label\nc,neg\nd,neutral\n")
    with pytest.raises(
        DataError, match=r"dev\.csv:3: label 'neutral' of val is not among the training labels \(neg, pos\)"
    ):
        prepare({"_target_": "headway.data.sources.files.read", "path": str(tmp_path)})
    (tmp_path / "dev.csv").write_bytes(b"text,label\nc,neg\nd,\n")
    with pytest.raises(DataError, match=r"dev\.csv:3: no label in column 'label'"):
        prepare({"_target_": "headway.data.sources.files.read", "path": str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "content"),
    [(name, content) for name in ("a.csv", "a.tsv", "a.jsonl", "a.txt") for content in (b"", b"\xef\xbb\xbf")]
    + [(name, content) for name in ("a.csv", "a.tsv", "a.jsonl") for content in (b"\n\n", b"\xef\xbb\xbf\r\n")]
    + [("a.csv", b"text,label\n"), ("a.tsv", b"text\tlabel"), ("a.csv", b"text,label\n\n")],
)
def test_empty_file_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    assert refused(tmp_path / name, content).startswith(": the file is empty or has only a header")


def test_empty_gz_and_zip(tmp_path: Path) -> None:
    assert "empty" in refused(tmp_path / "a.csv.gz", gzip.compress(b""))
    with zipfile.ZipFile(tmp_path / "made.zip", "w"):
        pass
    assert "the archive holds no file" in refused(tmp_path / "a.zip", (tmp_path / "made.zip").read_bytes())


@pytest.mark.parametrize("cut", range(1, 22))
def test_truncated_jsonl_names_line_and_column(tmp_path: Path, cut: int) -> None:
    last = b'{"text":"b","label":0}'
    assert refused(tmp_path / "a.jsonl", b'{"text":"a","label":1}\n' + last[:cut]).startswith(":2: not JSON at column ")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1, 2]", "a JSON list, but every line must be one object"),
        (b'{"a": NaN}', "NaN is not a JSON value"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"a": ' + b"[" * 100_000, "not usable JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not usable JSON"),
    ],
)
def test_json_that_is_no_record(tmp_path: Path, line: bytes, message: str) -> None:
    said = refused(tmp_path / "a.jsonl", b'{"a": 1}\n' + line + b"\n")
    assert said.startswith(":2: ")
    assert message in said


def test_ragged_row_names_expected_and_found(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.csv", ROWS + b"one,two,three\n") == ":3: expected 2 fields separated by ',', found 3"
    assert refused(tmp_path / "b.tsv", b"a\tb\n1\n") == ":2: expected 2 fields separated by '\\t', found 1"


def test_header_that_names_a_column_twice(tmp_path: Path) -> None:
    assert "column 'a' twice" in refused(tmp_path / "a.csv", b"a,b,a\n1,2,3\n")


def test_compressed_file_cut_short(tmp_path: Path) -> None:
    packed = gzip.compress(b"text\n" + b"".join(b"row %d\n" % i for i in range(10_000)))
    assert "broken or cut short" in refused(tmp_path / "a.csv.gz", packed[: len(packed) // 2])
    assert "broken or cut short" in refused(tmp_path / "b.csv.gz", b"not gzip at all")
    assert "broken or cut short" in refused(tmp_path / "c.zip", b"not zip at all")
    packed = lzma.compress(b"text\n" + b"".join(b"row %d\n" % i for i in range(10_000)))
    assert "broken or cut short" in refused(tmp_path / "d.csv.xz", packed[: len(packed) // 2])
    assert "broken or cut short" in refused(tmp_path / "e.csv.xz", b"not xz at all")


# Each runs in a process of its own, whose peak memory is then known. Linux hands ru_maxrss of the parent down to a
# child, so that it would be pytest's own after a test that loaded torch; VmHWM begins anew.
WATCHED = """
import pathlib, resource, sys
from headway.data.sources.files import read
from headway.errors import DataError
try:
    read(sys.argv[1])
except DataError as error:
    print(error)
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM")))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def watched(file: Path) -> str:
    done = subprocess.run([sys.executable, "-c", WATCHED, str(file)], capture_output=True, text=True, check=True)
    message, peak = done.stdout.splitlines()
    assert int(peak) < MEMORY_LIMIT
    return message.removeprefix(str(file))


def blocks(count: int, block: bytes) -> Iterator[bytes]:
    yield from [block] * count


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("sparse", [0, 2**30])  # 1 GiB with a hole in it takes no disk, and would not fit if read whole
def test_line_of_100_mb_is_refused_in_bounded_memory(tmp_path: Path, name: str, sparse: int) -> None:
    with (tmp_path / name).open("wb") as file:
        file.write(b'{"text":"' if name == "a.jsonl" else b"text,label\n")
        file.writelines(blocks(0 if sparse else 100, b"x" * 2**20))
        file.truncate(file.tell() + sparse)
    said = watched(tmp_path / name)
    assert said.startswith(f":{1 if name == 'a.jsonl' else 2}: a record of more than 10,000,000 bytes")
    assert "data.max_record_bytes" in said


def test_quote_left_open_over_100_mb_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("wb") as file:
        file.write(ROWS + b'"open,1\n')
        file.writelines(blocks(100, b"a line of text,1\n" * 65_000))
    said = watched(tmp_path / "a.csv")
    assert said.startswith(":3: a record of more than 10,000,000 bytes (is a quote left open there?)")


def test_text_of_100_mb_in_a_class_folder(tmp_path: Path) -> None:
    (tmp_path / "neg").mkdir()
    with (tmp_path / "neg" / "1.txt").open("wb") as file:
        file.writelines(blocks(100, b"a line of text\n" * 70_000))
    assert "a text of more than 10,000,000 bytes" in watched(tmp_path)


# Row 13


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_marks_and_line_ends_leave_no_trace(tmp_path: Path, mark: bytes, end: bytes, last: bool, kind: str) -> None:
    lines = {
        "csv": [b"text,label", b"caf\xc3\xa9,x"],
        "tsv": [b"text\tlabel", b"caf\xc3\xa9\tx"],
        "jsonl": [b'{"text": "caf\xc3\xa9", "label": "x"}'],
    }[kind]
    file = tmp_path / f"a.{kind}"
    file.write_bytes(mark + end.join(lines) + (end if last else b""))
    assert read(file)["all"].drop_columns("origin").to_pylist() == [{"text": "café", "label": "x"}]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "txt"])
def test_nul_is_refused_with_its_line_and_byte(tmp_path: Path, kind: str) -> None:
    start = b'{"text": "a"}\n' if kind == "jsonl" else b"text\n"
    said = refused(tmp_path / f"a.{kind}", start + b"a\0b\n")
    assert said.startswith(f":2: NUL byte at byte {len(start) + 1}")


def test_quoted_newline_is_text_in_csv_and_unclosed_quote_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b'text,label\n"one\ntwo",1\nthree,0\n')
    assert read(file)["all"]["text"].to_pylist() == ["one\ntwo", "three"]
    assert (
        refused(file, ROWS + b'ok,1\n"open,1\nmore,0\n')
        == ":4: the file ends inside a quoted field that this record opens"
    )
    assert "data.quoting=none" in refused(file, ROWS + b'"a" b,1\n')
    assert refused(file, ROWS + b"a\rb,1\n").startswith(":3: a carriage return alone")


def test_empty_text_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'text,label\na,1\n"",0\n  ,0\nb,0\n')
    data = {"_target_": "headway.data.sources.files.read", "path": str(tmp_path / "a.csv"), "val_fraction": 0.0}
    prepared = prepare(data)
    assert prepared.splits["train"]["text"].to_pylist() == ["a", "b"]
    assert prepared.report["splits"]["train"]["dropped_empty"] == 2
    with pytest.raises(DataError, match=r"a\.csv:3: empty text, one of 2 rows"):
        prepare({**data, "empty": "error"})


# Row 14


def bomb(file: Path, blocks_in_it: int) -> int:
    """Some kilobytes that unpack to megabytes of valid rows; returns how many bytes."""
    block = (b"a long line of text " * 52 + b"\n") * 1000  # about 1 MB
    if file.suffix in (".gz", ".xz"):
        with gzip.open(file, "wb") if file.suffix == ".gz" else lzma.open(file, "wb", preset=0) as packed:
            packed.writelines(blocks(blocks_in_it, block))
    else:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w") as member:
            member.writelines(blocks(blocks_in_it, block))
    return blocks_in_it * len(block)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.xz", "a.zip"])
def test_bomb_stops_at_the_ratio(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    unpacked = bomb(file, 128)
    assert file.stat().st_size * MAX_RATIO < unpacked  # it is one
    said = watched(file)
    stopped = int(said.split("stopped after ")[1].split(" bytes")[0].replace(",", ""))
    assert RATIO_FREE_BYTES < stopped < unpacked


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.xz", "a.zip"])
def test_bomb_stops_at_the_byte_cap(tmp_path: Path, name: str) -> None:
    bomb(tmp_path / name, 4)
    with pytest.raises(DataError, match=r"unpacks to .*1,000,000.* data\.max_bytes"):
        read(tmp_path / name, max_bytes=1_000_000)
    assert len(read(tmp_path / name, max_bytes=5_000_000)["all"]) == 4 * 1000 - 1


def test_archive_of_many_members_counts_as_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(10):
            archive.writestr(f"train-{i:05}-of-00010.csv", b"text\n" + b"x\n" * 100_000)
    with pytest.raises(DataError, match=r"a\.zip: unpacks to 2,000,050 bytes, more than 1,000,000"):
        read(tmp_path / "a.zip", max_bytes=1_000_000)


def test_members_are_never_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "inside").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "inside")
    with zipfile.ZipFile("in.zip", "w") as archive:
        archive.writestr("../../escape.csv", "text\na\n")
    assert read("in.zip")["all"]["text"].to_pylist() == ["a"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["in.zip"]
