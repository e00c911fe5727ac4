"""The doors of dead letters: sending again one, some, or all of a code, whatever else happens meanwhile."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import azure.functions as func
import pytest

import bot_http.dead_letters as door
from bot_http import notifications
from ringback.channels.port import Outcome, SendResult
from ringback.delivery.desk import DeliveryDesk, delivery_of
from ringback.delivery.ledger import Ledger
from ringback.delivery.notification import Notification, Stop
from ringback.delivery.sending import dead_letter
from ringback.errors import RetryableError

STOP = Stop(channel="bot", reference="c")
START = datetime(2026, 3, 1, tzinfo=timezone.utc)


class Failures:
    """Deliveries that the channel refuses, each a second after the one before."""

    def __init__(self, tables, engine) -> None:
        self.desk, self.moment = DeliveryDesk(tables, engine), START

    async def new(self, identity, code="Unauthorized"):
        notification = Notification(id=delivery_of(identity), user="ann", category="orders", content={"text": "x"})
        return await self.again(await self.desk.submit(notification, "body"), code)

    async def again(self, row, code="Unauthorized"):
        self.moment += timedelta(seconds=1)
        row = await self.desk.ledger.claim(row, STOP, self.moment)
        row = await self.desk.ledger.complete(row, SendResult(outcome=Outcome.PERMANENT, code=code), self.moment)
        await self.desk.letters.put(dead_letter(row))
        return row

    async def letters(self):
        return [letter.delivery.removeprefix("notify-") for letter in await self.desk.letters.page(size=100)]


@pytest.fixture
def failures(tables, engine) -> Failures:
    return Failures(tables, engine)


@pytest.fixture
def redrive(tables, engine, config, monkeypatch):
    monkeypatch.setattr(door, "tables", lambda: tables)
    for module in (door, notifications):
        monkeypatch.setattr(module, "settings", lambda: config)
    monkeypatch.setattr(door, "DurableClientEngine", lambda _: engine)
    doors = {builder._function._name: builder._function.get_user_function() for builder in door.bp._function_builders}

    async def called(identity=None, **body):
        function = doors["redrive_dead_letter" if identity else "redrive_dead_letters"]
        request = func.HttpRequest("POST", "http://x", body=json.dumps(body).encode(), route_params={"id": identity})
        answer = await getattr(function, "client_function", function)(request, None)
        return answer.status_code, json.loads(answer.get_body())

    return called


async def test_all_of_a_code_come_to_an_end_though_each_fails_again_at_once(failures, redrive, monkeypatch):
    monkeypatch.setattr(door, "LARGEST_PAGE", 2)
    for number in range(5):
        await failures.new(f"n{number}")
    taken, wanted = [], {"code": "Unauthorized"}
    for _ in range(10):
        status, answer = await redrive(**wanted)
        assert (status, answer["skipped"]) == (202, [])
        taken += answer["redriven"]
        for identity in answer["redriven"]:
            await failures.again(await failures.desk.find(identity))
        if not answer["more"]:
            break
        wanted["continuation"] = answer["continuation"]
    assert taken == ["n4", "n3", "n2", "n1", "n0"]
    assert "continuation" not in answer
    assert sorted(await failures.letters()) == sorted(taken)


async def test_the_letter_of_what_others_write_at_this_moment_stays(failures, redrive, monkeypatch):
    await failures.new("n1")

    async def lost(self, row, *, content=False):
        raise RetryableError("somebody else was first")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "save", lost)
        assert await redrive(code="Unauthorized") == (202, {"redriven": [], "skipped": ["n1"], "more": False})
    assert await failures.letters() == ["n1"]
    assert (await redrive(code="Unauthorized"))[1]["redriven"] == ["n1"]
    assert await failures.letters() == []


@pytest.mark.parametrize("by", ["code", "id"])
async def test_a_letter_that_a_crash_left_behind_goes_when_it_is_sent_again(failures, redrive, by):
    row = await failures.new("n1")
    letter = dead_letter(row)
    assert await failures.desk.redrive(row)
    await failures.desk.letters.put(letter)
    if by == "code":
        assert (await redrive(code="Unauthorized"))[1]["skipped"] == ["n1"]
    else:
        assert (await redrive("n1"))[0] == 409
    assert await failures.letters() == []


async def test_what_is_being_removed_for_its_age_is_not_sent_again(failures, redrive):
    row = await failures.new("n1")
    await failures.desk.ledger.withdraw(row)
    assert (await redrive("n1"))[0] == 404
    assert (await redrive(code="Unauthorized"))[1]["skipped"] == ["n1"]
    assert await failures.letters() == []
    assert (await failures.desk.ledger.get("ann", "notify-n1")).state == "failed"


async def test_some_are_sent_again_once_and_the_others_named(failures, redrive):
    for identity in ("n1", "n2"):
        await failures.new(identity)
    status, answer = await redrive(ids=["n1", "n1", "nobody"])
    assert (status, answer) == (202, {"redriven": ["n1"], "skipped": ["nobody"], "more": False})
    assert await failures.letters() == ["n2"]


@pytest.mark.parametrize("body", [{}, {"ids": ["a"], "code": "b"}, {"ids": [str(number) for number in range(501)]}])
async def test_a_request_that_is_not_clear_is_refused(redrive, body):
    status, answer = await redrive(**body)
    assert (status, answer["field"]) == (400, "ids")
