"""Debian's Chromium under Playwright, and `headway ui` as a process, for the tests, screenshots and benchmark."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WATCH = """
window.complaints = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.complaints.push(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""
MARKER = "window.stolen"  # what the scripts in hostile texts would set
QUIET = ("--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update")


def find_chromium() -> str | None:
    """HEADWAY_CHROMIUM, else the first browser of NAMES on PATH."""
    return os.environ.get("HEADWAY_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def launch(playwright: "Playwright", executable: str) -> "Browser":
    """Chromium's sandbox needs a user that is not root."""
    arguments = [*QUIET, *(["--no-sandbox"] if os.getuid() == 0 else [])]
    return playwright.chromium.launch(executable_path=executable, args=arguments)


@contextmanager
def dashboard(*roots: Path, cache: Path, options: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """`headway ui` on a free port until the block ends: its address without the last slash, and its process id."""
    command = [sys.executable, "-m", "headway.cli", "ui", *map(str, roots), "--port", "0", "--no-browser", *options]
    environment = {**os.environ, "HEADWAY_CACHE": str(cache), "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryFile("w+") as errors:
        server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            address = re.search(r"http://[^ /]+", line)
            if address is None:
                errors.seek(0)
                raise RuntimeError(f"headway ui did not start: {line}{errors.read()[-4000:]}")
            yield address[0], server.pid
        finally:
            server.terminate()
            server.wait(timeout=20)
            server.stdout.close()


def wait_for_index(address: str) -> float:
    """Seconds until the server has taken in every run that was there."""
    begun = time.perf_counter()
    while True:
        with urllib.request.urlopen(f"{address}/api/meta", timeout=600) as response:
            meta = json.load(response)
        if meta["changed"] and not meta["pending"]:
            return time.perf_counter() - begun
        time.sleep(0.05)


def line(page: "Page", name: str) -> "Locator":
    """The row of a run in the table of runs."""
    return page.get_by_role("row", name=f"{name}, ")
