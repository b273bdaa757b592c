"""A secret of the environment, or one that looks like one, is in no text that is written down."""

import json
from urllib.parse import quote

import pytest
from omegaconf import OmegaConf

from headway.config.redact import redact_config, redact_text, redact_values, secret_key, secret_problems

CANARY = "canary/7f3a+9b=Zz\"quoted' \\ end"
ENVIRON = {
    "WANDB_API_KEY": CANARY,
    "hub_token": "hf_lowercasecanary",
    "MY_PIN_SECRET": "12345678",
    "SHORT_KEY": "abc",
    "HOME": "/home/someone",
    "PEM_KEY": "-----BEGIN-----\nfirst line of the key\nsecond line of the key\n",
}


@pytest.mark.parametrize(
    "text",
    [
        f"login {CANARY} done",
        f"prefix{CANARY}suffix",
        json.dumps({"command": f"x {CANARY}"}),
        f"https://host/?q={quote(CANARY, safe='')}",
        "+ token = hf_lowercasecanary",
        "error near 12345678.",
        "log: first line of the key",
    ],
)
def test_values_of_secret_variables_go(text: str) -> None:
    out = redact_text(text, ENVIRON)
    for secret in (
        CANARY,
        quote(CANARY, safe=""),
        json.dumps(CANARY)[1:-1],
        "hf_lowercasecanary",
        "12345678",
        "first line",
    ):
        assert secret not in out
    assert "<redacted:" in out


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("headway train --api-key abcdef12 seed=1", "headway train --api-key <redacted:api-key> seed=1"),
        ("--password=hunter", "--password=<redacted:password>"),
        ("hub.token=hf_0123456789", "hub.token=<redacted:token>"),
        ("password: 'hunter22'", "password: '<redacted:password>'"),
        ('{"api_key": "zzzz"}', '{"api_key": "<redacted:api_key>"}'),
        ("git clone https://me:pass@host/x.git", "git clone https://<redacted>@host/x.git"),
        ("postgres://user:p%40ss@db:5432/x", "postgres://<redacted>@db:5432/x"),
        ("GET /x?access_token=abcd12345&y=1", "GET /x?access_token=<redacted:access_token>&y=1"),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, out: str) -> None:
    assert redact_text(text, {}) == out


@pytest.mark.parametrize(
    "text",
    [
        *(
            "seed=1 optimizer.lr=3e-5",
            "token = next(tokens)",
            "pad_token='[PAD]'",
            "max_tokens=12345678",
            "a key 12345678a",
        ),
        *(
            "sort(key=lambda1234567)",
            "x.token = y[token_index1]",
            "git@github.com:a/b.git",
            "api_key=${oc.env:KEY1234567}",
        ),
        *(
            "https://host:8080/path@v2",
            "tokenizer: bert12345",
            "perf/tokens_per_s: 12345678",
            "SHORT abc",
            "/home/someone",
        ),
        "token = os.environ['HF_TOKEN_1234']",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact_text(text, {**ENVIRON, "MY_PIN_SECRET": ""}) == text


@pytest.mark.parametrize("name", ["api_key", "apikey", "password", "hub_token", "token", "client_secret", "--api-key"])
def test_secret_keys(name: str) -> None:
    assert secret_key(name)


@pytest.mark.parametrize(
    "name", ["pad_token", "eos_token", "tokens", "max_tokens", "tokenizer_path", "key", "keys", "lr"]
)
def test_other_keys(name: str) -> None:
    assert not secret_key(name)


def test_config_refers_to_the_environment_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    raw = {
        "notes": f"a {CANARY} b",
        "tags": ["hf_lowercasecanary", "plain"],
        "deep": {"pin": 12345678, "back": f"\\{CANARY}", "ref": "${notes}", "none": None, "missing": "???"},
    }
    out = redact_config(OmegaConf.create(raw), ENVIRON)
    text = OmegaConf.to_yaml(out)
    for secret in (CANARY, "canary", "12345678"):
        assert secret not in text
    assert redact_values(text, ENVIRON) == text
    assert out.notes == raw["notes"], "what it means does not change"
    assert out.tags[0] == "hf_lowercasecanary"
    assert out.deep.pin == 12345678
    assert out.deep.ref == raw["notes"]
    assert out.deep.back == f"\\{CANARY}"
    assert OmegaConf.is_missing(out.deep, "missing")


def test_secrets_written_into_a_config_are_refused() -> None:
    cfg = OmegaConf.create(
        {
            "tracker": {"api_key": "abcd", "project": "p", "hub_token": "${oc.env:HF_TOKEN}", "password": None},
            "model": {"pad_token": "[PAD]", "path": "https://me:pw@host/model", "token": True},
            "data": {"passwords": 3, "urls": ["https://host/x", "s3://key:sec@bucket"]},
        }
    )
    problems = secret_problems(cfg)
    assert [line.partition(":")[0] for line in problems] == ["tracker.api_key", "model.path", "data.urls[1]"]
    assert not any("abcd" in line or "pw" in line for line in problems)
    assert "${oc.env:API_KEY}" in problems[0]


def test_a_line_of_a_megabyte_is_read_once() -> None:
    # tried from every character of the word it would take hours
    line = "deadbeef" * 125_000
    assert redact_text(line, {}) == line
