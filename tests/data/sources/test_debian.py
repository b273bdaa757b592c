"""Control files: descriptions unwrapped, summaries beside them, and mistakes named by line."""

import gzip
import lzma
from pathlib import Path

import pytest

from headway.data.sources import debian
from headway.data.sources.debian import read
from headway.errors import DataError

TRANSLATION = """Package: dash
Description-md5: 8d4d
Description-en: POSIX-compliant shell
 The Debian Almquist Shell (dash) is a shell derived
 from ash.
 .
 Since it executes scripts faster than bash:
  * it is the default
    system shell.
 And more.
 .

Package: empty
Description-en: short only

"""
STATUS = """Package: gone
Status: deinstall ok config-files

# a remark
Package: adduser
Status: install ok installed
Conffiles:
 /etc/deluser.conf 773f
Description: add and remove users and groups
 It adds: users.
Homepage: https://example.org
"""


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
def test_translation(tmp_path: Path, ending: str) -> None:
    pack = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[ending]
    file = write(tmp_path / f"Translation-en{ending}", pack(TRANSLATION.encode()))
    assert read(file)["all"].to_pylist() == [
        {
            "text": "The Debian Almquist Shell (dash) is a shell derived from ash.\n\n"
            "Since it executes scripts faster than bash:\n * it is the default\n   system shell.\nAnd more.",
            **{"target": "POSIX-compliant shell", "package": "dash", "origin": f"{file}:1"},
            "group": "The Debian Almquist Shell (dash) is a shell derived from ash.",
        },
        {"text": "", "target": "short only", "package": "empty", "group": "short only", "origin": f"{file}:13"},
    ]


@pytest.mark.parametrize("path", [None, "installed"])
def test_installed_packages(tmp_path: Path, path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "status", STATUS)
    monkeypatch.setattr(debian, "INSTALLED", file)
    assert read(path)["all"].to_pylist() == [
        {
            **{"text": "It adds: users.", "target": "add and remove users and groups", "package": "adduser"},
            **{"group": "It adds: users.", "origin": f"{file}:4"},
        }
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Package: a\nno field here\n", r":2: neither 'Field: value' nor a line after a space: no field here"),
        (" starts with a space\n", r":1: neither 'Field: value'"),
        ("Package: a\n\n continues nothing\n", r":3: neither 'Field: value'"),
        ("Package: a\nVersion: 1\n", r": holds no package with a Description"),
        ("", r": holds no package with a Description"),
        (b"Package: a\nDescription: \xff\n", r":2: byte 0xff at byte 24 is not utf-8"),
    ],
)
def test_mistakes_name_their_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"status{message}"):
        read(write(tmp_path / "status", content))


def test_machine_without_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "INSTALLED", tmp_path / "status")
    with pytest.raises(DataError, match=r"status: no such file or folder"):
        read()


def test_bomb_of_xz_stops_at_the_cap(tmp_path: Path) -> None:
    stanza = b"Package: a\nDescription: b\n " + b"long " * 10_000 + b"\n\n"
    file = write(tmp_path / "Translation-en.xz", lzma.compress(stanza * 30, preset=0))
    with pytest.raises(DataError, match=r"Translation-en\.xz: unpacks to more than 1,000,000 bytes"):
        read(file, max_bytes=1_000_000)


def test_tags(tmp_path: Path) -> None:
    entries = (
        "Package: a\nTag: role::program, interface::x11,\n uitoolkit::gtk\nDescription: a game\n\n"
        "Package: b\nTag: role::data\nDescription: data\n\nPackage: c\nDescription: no tags\n"
    )
    table = read(write(tmp_path / "Packages", entries), debtags=["uitoolkit::gtk", "role::program"])["all"]
    assert table.select(["target", "debtags"]).to_pylist() == [
        {"target": "a game", "debtags": ["role::program", "uitoolkit::gtk"]}
    ]
    with pytest.raises(DataError, match=r"no package with a Description and one of data\.debtags"):
        read(write(tmp_path / "Packages", entries), debtags=["role::plugin"])
