"""What the guard decides, request by request; tests/faults/test_dashboard.py does it on a real socket."""

from typing import Any

import pytest

from headway.web.security import accepted_hosts, is_loopback


@pytest.mark.parametrize(
    ("host", "yes"), [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True)]
)
def test_loopback(host: str, yes: bool) -> None:
    assert is_loopback(host) is yes


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.evil.example", ""])
def test_what_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_accepted_hosts() -> None:
    assert accepted_hosts("::1", 6160) == {"localhost:6160", "127.0.0.1:6160", "[::1]:6160"}
    assert "gpu7:80" in accepted_hosts("0.0.0.0", 80, ["GPU7", ""])
    assert "gpu7" in accepted_hosts("0.0.0.0", 80, ["GPU7"])
    assert "gpu7" not in accepted_hosts("0.0.0.0", 81, ["GPU7"])


def test_a_token_is_asked_for_on_loopback_too_when_one_was_given(open_dashboard: Any) -> None:
    client = open_dashboard(token="sesame")
    assert client.get("/api/meta").status_code == 401
    assert client.get("/").status_code == 401
    assert client.get("/api/meta", headers={"Authorization": "Bearer sesame"}).status_code == 200
    assert client.get("/api/meta?token=sesame").status_code == 200
    assert "set-cookie" not in client.get("/api/meta?token=sesame").headers
    response = client.get("/?f=a%3Db&token=sesame")
    assert 'url=/?f=a%3Db"' in response.text
    assert client.get("/api/meta").status_code == 200  # by the cookie


@pytest.mark.parametrize("token", ["", "Sesame", "sesame ", "sésame", "sesame\0", "s" * 10_000])
def test_other_tokens(open_dashboard: Any, token: str) -> None:
    assert open_dashboard(token="sesame").get("/api/meta", params={"token": token}).status_code == 401


def test_a_fault_of_the_server_says_nothing_of_its_inside(open_dashboard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = open_dashboard(raise_server_exceptions=False)

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("internal detail")

    monkeypatch.setattr("headway.store.index.store.Store.metrics", fail)
    response = client.get("/api/keys")
    assert response.status_code == 500
    assert "internal detail" not in response.text
    assert set(response.json()["error"]) == {"status", "message", "hint", "position"}
    assert "default-src 'none'" in response.headers["content-security-policy"]
    monkeypatch.setenv("HEADWAY_DEBUG", "1")
    assert "ZeroDivisionError: internal detail" in client.get("/api/keys").text


def test_json_is_compressed_for_a_network_but_not_for_this_machine(make_run: Any, open_dashboard: Any) -> None:
    run = make_run()
    ask = f"/api/runs/{run.name}"
    assert "content-encoding" not in open_dashboard().get(ask).headers
    abroad = open_dashboard(bind="0.0.0.0", token="t", names=["127.0.0.1"])
    bearer = {"Authorization": "Bearer t"}
    assert abroad.get(ask, headers=bearer).headers["content-encoding"] == "gzip"
    file = abroad.get(f"{ask}/file", params={"path": "run.json"}, headers=bearer)
    assert "content-encoding" not in file.headers
