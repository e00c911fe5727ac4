from __future__ import annotations

import sqlite3

import pytest

from local.services.tables import clock, store
from local.services.tables.errors import ServiceError
from local.services.tables.filter_syntax import parse_filter
from local.services.tables.store import Query, Store, read_page


@pytest.fixture
def opened(tmp_path):
    made = Store(tmp_path)
    yield made
    made.close()


def test_versions_grow_whatever_the_clock_does(opened, monkeypatch):
    opened.create_table("Any")
    table = opened.table_id("any")
    monkeypatch.setattr(store, "now_ticks", lambda: 1000)
    row = opened.insert(table, "p", "r", b"{}")
    versions = [row.ticks]
    for now in (1000, 500, 2000):
        monkeypatch.setattr(store, "now_ticks", lambda now=now: now)
        row = opened.replace(table, row, b"{}")
        versions.append(row.ticks)

    assert versions == sorted(set(versions))


def test_a_version_grows_over_a_restart_with_the_clock_set_back(tmp_path, monkeypatch):
    first = Store(tmp_path)
    first.create_table("Any")
    monkeypatch.setattr(store, "now_ticks", lambda: 5000)
    row = first.insert(first.table_id("Any"), "p", "r", b"{}")
    first.close()
    monkeypatch.setattr(store, "now_ticks", lambda: 100)
    second = Store(tmp_path)
    table = second.table_id("Any")
    assert second.replace(table, second.get(table, "p", "r"), b"{}").ticks > row.ticks
    second.close()


def test_what_a_deleted_table_left_is_deleted_in_steps(opened):
    opened.create_table("Gone")
    opened.create_table("Kept")
    gone, kept = opened.table_id("Gone"), opened.table_id("Kept")
    with opened.transaction():
        for n in range(1200):
            opened.insert(gone, "p", f"{n:04d}", b"{}")
        opened.insert(kept, "p", "r", b"{}")
    opened.delete_table("gone")

    steps = 0
    while opened.purge():
        steps += 1

    assert steps == 3
    assert opened.get(gone, "p", "0000") is None
    assert opened.get(kept, "p", "r")


def test_a_failed_transaction_leaves_nothing(opened):
    opened.create_table("Any")
    table = opened.table_id("Any")
    with pytest.raises(ServiceError), opened.transaction():
        opened.insert(table, "p", "a", b"{}")
        opened.insert(table, "p", "a", b"{}")

    assert opened.get(table, "p", "a") is None


def test_a_query_that_takes_too_long_answers_with_what_it_has(opened, monkeypatch):
    opened.create_table("Any")
    table = opened.table_id("Any")
    with opened.transaction():
        for n in range(1000):
            opened.insert(table, "p", f"{n:04d}", b'{"n":1}')
    monkeypatch.setattr(store, "_SCAN_SECONDS", -1)
    expression = parse_filter("n eq 2")
    page = read_page(opened.connect(), Query(table, expression, None, 1000))

    assert page.rows == []
    assert page.continuation == ("p", "0255")


def test_a_page_holds_4_mib_at_most_and_one_row_at_least(opened):
    opened.create_table("Any")
    table = opened.table_id("Any")
    for n, size in enumerate([5_000_000, 10, 2_000_000, 2_000_000, 2_000_000]):
        opened.insert(table, "p", f"{n}", b" " * size + b"{}")
    sizes = []
    start = None
    while start or not sizes:
        page = read_page(opened.connect(), Query(table, None, start, 1000))
        sizes.append(len(page.rows))
        start = page.continuation

    assert sizes == [1, 3, 1]


def test_a_commit_that_fails_leaves_no_transaction_open(opened):
    opened.create_table("Any")
    table = opened.table_id("Any")
    opened._db.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    opened._db.execute("CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    opened._db.execute("PRAGMA foreign_keys=ON")
    with pytest.raises(sqlite3.IntegrityError), opened.transaction():
        opened.insert(table, "p", "a", b"{}")
        opened._db.execute("INSERT INTO child VALUES (1)")

    assert opened.get(table, "p", "a") is None
    with opened.transaction():
        opened.insert(table, "p", "b", b"{}")


@pytest.mark.parametrize(
    ("text", "trimmed"),
    [
        ("2024-02-29T12:30:15.1234567Z", "2024-02-29T12:30:15.1234567Z"),
        ("2024-02-29T12:30:15.1200000Z", "2024-02-29T12:30:15.12Z"),
        ("2024-02-29T12:30:15", "2024-02-29T12:30:15Z"),
        ("2024-02-29T12:30:15+05:30", "2024-02-29T07:00:15Z"),
        ("1601-01-01T00:00:00Z", "1601-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z"),
    ],
)
def test_moments(text, trimmed):
    assert clock.format_ticks(clock.parse_ticks(text), trimmed=True) == trimmed


def test_an_etag_is_recognised_however_its_colons_are_written():
    ticks = clock.parse_ticks("2024-02-29T12:30:15.1234567Z")

    assert clock.etag(ticks) == "W/\"datetime'2024-02-29T12%3A30%3A15.1234567Z'\""
    assert clock.same_etag("W/\"datetime'2024-02-29T12:30:15.1234567Z'\"", ticks)
    assert not clock.same_etag(clock.etag(ticks + 1), ticks)
