"""What the shell offers at TAB: commands, flags, config groups, options, keys and runs. Imports nothing heavy."""

import os
from pathlib import Path

OF_A_RUN = ("resume", "reproduce", "eval", "predict", "show")
OF_RUNS = ("compare", "examples", "report", "dynamics", "labels")
COMPOSED = ("train", "check", "tune-batch")
COMMANDS = (*COMPOSED, *OF_A_RUN, "runs", "sql", *OF_RUNS, "ui", "completion")
SHELLS = ("bash", "zsh", "fish")

# bash cuts words at "=", so only what comes after it may be offered
BASH = """_headway() {
    local line=${COMP_LINE:0:COMP_POINT} reply cut=
    local word=${line##*[[:space:]]}
    [[ $COMP_WORDBREAKS == *=* && $word == *=* ]] && cut=${word%"${word##*=}"}
    COMPREPLY=()
    while IFS= read -r reply; do
        COMPREPLY+=("${reply#"$cut"}")
    done < <(headway completion --query "$line" 2>/dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=./] ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -o default -F _headway headway
"""
ZSH = """#compdef headway
_headway() {
    local -a replies
    replies=("${(@f)$(headway completion --query "${BUFFER[1,CURSOR]}" 2>/dev/null)}")
    compadd -Q -S '' -- ${replies:#}
}
compdef _headway headway
"""
FISH = """complete -c headway -f -a '(headway completion --query (commandline -cp | string collect) 2>/dev/null)'
"""


def script(shell: str) -> str:
    """What to evaluate in the shell's start-up file. Raises: ValueError for a shell that is not in SHELLS."""
    scripts = {"bash": BASH, "zsh": ZSH, "fish": FISH}
    if shell not in scripts:
        raise ValueError(f"{shell}: no completion for this shell; there is one for {', '.join(SHELLS)}")
    return scripts[shell]


def complete(line: str) -> list[str]:
    """Words that could stand where the last word of `line` (the command line up to the cursor) stands."""
    words = line.split()
    word = "" if not line or line[-1].isspace() else words.pop()
    if len(words) < 2:
        return [command for command in COMMANDS if command.startswith(word)] if words else []
    command, given = words[1], words[2:]
    if command in COMPOSED:
        return _of_config(given, word)
    of_runs = (command in OF_A_RUN and not given) or (command in OF_RUNS and not any(one[0] == "-" for one in given))
    if of_runs and not word.startswith("-"):
        return _runs(word)
    if command == "completion":
        return [shell for shell in SHELLS if shell.startswith(word)]
    return []


def _of_config(given: list[str], word: str) -> list[str]:
    """Flags, or what Hydra's own completion offers for overrides; nothing where what is given so far is wrong."""
    from hydra.errors import HydraException
    from hydra.plugins.completion_plugin import DefaultCompletionPlugin

    from headway.config.compose import command_parser
    from headway.config.loader import make_loader
    from headway.config.paths import conf_dir
    from headway.errors import ConfigError

    parser = command_parser()
    flags = {option: action for action in parser._actions for option in action.option_strings}
    if given and given[-1] in flags and flags[given[-1]].nargs is None:  # the word is this flag's value
        action = flags[given[-1]]
        if action.dest in ("config_dir", "config_path"):
            folder = Path(os.path.dirname(word) or ".")  # noqa: PTH120 (keeps the user's own spelling)
            found = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
            return [f"{path}/" for path in map(str, found) if path.startswith(word)]
        return [choice for choice in action.choices or () if choice.startswith(word)]
    if word.startswith("-"):
        return sorted(flag for flag in flags if flag.startswith(word) and flag.startswith("--"))
    try:
        args = parser.parse_intermixed_args(given)
        primary = Path(args.config_path).absolute() if args.config_path else conf_dir()
        loader = make_loader(primary, [args.config_dir] if args.config_dir else [])
        line = " ".join([*(["-m"] if args.multirun else []), *(args.overrides or []), word])
        found_words = DefaultCompletionPlugin(loader)._query(args.config_name or "train", line)
    except (ConfigError, HydraException, SystemExit):
        return []
    own = word.lstrip("+~").startswith("hydra")
    return [found for found in found_words if own or not found.lstrip("+~").startswith("hydra")]


def _runs(word: str) -> list[str]:
    from headway.errors import HeadwayError
    from headway.store.find import list_runs, runs_root

    try:
        runs = list_runs(runs_root(None))
    except HeadwayError:
        return []
    names = [name for run in runs for name in (run.id, run.meta.get("name")) if name and not set(name) & set(" \t\n")]
    return [name for name in dict.fromkeys(["last", *names]) if name.startswith(word)]
