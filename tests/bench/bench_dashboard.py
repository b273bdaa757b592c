"""The dashboard over synthetic runs: server, index and what Chromium shows; a table, then one line of JSON.

python tests/bench/bench_dashboard.py [--long DIR] [--many DIR] [--steps 10000] [--runs 200] [--count 2000]
    [--others PYTHON]

DIR: a folder that synthetic_runs.py made; without it one is made for the time of the benchmark, of --runs runs of
--steps steps, and of --count runs of 10 steps. The project's goals are for --steps 100000 and --count 10000 on two
cores (4 GB on disk). PYTHON: of an environment with trackio, tensorboard or mlflow, measured by other_dashboards.py.
"""

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthetic_runs import make_runs

HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "src" / "headway" / "web" / "static"
sys.path.insert(0, str(HERE.parent / "browser"))

from browsing import dashboard, find_chromium, launch, wait_for_index  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

METRIC = "train/loss"
TABLE = "/api/runs?limit=200&sort=-val/accuracy&cols=config.optimizer.lr,config.model.path,val/accuracy,train/loss"
CURVES = f"/api/curves?metric={METRIC}&x=step&points=500&limit=200"
GOALS = {  # what is measured: (at most, unit)
    "start to usable page": (1500, "ms"),
    "first paint": (200, "ms"),
    "first table, cold": (1000, "ms"),
    "first table, warm": (100, "ms"),
    "overlay at the server": (25, "ms"),
    "overlay on screen": (300, "ms"),
    "server memory": (300, "MB"),
    "front end, gzipped": (120, "kB"),
}
# resolves with the milliseconds from the click on a link until a chart of that page has ink
CLICK_TO_INK = """(selector) => new Promise((resolve, reject) => {
  const begun = performance.now();
  const inked = () => [...document.querySelectorAll("canvas")].some((canvas) => {
    if (!canvas.width || !canvas.height) return false;
    const middle = canvas.getContext("2d").getImageData(canvas.width / 2, 0, 1, canvas.height).data;
    return middle.some((value, at) => at % 4 === 3 && value > 0);
  });
  const curves = (one) => one.name.includes("/api/curves") && one.responseEnd > begun;
  const asked = () => performance.getEntriesByType("resource").some(curves);
  const look = () => {
    if (asked() && inked()) resolve(performance.now() - begun);
    else if (performance.now() - begun > 60000) reject(new Error("no chart was drawn"));
    else requestAnimationFrame(look);
  };
  document.querySelector(selector).click();
  requestAnimationFrame(look);
})"""


def fetch(url: str) -> tuple[float, bytes]:
    """Milliseconds and the body."""
    begun = time.perf_counter()
    with urllib.request.urlopen(url, timeout=600) as response:
        body = response.read()
    return 1000 * (time.perf_counter() - begun), body


def median(url: str, times: int = 15) -> float:
    return statistics.median(fetch(url)[0] for _ in range(times))


def memory(pid: int) -> tuple[float, float]:
    """Resident megabytes of a process: now, and the most so far."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return tuple(round(int(status[key].split()[0]) / 1024, 1) for key in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def many_runs(folder: Path, cache: Path, browser: "Browser | None") -> dict[str, float]:
    """The table of many short runs: with no index, then again with one."""
    found: dict[str, float] = {}
    begun = time.perf_counter()
    with dashboard(folder, cache=cache) as (address, pid):
        while not json.loads(fetch(address + TABLE)[1])["rows"]:
            time.sleep(0.01)
        found["start to first rows, cold"] = 1000 * (time.perf_counter() - begun)
        found["index of all runs, s"] = wait_for_index(address)
        found["server memory, many runs, MB"], found["most while indexing, many runs, MB"] = memory(pid)
    begun = time.perf_counter()
    with dashboard(folder, cache=cache) as (address, _):
        found["first table, cold"] = fetch(address + TABLE)[0]
        found["start to table"] = 1000 * (time.perf_counter() - begun)
        found["first table, warm"] = median(address + TABLE)
    if browser is not None:
        begun = time.perf_counter()
        with dashboard(folder, cache=cache) as (address, _):
            page = browser.new_page()
            page.goto(address, wait_until="commit")
            page.wait_for_selector('a[href^="/run/"]')
            found["start to usable page"] = 1000 * (time.perf_counter() - begun)
            paints, rows = [], []
            for _ in range(5):
                page.goto(f"{address}/", wait_until="commit")
                page.wait_for_selector('a[href^="/run/"]')
                rows.append(page.evaluate("performance.now()"))
                paints.append(page.evaluate("performance.getEntriesByName('first-paint')[0].startTime"))
            found["first paint"], found["rows on screen"] = statistics.median(paints), statistics.median(rows)
            page.close()
    return found


def long_runs(folder: Path, cache: Path, browser: "Browser | None") -> dict[str, float]:
    """One metric of 200 long runs in one chart."""
    found: dict[str, float] = {}
    with dashboard(folder, cache=cache) as (address, pid):
        found["index of long runs, s"] = wait_for_index(address)
        _, body = fetch(address + CURVES)
        found["overlay, kB"] = len(body) / 1000
        found["overlay at the server"] = median(address + CURVES)
        if browser is not None:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            spent = []
            for _ in range(5):
                page.goto(f"{address}/curves?m={METRIC}")  # the code and the server are warm
                page.wait_for_selector("canvas")
                page.goto(address)
                page.wait_for_selector('a[href^="/run/"]')
                page.evaluate("history.replaceState(null, '', location.href)")
                page.evaluate(f"document.querySelector('nav a[href^=\"/curves\"]').href = '/curves?m={METRIC}'")
                spent.append(page.evaluate(CLICK_TO_INK, 'nav a[href^="/curves"]'))
            found["overlay on screen"] = statistics.median(spent)
            page.close()
        found["server memory"], found["most while indexing, long runs, MB"] = memory(pid)
    return found


def front_end() -> dict[str, float]:
    files = [file for file in STATIC.rglob("*") if file.suffix in (".html", ".js", ".css", ".svg")]
    return {"front end, gzipped": sum(len(gzip.compress(file.read_bytes(), 9)) for file in files) / 1000}


@contextmanager
def chromium() -> Iterator["Browser | None"]:
    executable = find_chromium()
    if executable is None:
        sys.stderr.write("no Chromium: what is on screen is not measured\n")
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright, executable)
        yield browser
        browser.close()


def others(python: Path, ours: Path, work: Path) -> dict[str, Any]:
    """Seconds until one metric of 200 runs of 1,000 steps has come from each program's own server, and their ratios."""
    found: dict[str, Any] = {}
    with dashboard(ours, cache=work / "cache-others") as (address, _):
        wait_for_index(address)
        found["headway"] = median(address + CURVES) / 1000
    for name in ("tensorboard", "trackio", "mlflow"):
        command = [str(python), str(HERE / "other_dashboards.py"), name, str(work / name), "200", "1000"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        except subprocess.TimeoutExpired:
            found[name] = "skipped: not done after 15 minutes"
            continue
        if done.returncode != 0:
            found[name] = f"skipped: {(done.stderr.strip().splitlines() or ['no output'])[-1]}"
            continue
        found[name] = json.loads(done.stdout.splitlines()[-1])["seconds"]
        found[f"{name} / headway"] = found[name] / found["headway"]
    return found


def table(found: dict[str, float]) -> str:
    lines = []
    for name, value in found.items():
        last = name.rpartition(", ")[2]
        most, unit = GOALS.get(name, (None, last if last in ("s", "kB", "MB") else "ms"))
        verdict = "" if most is None else f"  goal {most} {unit}{'' if value <= most else '  MISSED'}"
        lines.append(f"{name:<38} {value:>10.1f} {unit}{verdict}")
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", type=Path)
    parser.add_argument("--many", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--others", type=Path, help="Python of an environment with other dashboards")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        work = Path(folder)
        if args.many is None:
            make_runs(work / "many", args.count, 10, 5)
        if args.long is None:
            make_runs(work / "long", args.runs, args.steps, 5)
        found = front_end()
        found |= many_runs(args.many or work / "many", work / "cache-many", browser)
        found |= long_runs(args.long or work / "long", work / "cache-long", browser)
        sys.stdout.write(table(found))
        result: dict[str, Any] = {name: round(value, 2) for name, value in found.items()}
        if args.others is not None:
            make_runs(work / "short", 200, 1000, 5)
            result["others, s"] = compared = others(args.others, work / "short", work)
            for name, value in compared.items():
                sys.stdout.write(f"{name:<38} {value if isinstance(value, str) else f'{value:10.3f}'}\n")
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
