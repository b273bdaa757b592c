"""From what a user writes as data.path to the files of each split."""

import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from headway.data.names import listed, split_of, suggest, unsharded
from headway.data.portions import spilled
from headway.data.streams import Caps, Source, guarded, sources_in
from headway.errors import DataError

DataPath = str | Path | Mapping[str, str | Sequence[str]]


def locate(
    path: DataPath, caps: Caps, *, kinds: Sequence[str], takes: Callable[[Source], bool], whole: bool = False
) -> dict[str, list[Source]]:
    """The files of each split, in the order of their names.

    path: a file or a glob (one split, "all", unless the names are those of splits); a folder or zip archive with
        files, or folders, called train, dev, val, valid, validation or test; or a mapping of splits to files and globs.
    takes: whether a file of a folder is data; what the user names is, whatever it is called. kinds: for messages.
    whole: a folder with one folder of .txt files per class is one source, the folder itself.
    Raises: DataError, one line that names the path and says what it needs.
    """
    if isinstance(path, Mapping):
        return {split: _named(names, split, caps) for split, names in path.items() if names}
    folder = Path(path).expanduser()
    if folder.is_dir():
        return _in_folder(folder, kinds, takes, whole)
    found = expand(str(path), caps)
    splits = _by_split(found, takes) if len(found) > 1 else {}
    if not splits and folder.suffix.lower() == ".zip" and len(found) > 1:
        held = listed(source.member or "" for source in found)
        raise DataError(f"{folder}: the archive holds several files and none is called train, dev or test: {held}")
    return splits or {"all": found}


def read_all(
    path: DataPath,
    caps: Caps,
    read: Callable[[Source], Iterable[pa.Table]],
    *,
    kinds: Sequence[str],
    takes: Callable[[Source], bool] | None = None,
    mapped: bool = False,
) -> dict[str, pa.Table]:
    """One table a split: what `read` makes of each file, under each other. See `locate`; by default the files of a
    folder that end in one of `kinds` are data. mapped: `read` keeps texts out of memory itself.
    Raises: DataError, also for what is broken or cannot be opened.
    """
    ends = takes or (lambda source: source.inner.suffix.lower() in kinds)
    with guarded("data.path" if isinstance(path, Mapping) else path):
        found = locate(path, caps, kinds=kinds, takes=ends)
        tables = {split: (table for file in files for table in read(file)) for split, files in found.items()}
        return {split: pa.concat_tables(own if mapped else spilled(own)) for split, own in tables.items()}


def expand(text: str, caps: Caps) -> list[Source]:
    """The files a path or glob names, in the order of their names. Raises: DataError when there is none."""
    path = Path(text).expanduser()
    if path.exists():
        return sources_in(path, caps)
    if glob.has_magic(text):
        names = glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        matches = sorted(name for name in names if Path(name).is_file())
        if not matches:
            raise DataError(f"{text}: no file matches")
        return [source for name in matches for source in sources_in(Path(name), caps)]
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise DataError(f"{text}: no such file or folder{suggest(path.name, siblings)}")


def entries_of(folder: Path) -> list[Path]:
    """What is in a folder, by name, without hidden files."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _named(names: str | Sequence[str], split: str, caps: Caps) -> list[Source]:
    """The files of a split that the user named, whatever their own names say."""
    found = [source for name in ([names] if isinstance(names, str) else names) for source in expand(str(name), caps)]
    if any(source.path.is_dir() for source in found):
        raise DataError(f"data.path.{split}={names}: must name files, not a folder")
    return found


def _in_folder(
    folder: Path, kinds: Sequence[str], takes: Callable[[Source], bool], whole: bool
) -> dict[str, list[Source]]:
    entries = entries_of(folder)
    splits = _by_split([Source(entry) for entry in entries if entry.is_file()], takes)
    if splits:
        return splits
    named = {entry.name: entry for entry in entries if entry.is_dir() and split_of(entry.name)}
    if named:
        return {split: _in_split_folder(entry, kinds, takes, whole) for split, entry in named.items()}
    if whole and _per_class(entries):
        return {"all": [Source(folder)]}
    wanted = f"{folder}: needs files called train, dev or test ({listed(kinds)})"
    more = ", folders of those names, or a folder of .txt files per class" if whole else ", or folders of those names"
    raise DataError(f"{wanted}{more}; found {listed(entry.name for entry in entries) or 'nothing'}")


def _in_split_folder(folder: Path, kinds: Sequence[str], takes: Callable[[Source], bool], whole: bool) -> list[Source]:
    """`train/` and the like: either a folder per class, or files that make up the split together."""
    entries = entries_of(folder)
    if whole and _per_class(entries):
        return [Source(folder)]
    files = [Source(entry) for entry in entries if entry.is_file() and takes(Source(entry))]
    if not files:
        more = " and no folder of .txt files per class" if whole else ""
        raise DataError(f"{folder}: holds no {listed(kinds)} file{more}")
    return files


def _per_class(entries: Sequence[Path]) -> bool:
    return any(entry.is_dir() and any(entry.glob("*.txt")) for entry in entries)


def _by_split(files: Sequence[Source], takes: Callable[[Source], bool]) -> dict[str, list[Source]]:
    """Files grouped by the split their names say; files of other names are not data."""
    splits: dict[str, list[Source]] = {}
    for source in files:
        split = split_of(source.inner.stem)
        if split and takes(source):
            splits.setdefault(split, []).append(source)
    for split, group in splits.items():
        stems = {source.inner.stem for source in group}
        # train.csv beside train.jsonl, dev-v1.1.json beside dev-v2.0.json; shards differ in their numbers alone
        if len(stems) < len(group) or len({unsharded(stem) for stem in stems}) > 1:
            raise DataError(f"{', '.join(map(str, group))}: which one is {split}? Say data.path={{{split}: FILE, ...}}")
    return splits
