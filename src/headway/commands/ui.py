"""`headway ui`: the dashboard."""

import argparse

from headway.commands.base import Command


def add(command: Command) -> None:
    sub = command("ui", ui, "open the dashboard over one or more folders of runs", json=False, runs_dir=False)
    sub.add_argument("paths", nargs="*", metavar="PATH", help="folders of runs (default: $HEADWAY_RUNS, else ./runs)")
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    sub.add_argument("--port", type=int, help="port to listen on (default: 6160, or the next free one)")
    sub.add_argument("--token", help="what every visitor must show (default: generated where --host is not loopback)")
    sub.add_argument("--read-only", action="store_true", help="refuse tags, notes, renaming, archiving and deleting")
    sub.add_argument("--no-browser", action="store_true", help="do not open a browser")


def ui(options: argparse.Namespace) -> int:
    from pathlib import Path

    from headway.store.find import runs_root
    from headway.web.serve import serve

    return serve(
        [Path(path) for path in options.paths] or [runs_root()],
        host=options.host,
        port=options.port,
        token=options.token,
        read_only=options.read_only,
        browser=not options.no_browser,
    )
