"""The `headway` command line: finds the command, calls it, says in one line what went wrong."""

import argparse
import os
import sys
from collections.abc import Sequence

from headway import __version__
from headway.commands import COMMANDS, COMPOSED
from headway.commands.base import EXAMPLES, Command
from headway.errors import HeadwayError

DESCRIPTION = "Trains language models, records every run, and says which difference is real."


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and arguments[0] in COMPOSED and "--help" not in arguments[1:2] and "-h" not in arguments[1:2]:
            return COMPOSED[arguments[0]](arguments[1:])  # Hydra's own command line starts here
        options = parser().parse_args(arguments)
        code: int = options.call(options)
    except HeadwayError as error:
        return fail(error)
    except BrokenPipeError:  # `headway runs | head`
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    return code


def fail(error: HeadwayError) -> int:
    """One line for each problem; the traceback only for those who ask."""
    if os.environ.get("HEADWAY_DEBUG") == "1":
        raise error
    for line in getattr(error, "problems", None) or [str(error)]:
        sys.stderr.write(f"headway: error: {line}\n")
    return 2


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="headway", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=__version__)
    command = Command(top.add_subparsers(metavar="COMMAND", required=True))
    for module in COMMANDS:
        module.add(command)
    return top


if __name__ == "__main__":
    sys.exit(main())
