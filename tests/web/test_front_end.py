"""Types and unit tests of the sources in web/, by their own tools."""

import subprocess
from pathlib import Path
from types import ModuleType

import pytest

WEB = Path(__file__).parents[2] / "web"


@pytest.fixture(scope="module")
def npm(hatch_build: ModuleType) -> ModuleType:
    try:
        hatch_build.fetch_modules()
    except hatch_build.NoToolsError as error:
        pytest.skip(f"the tests of web/ need Node and its packages: {error}")
    return hatch_build


@pytest.mark.parametrize("tool", [["tsc", "--noEmit"], ["vitest", "run"]], ids=" ".join)
def test_the_front_end(npm: ModuleType, tool: list[str]) -> None:
    command, environment = npm.tools()
    done = subprocess.run(
        [*command, "exec", "--offline", "--", *tool], cwd=WEB, env={**environment, "CI": "true"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
