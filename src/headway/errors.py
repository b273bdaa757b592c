"""Errors a user can act on: one line that names the file, line or key and says what to do."""


class HeadwayError(Exception):
    """A fault the user can mend; the command line prints its text without a traceback."""


class ConfigError(HeadwayError):
    """Every problem found in one configuration, so that all can be mended in one go."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[list[str]]]:  # crosses process borders in sweeps
        return (ConfigError, (self.problems,))


class DataError(HeadwayError):
    """A data file or record that cannot be read as asked."""


class ModelError(HeadwayError):
    """A model or tokenizer that cannot be loaded or does not fit its data."""


class RunError(HeadwayError):
    """A run folder that cannot be found, written or locked."""


class CheckpointError(HeadwayError):
    """A checkpoint that is missing, corrupt or of another shape."""
