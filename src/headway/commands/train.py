"""`headway train`, `check` and `resume`: from a config to a recorded run."""

import argparse
import json
import sys
from functools import partial
from typing import TYPE_CHECKING

from headway.commands.base import (
    EXAMPLES,
    RUN_HELP,
    TRUST_HELP,
    Command,
    find,
    make_display,
    print_json,
    report_end,
)

if TYPE_CHECKING:
    from omegaconf import DictConfig


def add(command: Command) -> None:
    for name, text in (
        ("train", "compose a config, train, and record the run"),
        ("check", "validate a config, its data and its model without training"),
    ):
        sub = command(name, show_usage, text, runs_dir=False, epilog=EXAMPLES)  # there it is a key of the config
        sub.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="Hydra overrides and flags")
        sub.add_argument("--allow", action="append", metavar="PREFIX", help="allow _target_ under this module prefix")
        if name == "train":
            sub.add_argument("--prepare", action="store_true", help="make the run folder, print its path, do not train")
        sub.add_argument("--trust-remote-code", action="store_true", help=TRUST_HELP)
    sub = command("resume", resume, "continue an interrupted run exactly where its last checkpoint stands")
    sub.add_argument("run", help=RUN_HELP)
    sub.add_argument("--trust-remote-code", action="store_true", help=TRUST_HELP)


def show_usage(options: argparse.Namespace) -> int:
    """`headway train --help` ends in argparse; anything else of these commands never reaches it."""
    raise AssertionError(options)


def take_flag(arguments: list[str], flag: str) -> bool:
    """Remove `flag` from `arguments`; whether it was there."""
    present = flag in arguments
    while flag in arguments:
        arguments.remove(flag)
    return present


def train(arguments: list[str]) -> int:
    from headway.config.compose import train_main

    as_json, only_prepare = take_flag(arguments, "--json"), take_flag(arguments, "--prepare")
    return train_main(arguments, partial(prepare_job if only_prepare else train_job, as_json=as_json))


def train_job(config: "DictConfig", overrides: list[str], *, as_json: bool) -> int:
    """One run of `headway train`; a module-level function, so that Hydra's launchers can send it elsewhere."""
    from headway.training.launch import launch

    display = make_display(as_json)
    finished = launch(config, overrides, display)
    return report_end(finished, as_json)


def prepare_job(config: "DictConfig", overrides: list[str], *, as_json: bool) -> int:
    """`headway train --prepare`: make the run folder and stop; a cluster's own launcher then starts the workers."""
    from headway.training.launch import prepare_run

    path = str(prepare_run(config, overrides))
    sys.stdout.write((json.dumps({"path": path}) if as_json else path) + "\n")
    return 0


def check(arguments: list[str]) -> int:
    from headway.config.compose import train_main

    as_json = take_flag(arguments, "--json")
    return train_main(arguments, partial(check_job, as_json=as_json))


def check_job(config: "DictConfig", _: list[str], *, as_json: bool) -> int:
    from headway.training.preflight import preflight

    result = preflight(config)
    if as_json:
        print_json(result)
    else:
        for line in result["lines"]:
            sys.stdout.write(line + "\n")
    return 0


COMPOSED = {"train": train, "check": check}  # Hydra's own command line starts here


def resume(options: argparse.Namespace) -> int:
    from headway.training import launch

    return report_end(launch.resume(find(options), make_display(options.json)), options.json)
