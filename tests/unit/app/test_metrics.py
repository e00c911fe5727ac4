"""What a process counts, and the two ways in which it tells it."""

from __future__ import annotations

import json
import logging
import re

import azure.functions as func
import msgspec
import pytest

import bot_http.metrics as door
from ringback import metrics
from ringback.channels.port import Outcome, SendResult
from ringback.delivery.ledger import Ledger
from ringback.delivery.notification import Notification, Stop
from ringback.metrics import LOG_COUNTS, LOG_SECONDS, Metrics, exposition
from ringback.tables.references import ReferenceTable, cache_metrics
from tests.unit.app.people import NOW, reference

CACHE = {"hits": 3, "misses": 1, "hitRate": 0.75, "size": 1}
# https://prometheus.io/docs/instrumenting/exposition_formats/ : the lines that there are.
LINE = re.compile(
    r"# HELP [a-z_]+ [^\n]+|# TYPE [a-z_]+ (counter|gauge)"
    r'|[a-z_]+(\{[a-z_]+="(\\.|[^"\\\n])*"(,[a-z_]+="(\\.|[^"\\\n])*")*\})? -?[0-9.]+(e[+-]?[0-9]+)?'
)


async def ask(accept: str | None = None) -> func.HttpResponse:
    [builder] = door.bp._function_builders
    headers = {} if accept is None else {"Accept": accept}
    request = func.HttpRequest("GET", "http://x/api/metrics", headers=headers, body=b"")
    return await builder._function.get_user_function()(request)


def test_every_line_is_one_of_the_format():
    counters = {"attempts": {("bot", "delivered"): 7, ("sms", 'odd "word"\\\n'): 1}, "presses": {("view",): 2}}
    text = exposition(counters, CACHE)
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert 'ringback_attempts_total{channel="bot",outcome="delivered"} 7' in lines
    assert r'ringback_attempts_total{channel="sms",outcome="odd \"word\"\\\n"} 1' in lines
    assert 'ringback_presses_total{action="view"} 2' in lines
    assert "ringback_reference_cache_hits_total 3" in lines
    assert "ringback_reference_cache_hit_ratio 0.75" in lines
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))


def test_every_sample_stands_below_its_type():
    counters = {name: {("x",) * len(family.labels): 1} for name, family in metrics.FAMILIES.items()}
    current = ""
    for line in exposition(counters, CACHE).splitlines():
        if line.startswith("# TYPE"):
            current = line.split()[2]
        elif not line.startswith("#"):
            assert re.match(r"[a-z_]+", line)[0] == current


SCRAPER = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "text"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("text/plain", True),
        ("application/json;q=0.5, text/plain;q=0.4", False),
        ("application/json;q=0.2, text/*;q=0.4", True),
        ("text/plain;q=0, */*", False),
        ("text/plain;q=many", False),
        (SCRAPER, True),
    ],
)
async def test_accept_decides(accept, text):
    answer = await ask(accept)
    kind = "text/plain; version=0.0.4; charset=utf-8" if text else "application/json"
    assert (answer.status_code, answer.headers.get("Content-Type") or answer.mimetype) == (200, kind)


async def test_the_door_tells_the_cache_and_the_counts(tables):
    table, there = ReferenceTable(tables), reference()
    before = cache_metrics()
    await table.recipient("nobody", "nowhere")
    await table.put(there)
    await table.recipient(there.user_key, there.key)
    metrics.count("attempts", "bot", "delivered")
    body = json.loads((await ask()).get_body())
    cache = body["referenceCache"]
    assert (cache["hits"], cache["misses"]) == (before["hits"] + 1, before["misses"] + 1)
    assert 0 < cache["hitRate"] <= 1
    assert cache["size"] >= 1
    assert body["attempts"]["bot/delivered"] >= 1
    assert (body["scope"], body["process"]["uptimeSeconds"] >= 0) == ("process", True)
    text = (await ask("text/plain")).get_body().decode()
    assert f"ringback_reference_cache_hits_total {cache['hits']}" in text


def test_a_line_is_logged_at_each_so_many_counts_and_not_more_often(caplog):
    now = [0.0]
    found = Metrics(lambda: now[0])
    with caplog.at_level(logging.INFO, "ringback.metrics"):
        for _ in range(LOG_COUNTS * 2):
            found.count("presses", "view")
        assert caplog.messages == []
        now[0] = LOG_SECONDS
        found.count("presses", "view")
        for _ in range(LOG_COUNTS):
            found.count("presses", "view")
    [line] = caplog.messages
    told = json.loads(line.removeprefix("metrics "))
    assert told["presses"] == {"view": LOG_COUNTS * 2 + 1}
    assert told["instance"] == metrics.INSTANCE


async def test_the_ledger_counts_each_try_and_each_end_once(tables):
    before = {name: dict(found) for name, found in metrics.counts().items()}

    def added() -> dict[str, dict[tuple[str, ...], int]]:
        now = metrics.counts()
        changes = {name: {key: number - before[name].get(key, 0) for key, number in now[name].items()} for name in now}
        return {name: {key: number for key, number in found.items() if number} for name, found in changes.items()}

    ledger, stop = Ledger(tables), Stop(channel="bot", reference="c")
    sent = Notification(id="d1", user="u", category="x", content={})
    for outcome in ("retry", "ambiguous", "delivered"):
        row = await ledger.claim(await ledger.find(sent, NOW), stop, NOW)
        row = await ledger.complete(row, SendResult(outcome=Outcome(outcome)), NOW)
    row.recalled_at = NOW
    await ledger.save(row)
    await ledger.close(sent, "cancelled", None, NOW)
    died = msgspec.structs.replace(sent, id="d2")
    await ledger.claim(await ledger.find(died, NOW), stop, NOW)
    await ledger.close(died, "failed", "gave-up", NOW)
    tries = {("bot", "retry"): 1, ("bot", "ambiguous"): 1, ("bot", "delivered"): 1}
    ends = {("delivered",): 1, ("failed",): 1}
    assert added() == {"attempts": tries, "deliveries": ends, "ambiguous": {("bot",): 2}, "presses": {}, "removed": {}}
