"""Data sets of the Hugging Face hub, and local folders in its layout, through the `datasets` library."""

import socket
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from headway.data.records import with_origin
from headway.errors import DataError

READERS = frozenset({"arrow", "csv", "json", "parquet", "text"})  # of `datasets` itself, for data_files
PROBE_SECONDS = 3.0


def load(
    path: str,
    name: str | None = None,
    revision: str | None = None,
    data_dir: str | None = None,
    data_files: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    cache_dir: str | None = None,
) -> Mapping[str, pa.Table]:
    """Load `path`: a hub id, a local folder, or a reader (csv, json, parquet, text, arrow) for `data_files`.

    Class labels become their names, unlabelled rows null. `origin` is "path/name/split#row", rows counted from 0.
    Without a connection, what an earlier run downloaded is used. No code that comes with a data set is ever run.
    Raises: DataError when the hub cannot be reached, or has no such data set, configuration or revision.
    """
    import datasets  # costs a second

    local = Path(path).expanduser()
    arguments = {
        "name": name,
        "revision": revision,
        "data_dir": data_dir,
        "data_files": data_files,
        "cache_dir": cache_dir,
    }
    offline = datasets.config.HF_HUB_OFFLINE
    try:
        if (local / "dataset_dict.json").exists() or (local / "state.json").exists():
            found = datasets.load_from_disk(str(local))
        elif local.exists() or path in READERS:
            found = datasets.load_dataset(str(local) if local.exists() else path, **arguments)
        else:
            # asked first, because the library tries for 23 s before it says that there is no connection
            datasets.config.HF_HUB_OFFLINE = offline or not _reachable(datasets.config.HF_ENDPOINT)
            found = datasets.load_dataset(path, **arguments)
    except ConnectionError as error:
        raise DataError(
            f"data.path={path}: the hub at {datasets.config.HF_ENDPOINT} cannot be reached and the data set is not in "
            "the local cache; connect once, or use local files (data=files data.path=...)"
        ) from error
    except (OSError, ValueError, RuntimeError, pa.ArrowException, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"data.path={path}: cannot be loaded ({' '.join(str(error).split())[:300]})") from error
    finally:
        datasets.config.HF_HUB_OFFLINE = offline
    prefix = f"{path}/{name}" if name else path
    splits = found if isinstance(found, dict) else {str(found.split or "all"): found}
    return {str(split): _table(data, f"{prefix}/{split}") for split, data in splits.items()}


def _table(data: Any, origin: str) -> pa.Table:
    table: pa.Table = data.with_format("arrow")[:]
    for i, (name, feature) in enumerate(data.features.items()):
        if hasattr(feature, "names") and hasattr(feature, "int2str"):  # a ClassLabel; -1 stands for a label held back
            column = pc.if_else(pc.less(table[name], 0), None, table[name])
            table = table.set_column(i, name, pc.take(pa.array(feature.names, pa.string()), column))
    return with_origin(table, [f"{origin}#{row}" for row in range(len(table))])


def _reachable(endpoint: str) -> bool:
    if urllib.request.getproxies():
        return True  # then only the proxy knows
    parts = urlsplit(endpoint)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True
