"""Every command of `headway`, a file each: says its options, calls, prints. Heavy imports wait until it is called."""

from headway.commands import (
    compare,
    completion,
    dynamics,
    examples,
    labels,
    report,
    reproduce,
    runs,
    train,
    tune_batch,
    ui,
    use,
)

COMMANDS = (
    train,
    tune_batch,
    reproduce,
    use,
    runs,
    compare,
    examples,
    report,
    dynamics,
    labels,
    ui,
    completion,
)  # as --help lists
COMPOSED = train.COMPOSED | tune_batch.COMPOSED
