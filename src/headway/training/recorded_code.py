"""The code that a run was trained with: whether it is still here, and a temporary checkout of it where it is not.

The checkout is a detached `git worktree` outside of the user's own, with code.patch applied. It runs code of another
commit, and of the run folder. So "auto" only makes one of a commit that the present one descends from, without a patch,
and else runs the code that is here; "recorded" makes it of whatever the run names; "present" never.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import headway
from headway.errors import RunError
from headway.store import layout
from headway.store.provenance import git, git_state
from headway.store.run import Run

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # anything else could be an option of git, or a name that moves
_QUIET = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")  # a checkout runs no hook


@dataclass(frozen=True)
class Code:
    """What a replay runs. folder: of the checkout, None for the code that is here. line: which it is, and why.

    environment: variables by which a worker imports from the checkout.
    """

    line: str
    folder: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def code_of(run: Run, wanted: str) -> Iterator[Code]:
    """The code to run while the block lasts. `wanted`: "auto", "recorded" or "present", see above.

    Raises: RunError for "recorded" where the recorded code cannot be had.
    """
    commit, patch = str((run.meta.get("git") or {}).get("commit") or ""), recorded_patch(run)
    state, present = git_state(Path.cwd())
    repository = git(Path.cwd(), "rev-parse", "--show-toplevel")
    root = Path((repository or "").rstrip("\n"))
    if commit == state.get("commit", "") and body(patch) == body(present):
        changed = ", its uncommitted changes too" if body(patch) else ""
        elsewhere = "" if imported(root) else "; Python imports nothing from this repository, so it says little"
        same = f"as it was (commit {commit[:10]}{changed}){untracked(patch)}{elsewhere}"
        yield Code(same if commit else "outside a git repository, then and now")
        return
    kept = f"the present code runs ({described(state.get('commit', ''), present)})"
    if wanted == "present":
        yield Code(f"{kept}, as asked; recorded was {described(commit, patch)}")
        return
    reason = obstacle(commit, patch, root if repository else None)
    if reason and wanted == "recorded":
        raise RunError(f"--code recorded: {reason}; use --code present to run the present code")
    if reason:
        yield Code(f"{kept}: {reason}")
    elif wanted == "auto" and (body(patch) or git(root, "merge-base", "--is-ancestor", commit, "HEAD") is None):
        what = "code.patch of the run" if body(patch) else "a commit that is not in the history of this one"
        yield Code(f"{kept}; --code recorded runs {described(commit, patch)}: this is {what}, so only if you trust it")
    else:
        with checkout(root, commit, run.path / layout.PATCH if body(patch) else None) as folder:
            line = f"the recorded code runs ({described(commit, patch)}) in a temporary worktree"
            yield Code(line + untracked(patch), folder, {"PYTHONPATH": search_path(root, folder)})


def recorded_patch(run: Run) -> str:
    """code.patch as it was written: bytes that are no UTF-8 are kept."""
    try:
        return (run.path / layout.PATCH).read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


def body(patch: str) -> str:
    """A recorded patch without the comment lines above it; "" where no tracked file was changed."""
    return patch[max(patch.find("diff --git "), 0) :] if "diff --git " in patch else ""


def digest(patch: str) -> str:
    """A short name for the changes of a patch; "" for none."""
    return hashlib.sha256(body(patch).encode("utf-8", "surrogateescape")).hexdigest()[:10] if body(patch) else ""


def described(commit: str, patch: str) -> str:
    return f"commit {commit[:10]}{' with uncommitted changes' if body(patch) else ''}" if commit else "no commit"


def untracked(patch: str) -> str:
    """A warning where untracked Python files may have been part of the code: their contents are not recorded."""
    names = re.findall(r"^# untracked: (.*\.py)$", patch[: len(patch) - len(body(patch))], re.MULTILINE)
    return f"; not recorded: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''} (untracked)" if names else ""


def obstacle(commit: str, patch: str, repository: Path | None) -> str | None:
    """Why the recorded code cannot be checked out here, or None."""
    if not _COMMIT.fullmatch(commit):
        return "the run names no commit"
    if repository is None:
        return f"this folder is in no git repository, so commit {commit[:10]} cannot be had"
    if git(repository, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        return f"{repository}: has no commit {commit[:10]}"
    if not any(git(repository, "cat-file", "-e", f"{commit}:{inside}") is not None for inside in imported(repository)):
        return f"nothing that Python imports is in {repository} at commit {commit[:10]}"
    notes = patch[: len(patch) - len(body(patch))]
    if re.search(r"^# (cut|incomplete):", notes, re.MULTILINE):
        return "code.patch is not whole"
    if "<redacted" in body(patch):
        return "code.patch was redacted, so it is not what was run"
    return None


def imported(repository: Path) -> list[str]:
    """Folders in `repository`, relative to it ("" for itself), that a worker imports from, in the order of its path."""
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    # the first entry is the folder of the command, or the current one: no worker has it
    entries = [*given, *sys.path[0 if sys.flags.safe_path else 1 :], str(Path(headway.__file__).parents[1])]
    inside = [Path(entry).resolve() for entry in entries if entry]
    root = repository.resolve()
    found = [path.relative_to(root).as_posix() for path in inside if path.is_relative_to(root)]
    return list(dict.fromkeys("" if path == "." else path for path in found))


def search_path(repository: Path, folder: Path) -> str:
    """PYTHONPATH for a worker: what it imports from `repository` comes from the checkout `folder`."""
    ours = [str(folder / inside) for inside in imported(repository) if (folder / inside).is_dir()]
    return os.pathsep.join([*ours, *filter(None, [os.environ.get("PYTHONPATH")])])


@contextmanager
def checkout(repository: Path, commit: str, patch: Path | None) -> Iterator[Path]:
    """A folder with `commit` and the patch on top of it; gone afterwards. The user's files and index stay as they are.

    Raises: RunError where git refuses, or the patch does not apply.
    """
    with tempfile.TemporaryDirectory(prefix="headway-code-") as holder:
        folder = Path(holder) / "code"
        try:
            _run(repository, "worktree", "add", "--quiet", "--detach", str(folder), commit)
            if patch is not None:
                _run(folder, "apply", "--whitespace=nowarn", str(patch.resolve()))
            yield folder
        finally:
            if folder.exists():
                _run(repository, "worktree", "remove", "--force", str(folder))


def _run(folder: Path, *arguments: str) -> None:
    env = os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    result = subprocess.run(["git", *_QUIET, *arguments], cwd=folder, env=env, capture_output=True, check=False)
    if result.returncode:
        said = result.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RunError(
            f"git {arguments[0]}: {said[-1] if said else 'failed'}; use --code present to run the present code"
        )
