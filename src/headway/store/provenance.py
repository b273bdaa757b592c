"""What a run was made of: the code, its uncommitted changes, the packages and the machine. Missing git is fine."""

import importlib.metadata
import os
import platform
import subprocess
import sys
import threading
from email.message import Message
from email.parser import HeaderParser
from functools import cache
from pathlib import Path
from typing import Any

from headway.config.redact import redact_text

PATCH_LIMIT = 5 * 2**20  # bytes of diff; a larger one is a data file somebody forgot
GIT_TIMEOUT = 20.0  # seconds
VERSIONS = (
    "headway",
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "transformers",
    "tokenizers",
    "datasets",
    "numpy",
    "wandb",
)


def versions() -> dict[str, str]:
    """Python and the packages that decide a result, as installed; nothing is imported."""
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def environment() -> str:
    """`name==version` of every installed package, sorted, under two comment lines on Python and the system."""
    head = f"# Python {platform.python_version()} ({sys.implementation.name})\n# {platform.platform()}\n"
    return head + "".join(f"{line}\n" for line in _packages())


@cache
def _packages() -> list[str]:
    heads = map(_head, importlib.metadata.distributions())
    return sorted({f"{head['Name']}=={head['Version']}" for head in heads if head["Name"]}, key=str.lower)


def _head(found: importlib.metadata.Distribution) -> Message:
    """What `found.metadata` is, but for the description, which takes ten times as long to parse."""
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
    return HeaderParser().parsestr(text.partition("\n\n")[0])


def packages(environment: str) -> dict[str, str]:
    """package -> version of the `name==version` lines of environment.txt; "python" from the comment that names it."""
    found = {}
    for line in environment.splitlines():
        name, separator, version = line.partition("==")
        if line.startswith("# Python "):
            found["python"] = line.removeprefix("# Python ").split()[0]
        elif separator and not line.startswith("#"):
            found[name.strip().lower()] = version.strip()
    return dict(sorted(found.items()))


def hardware() -> dict[str, Any]:
    """The machine; cores: those that this process may use, as many as a worker without trainer.threads takes."""
    return {
        "os": platform.platform(),
        "python": sys.executable,
        "processor": _named(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cpus": os.cpu_count(),
        "cores": len(os.sched_getaffinity(0)),
        "gpus": [_named(file, "Model") for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))],
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }


def _named(file: Path, name: str) -> str | None:
    """The value of the first `name: value` line; None where there is none."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)
    except OSError:
        return None


def git_state(folder: Path) -> tuple[dict[str, Any], str]:
    """({"commit", "dirty"}, patch text) of the repository around `folder`; ({}, "") outside of any.

    The patch is `git diff HEAD` after comment lines that name the untracked files (their contents are not taken),
    redacted, and cut at 5 MB with a note; `git apply` ignores the comments.
    """
    commit = (git(folder, "rev-parse", "HEAD") or "").strip()
    if not commit:
        return {}, ""
    untracked = git(folder, "ls-files", "--others", "--exclude-standard", "--full-name", ":/")
    diff = git(folder, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD")
    notes = [f"# changes on top of {commit}", *(f"# untracked: {name}" for name in (untracked or "").splitlines())]
    if untracked is None or diff is None:
        notes.append(f"# incomplete: git failed or took longer than {GIT_TIMEOUT:.0f} s")
    elif len(diff) >= PATCH_LIMIT:
        diff = diff[: diff.rfind("\n") + 1]
        notes.append(f"# cut: the diff is longer than {PATCH_LIMIT // 2**20} MB")
    dirty = len(notes) > 1 or bool(diff)
    return {"commit": commit, "dirty": dirty}, redact_text("\n".join(notes) + "\n" + (diff or "")) if dirty else ""


def git(folder: Path, *arguments: str) -> str | None:
    """What git prints, asked in `folder` without starting anything that its settings name.

    At most PATCH_LIMIT bytes of what git prints; None where it fails, hangs or is not installed."""
    env = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    command = (
        "git",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "core.quotePath=false",
        *arguments,
    )  # no setting starts a program
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, cwd=folder, env=env, stdin=null, stdout=pipe, stderr=null)
    except OSError:
        return None
    with process:
        timer = threading.Timer(GIT_TIMEOUT, process.kill)
        timer.start()
        assert process.stdout is not None
        output = process.stdout.read(PATCH_LIMIT)
        if cut := len(output) == PATCH_LIMIT:
            process.kill()
        failed = process.wait() != 0
        timer.cancel()
    return None if failed and not cut else output.decode("utf-8", "surrogateescape")
