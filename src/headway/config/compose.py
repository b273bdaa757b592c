"""From a command line to a checked configuration for each job: Hydra's command line, Headway's checks before it."""

import argparse
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from hydra._internal.hydra import Hydra
from hydra._internal.utils import _run_hydra, get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from headway.config.check import check
from headway.config.composer import Composer
from headway.config.freeze import settle
from headway.config.loader import hydra_known, make_loader, one_line
from headway.config.paths import conf_dir
from headway.config.redact import redact_text, refer, secret_variables
from headway.config.targets import ALLOW_VARIABLE, TRUST_VARIABLE, target_problem
from headway.errors import ConfigError, HeadwayError

STOPPED = (130, 143)  # exit codes of a job that the user or the scheduler ended: the rest of a sweep is not started
PLUGINS = ("hydra_plugins.", "hydra.experimental.callbacks.", "optuna.samplers.")  # what Hydra's own nodes may name
LOG_HANDLERS = ("logging.", "colorlog.", "rich.logging.")

Job = Callable[[DictConfig, list[str]], int]
log = logging.getLogger(__name__)


def compose(
    overrides: Sequence[str],
    *,
    config_dirs: Sequence[str | Path] = (),
    config_name: str = "train",
    allow: Sequence[str] = (),
) -> DictConfig:
    """One checked config, as `headway train` with these overrides would run it. Imports no target.

    Raises: ConfigError with every problem of overrides, files and values, one line each.
    """
    composer = Composer(make_loader(conf_dir(), config_dirs), config_name)
    return _checked(composer, _referring(overrides), allow)


def _checked(composer: Composer, overrides: Sequence[str], allow: Sequence[str]) -> DictConfig:
    cfg, others = composer.compose(overrides)
    problems = composer.problems
    for one in [cfg, *others] if cfg is not None else []:
        with hydra_known(one, job=0 if composer.multirun else None) as own:
            problems += check(own, allow=allow)
    if cfg is not None:
        problems += _hydra_problems(cfg.hydra, allow)
        if composer.multirun:
            problems += _sweep_problems(cfg)
    if problems or cfg is None:
        raise ConfigError([redact_text(problem) for problem in dict.fromkeys(problems)])
    with hydra_known(cfg) as own:
        return settle(own)


def train_main(argv: Sequence[str], job: Job) -> int:
    """Hydra's command line: `job(config, task_overrides)` runs once, or with -m once for each combination of values.

    Beside Hydra's flags: `--allow PREFIX` (repeatable) and `--trust-remote-code`. They reach workers through the
    environment (HEADWAY_ALLOW, HEADWAY_TRUST_REMOTE_CODE), never through the config; the second only counts if given.
    `job` must be importable by name, so that launchers can send it to other processes.
    Returns: the worst exit code; jobs after a failed one still run, jobs after a stopped one do not.
    Raises: ConfigError, before anything runs, with every problem; in a single run, whatever the job raises.
    """
    parser = command_parser()
    try:
        args = parser.parse_intermixed_args(list(argv))
    except SystemExit as ended:  # --version
        return int(ended.code or 0)
    args.overrides = _referring(args.overrides or [])
    if args.experimental_rerun is not None:
        raise ConfigError(["--experimental-rerun: unpickles a file, which can run anything; use: headway resume RUN"])
    if args.resolve and not (args.cfg or args.help):
        raise ConfigError(["--resolve: goes with --cfg or --help"])
    primary = Path(args.config_path).absolute() if args.config_path else conf_dir()
    dirs = [args.config_dir] if args.config_dir else []
    name = args.config_name or "train"
    shows = bool(args.cfg or args.info or args.help or args.hydra_help or args.shell_completion)
    with _flags(args.allow, args.trust_remote_code):
        multirun = args.multirun or "hydra.mode=MULTIRUN" in args.overrides
        composer = Composer(make_loader(primary, dirs), name, multirun)
        if shows:
            return _show(args, parser, composer, primary)
        _checked(composer, args.overrides, args.allow)
        return _launch(composer, args.overrides, Task(job, tuple(args.allow), composer.multirun))


@dataclass
class Task:
    """The job as Hydra's launchers call it, perhaps in another process. Never raises, so that a sweep goes on."""

    job: Job
    allow: tuple[str, ...]
    sweep: bool
    error: Exception | None = None
    codes: list[int] = field(default_factory=list)

    def __call__(self, cfg: DictConfig) -> int:
        stopped = max((code for code in self.codes if code in STOPPED), default=None)
        self.codes.append(self._run(cfg) if stopped is None else stopped)
        return self.codes[-1]

    def _run(self, cfg: DictConfig) -> int:
        overrides = list(HydraConfig.get().overrides.task)
        try:
            if self.sweep and (problems := check(cfg, allow=self.allow)):
                raise ConfigError(problems)
            return self.job(cfg, overrides)
        except Exception as error:  # anything: the other jobs of a sweep must run
            if not self.sweep:
                self.error = error
                return 1
            text = f"{' '.join(overrides) or 'job'}: {type(error).__name__}: {error}"
            log.error("%s", redact_text(text), exc_info=os.environ.get("HEADWAY_DEBUG") == "1")
            return 2 if isinstance(error, HeadwayError) else 1


def _launch(composer: Composer, overrides: list[str], task: Task) -> int:
    hydra = Hydra("headway", composer.loader)
    GlobalHydra.instance().initialize(hydra)
    try:
        if not composer.multirun:
            hydra.run(composer.config_name, task, overrides)
            if task.error is not None:
                raise task.error
            return task.codes[0]
        lines = [*(line for line in overrides if not line.startswith("hydra.mode=")), "hydra.mode=MULTIRUN"]
        batches = hydra.multirun(composer.config_name, task, lines)
    except HydraException as error:
        raise ConfigError([redact_text(one_line(error))]) from error
    finally:
        GlobalHydra.instance().clear()
    codes = [result.return_value for batch in batches or () for result in batch if isinstance(result, JobReturn)]
    codes = codes or task.codes  # sweepers of other makers return what they like
    failed = sum(code != 0 for code in codes)
    if failed:
        log.error("%d of %d jobs did not finish", failed, len(codes))
    return max(codes, default=0)


def _show(args: argparse.Namespace, parser: argparse.ArgumentParser, composer: Composer, primary: Path) -> int:
    """--cfg, --info, --help and the like: overrides must be right, values need not be."""
    composer.multirun = False
    if args.overrides and not args.shell_completion:
        composer.compose(args.overrides)
        if composer.problems:
            raise ConfigError([redact_text(problem) for problem in composer.problems])
    before = HydraConfig.instance().cfg
    try:
        _run_hydra(args, parser, _nothing, str(primary), composer.config_name)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except (HydraException, ValueError) as error:
        raise ConfigError([one_line(error)]) from error
    finally:
        HydraConfig.instance().cfg = before
    return 0


def _nothing(cfg: DictConfig) -> None:
    """Hydra wants a task even to print a config."""


def command_parser() -> argparse.ArgumentParser:
    """Hydra's own flags and Headway's two; errors are ConfigErrors instead of an exit."""
    parser: argparse.ArgumentParser = get_args_parser()
    parser.prog = "headway train"
    allow = "Let _target_ name code of this package too; repeatable"
    parser.add_argument("--allow", action="append", default=[], metavar="PREFIX", help=allow)
    parser.add_argument("--trust-remote-code", action="store_true", help="Run the code that came with a model")

    def refuse(message: str) -> NoReturn:
        raise ConfigError([f"{message}; see headway train --hydra-help"])

    parser.error = refuse  # type: ignore[method-assign]
    return parser


def _referring(overrides: Sequence[str]) -> list[str]:
    """Overrides whose values name secrets of the environment instead of holding them: Hydra writes overrides down."""
    return [f"{key}{sign}{refer(value)}" for key, sign, value in (line.partition("=") for line in overrides)]


@contextmanager
def _flags(allow: Sequence[str], trust_remote_code: bool) -> Iterator[None]:
    """The flags as environment variables, which every process of the run inherits, whatever starts it."""
    before = {name: os.environ.get(name) for name in (ALLOW_VARIABLE, TRUST_VARIABLE)}
    prefixes = [*filter(None, (before[ALLOW_VARIABLE] or "").split(",")), *allow]
    _export({ALLOW_VARIABLE: ",".join(prefixes) or None, TRUST_VARIABLE: "1" if trust_remote_code else None})
    try:
        yield
    finally:
        _export(before)


def _export(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _hydra_problems(node: DictConfig, allow: Sequence[str]) -> Iterator[str]:
    """Hydra's own settings can name code and set variables too; a config folder may be somebody else's."""
    plain: Any = OmegaConf.to_container(node, resolve=False)
    for key in ("env_set", "env_copy"):
        if plain["job"][key]:
            yield f"hydra.job.{key}: a config may not set environment variables; set them in the shell"
    for part in ("callbacks", "launcher", "sweeper"):
        own = {"_target_"} if part != "callbacks" else set()  # Hydra takes launchers and sweepers from its plugins only
        inner = {key: value for key, value in (plain[part] or {}).items() if key not in own}
        for path, target in _named(inner, f"hydra.{part}", ("_target_",)):
            if problem := target_problem(target, [*allow, *PLUGINS]):
                yield f"{path}: {problem}"
    for part in ("job_logging", "hydra_logging"):
        for path, target in _named(plain[part], f"hydra.{part}", ("()", "class", "factory")):
            if not str(target).startswith(LOG_HANDLERS):
                yield f"{path}: {target} is not allowed; allowed are {', '.join(f'{name}*' for name in LOG_HANDLERS)}"


def _named(value: Any, path: str, keys: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in keys:
                yield f"{path}.{key}", item
            yield from _named(item, f"{path}.{key}", keys)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _named(item, f"{path}[{index}]", keys)


def _sweep_problems(cfg: DictConfig) -> Iterator[str]:
    """Hydra writes the config of a sweep to multirun.yaml as it is."""
    text = OmegaConf.to_yaml(cfg)
    for name, value in secret_variables(os.environ).items():
        if value in text:
            yield f"a config file holds the value of ${name}; write ${{oc.env:{name}}} instead"
