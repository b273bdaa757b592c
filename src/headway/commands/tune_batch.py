"""`headway tune-batch`: what is fastest here, measured, as an experiment file."""

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from headway.commands.base import TRUST_HELP, Command, finite, print_json, print_rich
from headway.commands.train import show_usage
from headway.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

EPILOG = """\
Tries settings by real training steps of the model on its data, each beside the present one on the same batches:
attention without padding or with it, precisions, threads, batch.accumulate, batch.eval_size, torch.compile where it
can pay; and which batches fit into memory. What is set on the command line stays as it is, and so does batch.size, on
which results depend, unless --any-size lets it be chosen by speed too. A setting is chosen where it is at least 1.05
times as fast. Nothing is trained or recorded.

FILE is an experiment, FOLDER/experiment/NAME.yaml: use it with --config-dir FOLDER experiment=NAME.
"""


def add(command: Command) -> None:
    sub = command("tune-batch", show_usage, "find the fastest setting for this machine", runs_dir=False, epilog=EPILOG)
    sub.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="Hydra overrides and flags, as for train")
    add_own(sub)
    sub.add_argument("--allow", action="append", metavar="PREFIX", help="allow _target_ under this module prefix")
    sub.add_argument("--trust-remote-code", action="store_true", help=TRUST_HELP)


def add_own(parser: argparse.ArgumentParser) -> None:
    where = "the file to write (default: local/experiment/tuned.yaml, or in the folder of --config-dir)"
    parser.add_argument("--out", metavar="FILE", type=Path, help=where)
    parser.add_argument("--seconds", type=finite, default=60.0, help="to measure for, about (default: 60)")
    parser.add_argument("--any-size", action="store_true", help="choose batch.size too: the results will be others")


def tune_batch(arguments: list[str]) -> int:
    from headway.config.compose import command_parser, train_main

    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    add_own(own)
    own.add_argument("--json", action="store_true")
    try:
        options, rest = own.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise ConfigError([f"{error}; see headway tune-batch --help"]) from error
    hydra = command_parser().parse_intermixed_args(rest)
    if hydra.multirun:
        raise ConfigError(["--multirun: one config is tuned at a time"])
    if options.seconds <= 0:
        raise ConfigError([f"--seconds={options.seconds:g}: must be above 0"])
    folder = Path(hydra.config_dir or "local")
    out = options.out or folder / "experiment" / "tuned.yaml"
    if out.parent.name != "experiment" or out.suffix != ".yaml":
        raise ConfigError([f"--out={out}: must be FOLDER/experiment/NAME.yaml, so that experiment=NAME finds it"])
    if hydra.config_dir and out.parent.parent.resolve() != folder.resolve():
        raise ConfigError([f"--out={out}: with --config-dir {folder} it must be {folder}/experiment/NAME.yaml"])
    options.out = out
    return train_main(rest, partial(tune_job, arguments=rest, options=options))


def tune_job(config: "DictConfig", overrides: list[str], *, arguments: list[str], options: argparse.Namespace) -> int:
    from headway.store.atomic import write_text
    from headway.training.tuned import experiment
    from headway.training.tuning import tune
    from headway.views import tune as views

    given = dict(override.lstrip("+").partition("=")[::2] for override in overrides)
    with views.progress(quiet=options.json) as say:
        found = tune(config, list(given), options.seconds, options.any_size, say)
    use = command_to_use(arguments, options.out, list(found.chosen))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = [*views.comment(found), f"to use it: {use}"]
    write_text(options.out, experiment(found.chosen, given.get("experiment"), lines))
    if options.json:
        print_json({**views.tuned_json(found), "file": str(options.out), "command": use})
    else:
        print_rich(views.tuned_view(found))
        sys.stdout.write(f"written to {options.out}; to use it:\n{use}\n")
    return 0


def command_to_use(arguments: list[str], out: Path, chosen: list[str]) -> str:
    """The same command line for `headway train`, with the experiment in place of what it sets."""
    taken = ("experiment", *chosen)
    kept = [one for one in arguments if one.lstrip("+").partition("=")[0] not in taken]
    place = (
        [] if any(one.startswith(("--config-dir", "-cd")) for one in kept) else ["--config-dir", str(out.parents[1])]
    )
    return shlex.join(["headway", "train", *kept, *place, f"experiment={out.stem}"])


COMPOSED = {"tune-batch": tune_batch}
