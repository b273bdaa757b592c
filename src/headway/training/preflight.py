"""`headway check`: everything that can be known before the first step, without making a run."""

from typing import Any

from omegaconf import DictConfig

from headway.errors import ConfigError, HeadwayError
from headway.imports import lean


def preflight(config: DictConfig) -> dict[str, Any]:
    """Prepare the data, load or train the tokenizer, read the model's configuration.

    Returns plain data: "lines" to print, and the facts behind them.
    Raises: ConfigError with every fault of data and model together.
    """
    with lean():
        from headway.data.prepare import prepare
        from headway.training.display import describe_facts
        from headway.training.session import open_parts, plain, trainer_problems

    parts = open_parts(config)
    problems = trainer_problems(config, parts.task)
    facts: dict[str, Any] = {}
    prepared = tokenizer = None
    try:
        prepared = prepare(plain(config, "data"), parts.task.examples)
        facts["data"] = {"fingerprint": prepared.fingerprint, "labels": prepared.labels, **prepared.report}
    except HeadwayError as error:
        problems.append(str(error))
    try:
        tokenizer = parts.tokenizer(None)
    except HeadwayError as error:
        problems.append(str(error))
    if problems:
        raise ConfigError(problems)
    tokenizer = tokenizer or parts.tokenizer(prepared)
    assert tokenizer is not None
    path = getattr(parts.source, "path", type(parts.source).__name__)
    facts["tokenizer"] = {"vocabulary": len(tokenizer), "path": path}
    return {**facts, "lines": [*describe_facts(facts), f"model: {path}, {len(tokenizer):,} pieces", "ok"]}
