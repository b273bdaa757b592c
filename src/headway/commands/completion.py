"""`headway completion`: tab completion for shells."""

import argparse
import json
import sys

from headway.commands.base import Command, print_json


def add(command: Command) -> None:
    sub = command("completion", completion, "print a tab-completion script for bash, zsh or fish", runs_dir=False)
    sub.add_argument("shell", nargs="?", choices=("bash", "zsh", "fish"), default="bash")
    sub.add_argument("--query", metavar="LINE", help=argparse.SUPPRESS)


def completion(options: argparse.Namespace) -> int:
    from headway.config.completion import complete, script

    if options.query is not None:
        words = complete(options.query)
        sys.stdout.write(json.dumps(words) if options.json else "".join(f"{word}\n" for word in words))
    elif options.json:
        print_json({"shell": options.shell, "script": script(options.shell)})
    else:
        sys.stdout.write(script(options.shell))
    return 0
