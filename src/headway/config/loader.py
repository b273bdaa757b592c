"""Hydra's own config loader over Headway's folder and the user's.

Hydra is pinned below 1.4 because the loader is not part of its public interface; `hydra.compose` cannot add a config
folder, list a group's options, or say which override was wrong.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from headway.errors import ConfigError

# what composing raises for a fault in the user's files or overrides; the last four come from inside OmegaConf
COMPOSITION_ERRORS = (
    *(HydraException, OmegaConfBaseException, ValueError),
    *(AssertionError, AttributeError, TypeError, RecursionError),
)


class Loader(ConfigLoaderImpl):
    """Hydra's own, but what it composed last it does not compose anew: a run's config is asked for twice, to check and
    to run it."""

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self._asked: tuple[object, ...] = ()
        self._composed: DictConfig | None = None

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """A config that is the caller's own to change."""
        asked = (config_name, *overrides, run_mode, from_shell, validate_sweep_overrides)
        if self._composed is None or asked != self._asked:
            self._composed = super().load_configuration(
                config_name, overrides, run_mode, from_shell, validate_sweep_overrides
            )
            self._asked = asked
        return copy.deepcopy(self._composed)


def make_loader(primary: Path, config_dirs: Sequence[str | Path] = ()) -> Loader:
    """A loader over Headway's folder and the user's. Raises: ConfigError for a folder that is not there."""
    version.setbase("1.3")
    setup_globals()
    search_path = create_config_search_path(str(primary))
    for folder in map(Path, config_dirs):
        if not folder.is_dir():
            raise ConfigError([f"--config-dir={folder}: no such folder"])
        search_path.prepend("command-line", f"file://{folder.absolute()}", anchor=SearchPathQuery(provider="schema"))
    return Loader(search_path)


@contextmanager
def hydra_known(cfg: DictConfig, job: int | None = None) -> Iterator[DictConfig]:
    """`cfg` without its hydra node, while ${hydra:...} reads from that node as it will inside the job."""
    before = HydraConfig.instance().cfg
    with read_write(cfg), open_dict(cfg):
        if job is not None:
            cfg.hydra.job.id, cfg.hydra.job.num = str(job), job
        own = copy.deepcopy(cfg)
        del own["hydra"]
    try:
        HydraConfig.instance().set_config(cfg)
        yield own
    finally:
        HydraConfig.instance().cfg = before


def one_line(error: BaseException) -> str:
    """What Hydra says over several lines, without its search path and links, and OmegaConf's cause if it has one."""
    text = re.split(r"Config search path:|Search path:|\nSee https|\nfull_key:|\n\s*object_type=", str(error))[0]
    cause = str(error.__cause__).split("\n")[0] if isinstance(error.__cause__, OmegaConfBaseException) else ""
    return " ".join(f"{text} {cause}".split()) or type(error).__name__
