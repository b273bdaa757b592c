import logging
import sqlite3
from pathlib import Path

import pytest

from headway.errors import RunError
from headway.store.index import schema


@pytest.fixture
def migrations(monkeypatch: pytest.MonkeyPatch) -> dict[str, schema.Migration]:
    """The real ones, and room for more."""
    copy = dict(schema.MIGRATIONS)
    monkeypatch.setattr(schema, "MIGRATIONS", copy)
    return copy


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_new_index_has_every_table_and_writes_ahead(tmp_path: Path) -> None:
    connection = schema.open_index(tmp_path / "new" / "index.db")
    assert tables(connection) == {"migrations", "projects", "names", "runs", "config", "metrics", "series", "chunks"}
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_an_older_index_is_migrated_once_with_a_backup(
    tmp_path: Path, migrations: dict[str, schema.Migration], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "index.db"
    old = schema.open_index(path)
    old.execute("INSERT INTO names(name) VALUES ('kept')")
    old.close()
    migrations["m999_colour"] = lambda connection: connection.execute("ALTER TABLE runs ADD COLUMN colour TEXT")
    for _ in range(2):
        connection = schema.open_index(path)
        assert connection.execute("SELECT name FROM names").fetchall() == [("kept",)]
        assert connection.execute("SELECT colour FROM runs").fetchall() == []
        connection.close()
    assert caplog.text.count("schema brought up to date") == 1
    backup = sqlite3.connect(tmp_path / "index.db.before-m999_colour")
    assert backup.execute("SELECT name FROM names").fetchall() == [("kept",)]
    assert "colour" not in {row[1] for row in backup.execute("PRAGMA table_info(runs)")}
    backup.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, migrations: dict[str, schema.Migration]) -> None:
    path = tmp_path / "index.db"
    schema.open_index(path).close()

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half(a)")
        raise sqlite3.OperationalError("disk full")

    migrations["m999_broken"] = broken
    with pytest.raises(RunError, match="disk full"):
        schema.open_index(path)
    del migrations["m999_broken"]
    connection = schema.open_index(path)
    assert "half" not in tables(connection)
    connection.close()


def test_a_newer_index_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    connection = schema.open_index(path)
    connection.execute("INSERT INTO migrations VALUES ('m900_from_the_future')")
    connection.close()
    with pytest.raises(RunError, match=r"index\.db: .*newer Headway \(m900_from_the_future\); delete the file"):
        schema.open_index(path)
    assert path.exists()


@pytest.mark.parametrize("content", [b"not a database" * 1000, b"SQLite format 3\0" + b"\xff" * 9000])
def test_an_index_that_cannot_be_read_is_set_aside(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        connection = schema.open_index(path)
    assert "runs" in tables(connection)
    assert (tmp_path / "index.db.unreadable").read_bytes() == content
    assert "made anew" in caplog.text
    connection.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"index\.db: the index cannot be opened"):
        schema.open_index(tmp_path / "file" / "index.db")
