"""Keeping secrets out of everything that is written down."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from omegaconf import DictConfig, OmegaConf

SECRET_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
SHORTEST = 8  # characters; replacing shorter values would eat ordinary words
SECRET_KEY = re.compile(
    r"(^|_)(password|passwd|secret|secrets|credential|credentials|token|auth_key|access_key|private_key|secret_key|api_?key)$",
    re.IGNORECASE,
)
SPECIAL_TOKEN = re.compile(r"(pad|eos|bos|cls|sep|mask|unk|start|end|image|special|next|last|first)_?token$", re.I)
URL_LOGIN = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^/\s:@'\"${}<]+(?::[^/\s@'\"${}<]*)?@", re.IGNORECASE)
# from the beginning of a word only: tried from every character of it, a long hex line would take minutes
_NAME = r"(?<![\w-])(?P<key>{}(?:password|passwd|secret|credential|token|key)s?)"
# on a command line: --key value and --key=value
OPTION = re.compile(_NAME.format(r"--[\w-]*") + r"(?P<sign>[= ]\s*)(?P<value>[^\s$<]+)", re.IGNORECASE)
# key=value and key: value in any text: a quoted value, or an unquoted one that has a digit and does not look like code
ASSIGNED = re.compile(
    _NAME.format(r"[\w-]*")
    + r"""(?P<sign>["']?\s*[=:]\s*)(?P<value>"[^"\n$<]{4,}"|'[^'\n$<]{4,}'"""
    + r"""|(?=[A-Za-z_+/.~-]*\d)[\w+/.~-]{8,}=*(?![\w(\[.$<]))""",
    re.IGNORECASE,
)


def secret_key(name: str) -> bool:
    """Does a key or an option of this name hold a secret? `token` and `api_key` do; `pad_token` and `tokens` do not."""
    name = name.lstrip("-").replace("-", "_")
    return bool(SECRET_KEY.search(name)) and not SPECIAL_TOKEN.search(name)


def redact_text(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """`text` without values of secret-looking environment variables, of secret-looking keys, or logins in URLs."""
    text = URL_LOGIN.sub(r"\1<redacted>@", redact_values(text, environ))
    return ASSIGNED.sub(_hide, OPTION.sub(_hide, text))


def redact_values(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """`text` without the values of secret-looking environment variables, as JSON and URLs show them too."""
    forms: set[tuple[str, str]] = set()
    for name, value in secret_variables(environ).items():
        lines = [line.strip() for line in value.splitlines()]
        for part in [value, value.strip(), *(line for line in lines if len(line) >= 2 * SHORTEST)]:
            quoted = {json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], quote(part, safe="")}
            forms |= {(name, form) for form in {part, *quoted}}
    for name, form in sorted(forms, key=lambda pair: (-len(pair[1]), pair)):
        text = text.replace(form, f"<redacted:{name}>")
    return text


def secret_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Environment variables whose name says that their value is a secret."""
    named = {name: value for name, value in environ.items() if SECRET_VARIABLE.search(name)}
    return {name: value for name, value in named.items() if len(value.strip()) >= SHORTEST}


def _hide(match: re.Match[str]) -> str:
    if not secret_key(match["key"]):
        return match[0]
    mark = match["value"][0] if match["value"][0] in "\"'" else ""
    return f"{match['key']}{match['sign']}{mark}<redacted:{match['key'].lstrip('-')}>{mark}"


def redact_config(cfg: DictConfig, environ: Mapping[str, str] = os.environ) -> DictConfig:
    """A copy in which every value of a secret-looking environment variable is an interpolation that reads it."""
    secrets = sorted(secret_variables(environ).items(), key=lambda item: -len(item[1]))
    return OmegaConf.create(_refer(OmegaConf.to_container(cfg, resolve=False), secrets))


def refer(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """`text` with ${oc.env:NAME} in place of each secret of the environment."""
    for name, secret in sorted(secret_variables(environ).items(), key=lambda item: -len(item[1])):
        # a single backslash before a reference would make it plain text
        text = re.sub(rf"(\\*){re.escape(secret)}", rf"\1\1${{oc.env:{name}}}", text)
    return text


def _refer(value: Any, secrets: list[tuple[str, str]]) -> Any:
    if isinstance(value, dict):
        return {key: _refer(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_refer(item, secrets) for item in value]
    if isinstance(value, str):
        return refer(value, dict(secrets))
    name = next((name for name, secret in secrets if str(value) == secret.strip()), None)  # a number
    return f"${{oc.decode:${{oc.env:{name}}}}}" if name else value


def secret_problems(cfg: DictConfig) -> list[str]:
    """Secrets written out in a config: these are refused, so that none gets into a run folder."""
    return list(_written_out(OmegaConf.to_container(cfg, resolve=False), ""))


def _written_out(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _written_out(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _written_out(item, f"{path}[{index}]")
    elif isinstance(value, str) and value and value != "???":
        name = path.partition("[")[0].rpartition(".")[2]
        if secret_key(name) and "${" not in value:
            yield f"{path}: a secret is not written into a config; use {path}='${{oc.env:{name.upper()}}}'"
        elif URL_LOGIN.search(value):
            yield f"{path}: a URL with a login in it; keep the login in a variable and write ${{oc.env:NAME}} for it"
