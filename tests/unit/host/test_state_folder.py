from __future__ import annotations

import errno
import re
import sqlite3
from pathlib import Path

import pytest

from local.host import statelock
from local.host.database import FORMAT, Database, StateError
from local.host.host_id import FILE, host_id
from local.host.keys import Keys


def test_the_format_is_in_the_file_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "host.db"
    Database(path).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        connection.execute(f"PRAGMA user_version={FORMAT + 1}")
    connection.close()
    with pytest.raises(StateError, match="newer host"):
        Database(path)


def test_an_older_format_is_migrated(tmp_path: Path, monkeypatch) -> None:
    from local.host import database

    path = tmp_path / "host.db"
    Database(path).close()
    monkeypatch.setattr(database, "FORMAT", FORMAT + 1)
    monkeypatch.setattr(database, "MIGRATIONS", {FORMAT: ("ALTER TABLE meta ADD COLUMN note TEXT",)})
    opened = Database(path)
    assert opened.rows("PRAGMA user_version") == [(FORMAT + 1,)]
    assert opened.rows("SELECT key, value, note FROM meta") == []
    opened.close()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "host.db")
    with pytest.raises(ZeroDivisionError), database.transaction() as run:
        run("INSERT INTO meta VALUES ('a', 'b')")
        raise ZeroDivisionError
    assert database.rows("SELECT * FROM meta") == []
    database.close()


def test_one_host_a_folder(tmp_path: Path) -> None:
    held = statelock.lock(tmp_path / "state")
    with pytest.raises(StateError, match="in use by another host"):
        statelock.lock(tmp_path / "state")
    held.close()
    statelock.lock(tmp_path / "state").close()


def test_keys_are_made_once(tmp_path: Path) -> None:
    database = Database(tmp_path / "host.db")
    first, second = Keys(database, enforced=True), Keys(database, enforced=True)
    assert first.master == second.master
    assert first.of_function("Door") == first.of_function("door")
    again = Keys(database, enforced=True)
    assert again.of_function("door") == first.of_function("door")
    assert len({first.master, first.host, first.durable, first.event_grid, first.of_function("door")}) == 5
    database.close()


def test_a_disk_without_locks_is_no_other_host(tmp_path: Path, monkeypatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(StateError, match=r"cannot be used \(No locks available: host\.lock\)\. .* --state"):
        statelock.lock(tmp_path / "state")


def test_a_folder_that_may_not_be_made(tmp_path: Path, monkeypatch) -> None:
    def mkdir(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(StateError, match=r"cannot be used \(Permission denied: .*state\)"):
        statelock.lock(tmp_path / "state")


def test_a_lock_file_with_anything_in_it(tmp_path: Path) -> None:
    (tmp_path / "host.lock").write_bytes(b"\xff\xfe")
    held = statelock.lock(tmp_path)
    with pytest.raises(StateError, match=r"another host \(process \d+\)"):
        statelock.lock(tmp_path)
    held.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (sqlite3.OperationalError("database or disk is full"), "the disk is full. Free some space"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "this process may read and write it"),
        (sqlite3.OperationalError("database is locked"), "no other program holds it"),
        (sqlite3.OperationalError("no such table: instances"), "is damaged, or is no state file of this host"),
        (sqlite3.OperationalError("table meta already exists"), "is damaged, or is no state file of this host"),
        (sqlite3.DatabaseError("file is not a database"), "is damaged, or is no state file of this host"),
    ],
)
def test_what_keeps_a_state_file_from_being_used_is_told(tmp_path: Path, monkeypatch, error, told: str) -> None:
    def connect(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(StateError, match=told):
        Database(tmp_path / "host.db")


def test_a_host_is_known_by_its_state_folder(tmp_path: Path) -> None:
    known = host_id(tmp_path / "state")
    assert re.fullmatch("[a-z0-9-]{1,32}", known)
    assert known != host_id(tmp_path / "other")
    (tmp_path / "state").rename(tmp_path / "moved")
    assert known == host_id(tmp_path / "moved")
    (tmp_path / "moved" / FILE).write_text("")
    assert known != host_id(tmp_path / "moved")
    with pytest.raises(StateError, match="give another one with --state"):
        host_id(tmp_path / "moved" / FILE)
