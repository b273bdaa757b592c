import socket
from pathlib import Path

import pytest

from headway.errors import RunError
from headway.web import serve
from headway.web.serve import address, listen


def test_the_next_free_port_is_taken_where_none_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(serve, "PORT", port)
        with listen("127.0.0.1", None) as found:
            assert port < found.getsockname()[1] < port + serve.TRIES
        monkeypatch.setattr(serve, "TRIES", 1)
        with pytest.raises(RunError, match="all taken; give a free one with --port"):
            listen("127.0.0.1", None)


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("no.such.host.invalid", 0, "--host no.such.host.invalid"),
        ("192.0.2.1", 0, "--host 192.0.2.1"),
        ("127.0.0.1", 70_000, "--port 70000"),
        ("127.0.0.1", -1, "--port -1"),
        ("a" * 300, 0, "--host a"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_line(host: str, port: int, said: str) -> None:
    with pytest.raises(RunError) as caught:
        listen(host, port)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_links() -> None:
    assert address("127.0.0.1", 6160, None) == "http://127.0.0.1:6160/"
    assert address("::1", 6160, None) == "http://[::1]:6160/"
    assert address("0.0.0.0", 6160, "t") == f"http://{socket.gethostname()}:6160/?token=t"


def test_a_folder_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="none: is no folder"):
        serve.serve([tmp_path / "none"], browser=False)
