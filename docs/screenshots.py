"""Pictures of every page of the dashboard, made from real runs: docs/NAME.png, NAME-dark.png and NAME-narrow.png.

python docs/screenshots.py RUNS... [--project NAME] [--out docs] [--only NAME]

RUNS: folders of runs. The table shows all of them; the other pages show one project (default: of those with three runs
or more, the one that was trained for most steps) and its best run's predictions. Needs Chromium
(see tests/browser). Pictures are reduced to 256 colours where Pillow is installed.
"""

import argparse
import json
import sys
import tempfile
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))

from browsing import dashboard, find_chromium, launch, wait_for_index
from playwright.sync_api import Browser, Page, sync_playwright

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


def ask(address: str, path: str, **params: Any) -> Any:
    with urllib.request.urlopen(f"{address}{path}?{urllib.parse.urlencode(params)}", timeout=60) as response:
        return json.loads(response.read())


def most_trained(rows: list[dict[str, Any]]) -> str:
    counted = Counter(row["project"] for row in rows)
    steps: Counter[str] = Counter()
    for row in rows:
        steps[row["project"]] += (row["step"] or 0) if counted[row["project"]] >= 3 else 0
    return steps.most_common(1)[0][0]


def views(address: str, project: str | None) -> dict[str, str]:
    """Name of the picture -> path with query."""
    f = f'project = "{project or most_trained(ask(address, "/api/runs", limit=1000)["rows"])}"'
    metrics = sorted(ask(address, "/api/keys", f=f)["metrics"], key=lambda metric: -metric["runs"])
    names = [metric["key"] for metric in metrics if metric["key"].startswith(("train/loss", "val/"))]
    judged = next((name for name in names if name.startswith("val/") and "loss" not in name), names[0])
    shown = list(dict.fromkeys(["train/loss", "val/loss", judged, *names]))[:4]
    best = [row["id"] for row in ask(address, "/api/runs", f=f, sort=f"-{judged}")["rows"]]
    predicted = [id for id in best if ask(address, f"/api/runs/{id}")["splits"]] or best
    quoted = urllib.parse.quote
    return {
        "runs": "/",
        "curves": f"/curves?f={quoted(f)}&m={quoted(','.join(shown))}&smooth=0.6",
        "compare": f"/compare?f={quoted(f)}",
        "run": f"/run/{predicted[0]}",
        "predictions": f"/run/{predicted[0]}?tab=predictions",
        "params": f"/params?f={quoted(f)}&metric={quoted(judged)}",
    }


def settle(page: Page) -> None:
    """Until nothing was drawn or loaded for half a second."""
    page.evaluate("""() => new Promise((done) => {
      let last = performance.now();
      const seen = () => { last = performance.now(); };
      new MutationObserver(seen).observe(document.body, {subtree: true, childList: true});
      new PerformanceObserver(seen).observe({type: "resource"});
      const look = () => performance.now() - last > 500 ? done(true) : setTimeout(look, 50);
      look();
    })""")


def take(browser: Browser, url: str, file: Path, size: dict[str, int], scheme: str) -> None:
    page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(url)
    settle(page)
    page.screenshot(path=file)
    page.close()
    reduce(file)


def reduce(file: Path) -> None:
    """256 colours are enough for text and lines, and a third of the bytes."""
    try:
        from PIL import Image
    except ImportError:
        return
    with Image.open(file) as image:
        small = image.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(file, optimize=True)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--project")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--only", help="a part of the names of pictures to make")
    args = parser.parse_args(argv)
    executable = find_chromium()
    if executable is None:
        sys.exit("no Chromium: apt-get install chromium, or name one with HEADWAY_CHROMIUM")
    args.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as cache,
        dashboard(*args.runs, cache=Path(cache), options=("--read-only",)) as (address, _),
        sync_playwright() as playwright,
    ):
        wait_for_index(address)
        browser = launch(playwright, executable)
        for name, path in views(address, args.project).items():
            for kind, size, scheme in (("", WIDE, "light"), ("-dark", WIDE, "dark"), ("-narrow", NARROW, "light")):
                file = args.out / f"{name}{kind}.png"
                if args.only and args.only not in file.name:
                    continue
                take(browser, address + path, file, size, scheme)
                sys.stdout.write(f"{file}  {file.stat().st_size // 1000} kB  {path}\n")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
