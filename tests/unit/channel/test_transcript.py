"""What the log holds when something fails half-way."""

import pytest

from local.channel.database import Database
from local.channel.store import Store
from local.channel.transcript import Transcript


@pytest.fixture
def database(tmp_path):
    made = Database(tmp_path)
    yield made
    made.close()


@pytest.fixture
def transcript(database):
    from local.channel.account import Account

    Account(database)
    store = Store(database)
    database.connection.execute(
        "INSERT INTO conversations (id, channel_id, user_id, user_name, locale, tenant_id, created_at)"
        " VALUES ('c', 'msteams', 'u', '', '', '', '')"
    )
    return Transcript(store)


def texts(transcript):
    return [activity.get("text") for _, activity in transcript.store.after("c", 0, 100)]


def test_a_message_is_gone_and_its_notice_there_or_neither(transcript, monkeypatch):
    conversation = transcript.store.conversation("c")
    activity_id = transcript.from_bot(conversation, {"type": "message", "text": "one"})

    def full(*_, **__):
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(transcript.store, "append", full)
        with pytest.raises(OSError):
            transcript.remove(conversation, {"type": "messageDelete", "id": activity_id})
    assert texts(transcript) == ["one"]
    transcript.remove(conversation, {"type": "messageDelete", "id": activity_id})
    assert texts(transcript) == [None]


async def test_what_is_held_is_not_forgotten_when_the_disk_was_full(transcript, monkeypatch):
    def full(_):
        raise OSError("no space left")

    conversation = transcript.store.conversation("c")
    with monkeypatch.context() as broken, pytest.raises(OSError):
        broken.setattr(transcript.store, "release", full)
        with transcript.turn("c"):
            transcript.from_bot(conversation, {"type": "message", "text": "held"})
    assert texts(transcript) == []
    transcript.from_bot(conversation, {"type": "message", "text": "next"})
    assert texts(transcript) == ["held", "next"]


async def test_what_is_held_goes_out_when_its_echo_could_not_be_kept(transcript, database):
    conversation = transcript.store.conversation("c")
    with pytest.raises(RuntimeError), transcript.turn("c"):
        transcript.from_bot(conversation, {"type": "message", "text": "held"})
        with database.transaction():
            transcript.echo(conversation, {"type": "message", "text": "echo"})
            transcript.settle("c")
            assert texts(transcript) == ["echo", "held"]
            raise RuntimeError
    assert texts(transcript) == ["held"]


async def test_what_is_held_goes_out_when_what_released_it_was_undone(transcript, database):
    conversation = transcript.store.conversation("c")
    with transcript.turn("c"):
        transcript.from_bot(conversation, {"type": "message", "text": "held"})
        with pytest.raises(RuntimeError), database.transaction():
            transcript.replace(conversation, {"type": "message", "text": "changed"})
            raise RuntimeError
        assert texts(transcript) == []
    assert texts(transcript) == ["held"]


async def test_what_is_held_waits_for_the_echoes_of_all_turns(transcript):
    conversation = transcript.store.conversation("c")
    with transcript.turn("c"):
        with transcript.turn("c"):
            transcript.from_bot(conversation, {"type": "message", "text": "held"})
            transcript.settle("c")
            assert texts(transcript) == []
        assert texts(transcript) == []
        transcript.settle("c")
        assert texts(transcript) == ["held"]


def test_transactions_inside_one_another_are_one(database):
    with pytest.raises(RuntimeError), database.transaction():
        with database.transaction():
            database.keep("inner", b"1")
        raise RuntimeError
    assert database.kept("inner", b"0") == b"0"
    with database.transaction():
        database.keep("outer", b"1")
    assert database.kept("outer") == b"1"


def test_a_commit_that_fails_leaves_no_transaction_open(database):
    connection = database.connection
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    connection.execute("CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(Exception, match="FOREIGN KEY"), database.transaction():
        connection.execute("INSERT INTO child VALUES (1)")
    assert not connection.in_transaction
    with database.transaction():
        connection.execute("INSERT INTO parent VALUES (1)")


def test_an_older_account_makes_room(tmp_path):
    from local.channel.account import Account, Addressee

    database = Database(tmp_path)
    database.connection.execute("CREATE TABLE sends (seq INTEGER PRIMARY KEY, key TEXT)")
    account = Account(database)
    assert account.asked("send", "c", Addressee(), [{"type": "message"}]) == [1]
    database.close()
