"""Every command of `headway`, a file each: says its options, calls, prints. Heavy imports wait until it is called."""

from headway.commands import compare, completion, runs, train, ui, use

COMMANDS = (train, use, runs, compare, ui, completion)  # in the order of `headway --help`
COMPOSED = train.COMPOSED
