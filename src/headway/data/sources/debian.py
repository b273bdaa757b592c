"""Debian's package descriptions: a long text and its summary in one line, written by people (Debian Policy 5.6.13)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from headway.data.locate import read_all
from headway.data.names import shown
from headway.data.records import chunked, unended, with_origin
from headway.data.streams import MAX_BYTES, MAX_RECORD_BYTES, Caps, Lines, Source, opened
from headway.errors import DataError

INSTALLED = Path("/var/lib/dpkg/status")
COLUMNS = ("text", "target", "package", "group")
_FIELD = re.compile(r"([^\s:#-][^\s:]*):[ \t]*(.*)")
_DESCRIPTION = re.compile(r"Description(-(?!md5$)[\w@]+)?", re.IGNORECASE)


def read(
    path: str | Path | Mapping[str, str | Sequence[str]] | None = None,
    *,
    debtags: Sequence[str] = (),
    max_bytes: int = MAX_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Mapping[str, pa.Table]:
    """Read control files: Translation-en, Packages, a dpkg status; plain, .gz or .xz.

    path: as of `files.read`; null or "installed": the packages of this machine, /var/lib/dpkg/status.
    debtags: such as "role::program"; where given, a column `debtags` lists those of them that an entry has, and
    entries with none of them are left out. Packages has debtags, Translation-en has none.
    Columns: `text`, the long description, its wrapped lines joined and its lists kept ("" where there is none);
    `target`, the short one; `package`; `origin`, file:line of the entry; and `group`, the first paragraph, which
    packages of one source share (foo, foo-dev, foo-doc): a cut between them would test on what was trained on.
    Entries without a description are left out.
    Raises: DataError naming file:line.
    """
    caps = Caps(max_bytes, max_record_bytes)
    where = INSTALLED if path is None or path == "installed" else path
    wanted = frozenset(debtags)
    return read_all(
        where, caps, lambda file: _tables(file, wanted, caps), kinds=("control files",), takes=lambda _: True
    )


def _tables(source: Source, wanted: frozenset[str], caps: Caps) -> Iterator[pa.Table]:
    empty = True
    with opened(source, caps) as stream:
        lines = Lines(stream, source, caps, "utf-8")
        for origins, entries in chunked(lines, _entries(lines, wanted)):
            empty = False
            *texts, tags = zip(*entries, strict=True)
            table = pa.table([pa.array(column, pa.string()) for column in texts], names=COLUMNS)
            if wanted:
                table = table.append_column("debtags", pa.array(tags, pa.list_(pa.string())))
            yield with_origin(table, origins)
    if empty and wanted:
        raise DataError(f"{source}: holds no package with a Description and one of data.debtags; Packages has")
    if empty:
        raise DataError(f"{source}: holds no package with a Description; Translation-en of a Debian mirror does")


def _entries(lines: Lines, wanted: frozenset[str]) -> Iterator[tuple[Any, ...]]:
    """COLUMNS and the wanted tags of each stanza that has a description and, if any are wanted, tags."""
    fields: dict[str, list[str]] = {}
    last: list[str] | None = None  # the lines of the field that goes on
    lines.begin()
    for raw in lines:
        line = unended(raw)
        if not line.strip():
            yield from _described(fields, wanted)
            fields, last = {}, None
            lines.begin()
        elif line[0] in " \t" and last is not None:
            last.append(line[1:])
        elif field := _FIELD.fullmatch(line):
            last = fields.setdefault(field[1].lower(), [])
            last.append(field[2])
        elif line[0] != "#":
            raise DataError(
                f"{lines.name}:{lines.number}: neither 'Field: value' nor a line after a space: {shown(line)}"
            )
    yield from _described(fields, wanted)


def _described(fields: Mapping[str, list[str]], wanted: frozenset[str]) -> Iterator[tuple[Any, ...]]:
    tags = [tag for tag in re.split(r"[,\s]+", " ".join(fields.get("tag", ()))) if tag in wanted]
    if wanted and not tags:
        return
    for name, (short, *long) in fields.items():
        if _DESCRIPTION.fullmatch(name):
            text = _unwrapped(long)
            yield (
                text,
                short.strip(),
                fields.get("package", [None])[0],
                text.partition("\n\n")[0] or short.strip(),
                tags,
            )
            return


def _unwrapped(lines: list[str]) -> str:
    """Policy 5.6.13: a dot alone is a blank line, a line that starts with another space stands as it is, and the
    others are wrapped prose."""
    out: list[str] = []
    flows = False  # the last line is prose that goes on
    for line in lines:
        if line.strip() == ".":
            out.append("")
            flows = False
        elif line[:1] in (" ", "\t"):
            out.append(line.rstrip())
            flows = False
        elif flows:
            out[-1] += f" {line.strip()}"
        else:
            out.append(line.strip())
            flows = True
    return "\n".join(out).strip("\n")
