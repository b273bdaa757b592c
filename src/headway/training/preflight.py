"""`headway check`: everything that can be known before the first step, without making a run."""

from typing import Any

from omegaconf import DictConfig

from headway.data.prepare import prepare
from headway.errors import ConfigError, HeadwayError


def preflight(config: DictConfig) -> dict[str, Any]:
    """Prepare the data and load tokenizer and model configuration.

    Returns plain data: "lines" to print, and the facts behind them.
    Raises: ConfigError with every fault of data and model together.
    """
    from headway.training.session import components, monitor_problems, plain

    problems: list[str] = []
    facts: dict[str, Any] = {}
    try:
        prepared = prepare(plain(config, "data"))
        facts["data"] = {
            "fingerprint": prepared.fingerprint,
            "labels": prepared.labels,
            **prepared.report,
        }
    except HeadwayError as error:
        problems.append(str(error))
    try:
        task, pretrained, tokenizer = components(config)
        facts["tokenizer"] = {"vocabulary": len(tokenizer), "path": pretrained.path}
    except HeadwayError as error:
        problems.append(str(error))
    if not problems:
        problems += monitor_problems(config.trainer.monitor, task, prepared.labels)
    if problems:
        raise ConfigError(problems)
    from headway.training.display import describe_facts

    lines = [
        *describe_facts(facts),
        f"model: {facts['tokenizer']['path']}, {facts['tokenizer']['vocabulary']:,} pieces",
        "ok",
    ]
    return {**facts, "lines": lines}
