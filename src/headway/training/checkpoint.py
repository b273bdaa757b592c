"""Checkpoints that are whole, verified and plain data.

checkpoints/step-000120.ckpt is a torch zip of tensors and plain values, step-000120.json its manifest with the sha256;
`last` and `best` are one-line files that name a checkpoint. Order of writing: data, manifest, pointer; so whatever
a kill leaves behind, a checkpoint with a manifest is whole and a pointer names one with a manifest.
"""

import hashlib
import json
import logging
import os
import re
from pathlib import Path
from typing import IO, Any, cast

import torch

from headway.errors import CheckpointError
from headway.store.atomic import replacing, sweep_temps, write_json, write_text

FORMAT = 1
NAME = re.compile(r"step-\d{6,}\.ckpt")
log = logging.getLogger(__name__)


class _Hashing:
    """A file that sums what is written through it, so that the bytes are not read a second time."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.sha256, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def save(folder: Path, state: dict[str, Any]) -> Path:
    """Write `state` (tensors and plain data; needs "step") as a verified checkpoint and return its path.

    Raises: CheckpointError where it cannot be written; what stood there before is as it was.
    """
    path = folder / f"step-{state['step']:06d}.ckpt"
    write(path, state, {"step": state["step"]})
    return path


def write(path: Path, state: dict[str, Any], facts: dict[str, int] | None = None) -> None:
    """Write `state` as `path`, and its sum with `facts` as a manifest beside it. Raises: as `save`."""
    manifest = path.with_suffix(".json")
    try:
        with replacing(path) as file:
            hashing = _Hashing(file)
            torch.save({"format": FORMAT, **state}, hashing)  # type: ignore[arg-type]  # torch needs only write()
            file.flush()  # a full disk shows by now, while an older file of this step still has its sum
            manifest.unlink(missing_ok=True)
        sums = {"sha256": hashing.sha256.hexdigest(), "bytes": hashing.size}
        write_json(manifest, {"file": path.name, **sums, **(facts or {}), "format": FORMAT})
    except (OSError, RuntimeError) as error:
        # torch's zip writer raises one of its own after the disk's
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        raise CheckpointError(f"{path}: cannot be written: {cause.strerror}; earlier checkpoints are kept") from error


def load(path: Path, config_hash: str | None = None) -> dict[str, Any]:
    """Read a checkpoint after checking its sum. Tensors are mapped from the file, on the CPU; no code is run.

    Raises: CheckpointError for a missing or torn file, a wrong sum, another format, or another config's checkpoint.
    """
    manifest_path = path.with_suffix(".json")
    try:
        manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
        expected_size, expected_sum = manifest["bytes"], manifest["sha256"]
        size = path.stat().st_size
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: missing, or its manifest {manifest_path.name} is missing or torn") from error
    if size != expected_size:
        raise CheckpointError(f"{path}: {size} bytes where its manifest says {expected_size}: truncated or overwritten")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != expected_sum:
        raise CheckpointError(f"{path}: its sha256 is not the manifest's: the file was damaged after it was written")
    # torch lets this variable overrule weights_only=True, which would let a checkpoint run code
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many types here; each means the same to the user
        raise CheckpointError(f"{path}: not a checkpoint of plain data ({type(error).__name__})") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else type(state).__name__
        raise CheckpointError(f"{path}: format {found}, this version reads {FORMAT}")
    if config_hash is not None and state.get("config_hash") != config_hash:
        raise CheckpointError(
            f"{path}: written under config {state.get('config_hash')}, config.yaml is {config_hash}; "
            "restore the run's config.yaml, or start a new run"
        )
    return cast(dict[str, Any], state)


def point(folder: Path, name: str, path: Path) -> None:
    """Let `name` ("last" or "best") mean this checkpoint."""
    write_text(folder / name, path.name + "\n")


def pointed(folder: Path, name: str) -> Path | None:
    """The checkpoint a pointer names, or None where there is none."""
    try:
        target = (folder / name).read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    if Path(target).name != target or not target.endswith(".ckpt"):
        raise CheckpointError(f"{folder / name}: names {target!r}, which is not a checkpoint of this run")
    return folder / target


def latest(folder: Path, config_hash: str | None = None) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that passes its checks, with a warning for each newer one that does not; None if none does.

    Raises: CheckpointError if checkpoints exist and none can be used: starting over would silently lose the work.
    """
    sweep_temps(folder)
    problems = []
    for path in reversed(by_step(folder)):
        if not path.with_suffix(".json").exists():  # killed between the data and its manifest: never was a checkpoint
            continue
        try:
            state = load(path, config_hash)
        except CheckpointError as error:
            problems.append(str(error))
            log.warning("%s; trying the one before it", error)
            continue
        return path, state
    if problems:
        raise CheckpointError(f"no checkpoint in {folder} can be used: {problems[0]}")
    return None


def by_step(folder: Path) -> list[Path]:
    """Files with a checkpoint's name, oldest first: by number, as the names of a million steps and more do not sort."""
    found = [path for path in folder.glob("step-*.ckpt") if NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem.removeprefix("step-")))


def fill(module: torch.nn.Module, weights: dict[str, torch.Tensor], path: Path) -> None:
    """Load `weights` into `module`, every key exactly.

    Raises: CheckpointError that lists missing, unexpected and misshapen keys.
    """
    own, descended = module.state_dict(), {name for name, _ in module.named_parameters(remove_duplicate=False)}
    missing, extra = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    shapes = [
        f"{k} {tuple(weights[k].shape)} for {tuple(own[k].shape)}"
        for k in own.keys() & weights.keys() & descended  # tables of counts are as long as what was counted
        if weights[k].shape != own[k].shape
    ]
    faults = [
        f"{what} {', '.join(keys[:5])}{' ...' if len(keys) > 5 else ''}"
        for what, keys in (("lacks", missing), ("has unknown", extra), ("has other shapes:", sorted(shapes)))
        if keys
    ]
    if faults:
        raise CheckpointError(f"{path}: does not fit the model of this config: {'; '.join(faults)}")
    module.load_state_dict(weights)


def prune(folder: Path, keep: int) -> None:
    """Keep the newest `keep` checkpoints and the pointed ones; two or more leave one to fall back on."""
    named = {pointed(folder, "last"), pointed(folder, "best")}
    for path in by_step(folder)[:-keep]:
        if path not in named:
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink()
