"""Templates stored, cached and rendered over the real table protocol."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref

import pytest

from ringback.errors import ConflictError, NotFoundError, PreconditionError, RequestError
from ringback.tables.service import Tables, connect
from ringback.tables.templates import TemplateTable
from ringback.templates import library
from ringback.templates.library import Cache, Templates
from tests.unit.app.templates_support import block, body, card, data


def raw(text: str = "Hi {{ name }}", **variants) -> bytes:
    return json.dumps(body(en=text, **variants), ensure_ascii=False).encode()


@pytest.fixture
def templates(tables) -> Templates:
    return Templates(tables)


async def test_a_template_comes_back_as_it_was_stored_and_renders(templates):
    stored, created, found = await templates.put("hello", raw(de="Hallo {{ name }}"))
    assert created
    assert stored.version == 1
    assert found.example["name"] == "sample"
    again = await templates.get("hello")
    assert (again.template, again.etag, again.version) == (stored.template, stored.etag, 1)
    message = await templates.render("hello", data(), locale="de-AT", channel="chat")
    assert (message.text, message.locale) == ("Hallo Ann", "de")


async def test_versions_count_changes_only(templates):
    first, _, _ = await templates.put("hello", raw())
    same, created, _ = await templates.put("hello", raw())
    assert (same.version, same.etag, created) == (1, first.etag, False)
    second, created, _ = await templates.put("hello", raw("Bye {{ name }}"))
    assert (second.version, created) == (2, False)
    assert second.etag != first.etag
    assert (await templates.render("hello", data())).text == "Bye Ann"


async def test_preconditions(templates):
    with pytest.raises(PreconditionError, match="none of that name"):
        await templates.put("hello", raw(), if_match='"1-x"')
    first, _, _ = await templates.put("hello", raw(), if_none_match="*")
    with pytest.raises(PreconditionError, match="already"):
        await templates.put("hello", raw("other"), if_none_match="*")
    second, _, _ = await templates.put("hello", raw("two"), if_match=first.etag)
    with pytest.raises(PreconditionError) as caught:
        await templates.put("hello", raw("three"), if_match=first.etag)
    assert caught.value.field == "If-Match"
    assert caught.value.status == 412
    with pytest.raises(PreconditionError):
        await templates.delete("hello", if_match=first.etag)
    await templates.put("hello", raw("four"), if_match=f'"x", {second.etag}')
    await templates.delete("hello", if_match="*")
    with pytest.raises(NotFoundError):
        await templates.get("hello")


async def test_of_writers_with_one_etag_one_wins(tables):
    first, _, _ = await Templates(tables).put("hello", raw())
    writers = [Templates(tables).put("hello", raw(f"text {number}"), if_match=first.etag) for number in range(5)]
    results = await asyncio.gather(*writers, return_exceptions=True)
    assert sum(isinstance(result, PreconditionError) for result in results) == 4
    free = [Templates(tables).put("hello", raw(f"free {number}")) for number in range(3)]
    versions = sorted(stored.version for stored, _, _ in await asyncio.gather(*free))
    assert versions == [3, 4, 5]


async def test_a_large_template_is_split_and_a_smaller_one_leaves_nothing_of_it(templates, tables):
    long = {
        locale: {"chat": {"text": f"{{{{ name }}}}{letter * 16_000}"}}
        for locale, letter in zip(["de", "fr", "it", "es", "pt", "nl"], "äßöüéœ", strict=True)
    }
    stored, _, _ = await templates.put("large", raw(**long))
    row = await TemplateTable(tables).get("large")
    assert len(row.body) > 2 * 64 * 1024
    assert (await templates.get("large")).template == stored.template
    assert (await templates.render("large", data(), locale="pt")).text.endswith("éé")
    small, _, _ = await templates.put("large", raw())
    assert (await templates.get("large")).template == small.template
    assert len((await TemplateTable(tables).get("large")).body) < 64 * 1024


async def test_what_is_wrong_is_not_stored(templates):
    with pytest.raises(RequestError, match="'nam' is not declared"):
        await templates.put("hello", raw("{{ nam }}"))
    with pytest.raises(NotFoundError):
        await templates.get("hello")


@pytest.mark.parametrize(
    ("variants", "field"),
    [
        ({"en": {"chat": {"text": 1}}}, "variants.en.chat.text"),
        ({"en": {"chat": {"text": "x"}}, "de-AT": {"sms": {"subject": []}}}, "variants.de-AT.sms.subject"),
        ({"en": {"chat": {"words": "x"}}}, "variants.en.chat.words"),
        ({"en": {"chat": "x"}}, "variants.en.chat"),
        ({"en": "x"}, "variants.en"),
        ([], "variants"),
    ],
)
async def test_a_malformed_variant_is_named_by_its_place(templates, variants, field):
    wrong = {"defaultLocale": "en", "schema": {"type": "object"}, "variants": variants}
    with pytest.raises(RequestError) as caught:
        await templates.put("parcel", json.dumps(wrong).encode())
    assert caught.value.field == field
    assert "[...]" not in str(caught.value)


async def test_builtin_templates_can_be_replaced_and_come_back(templates):
    builtin = await templates.get("reminder")
    assert builtin.is_builtin
    assert (await templates.render("reminder", {"text": "tea"})).text == "⏰ **Reminder:** tea"
    with pytest.raises(ConflictError):
        await templates.delete("reminder")
    own = {**body({"type": "object", "properties": {"text": {"type": "string"}}}, en="Own: {{ text|default('-') }}")}
    stored, created, _ = await templates.put("reminder", json.dumps(own).encode(), if_match=builtin.etag)
    assert (stored.version, created) == (1, True)
    assert (await templates.render("reminder", {"text": "tea"})).text == "Own: tea"
    await templates.delete("reminder")
    assert (await templates.render("reminder", {"text": "tea"})).text == "⏰ **Reminder:** tea"


async def test_the_list_has_both(templates):
    await templates.put("zebra", json.dumps({**body(en="x"), "description": "Stripes"}).encode())
    await templates.put("reminder", raw())
    listed = {entry.name: entry for entry in await templates.listed()}
    assert list(listed) == sorted(listed)
    assert (listed["zebra"].version, listed["zebra"].description) == (1, "Stripes")
    assert listed["reminder"].version == 1
    assert listed["order-created"].version == 0


@pytest.mark.parametrize("name", ["nothing", "No Slug", "a'b", "x" * 2000, ""])
async def test_unknown_templates(templates, name):
    with pytest.raises(NotFoundError) as caught:
        await templates.render(name, {})
    assert caught.value.field == "template"
    with pytest.raises(NotFoundError):
        await templates.delete(name)


async def test_what_was_read_is_kept_for_a_time(config, tables):
    now = [0.0]
    ours = Templates(tables, Cache(lambda: now[0]))
    elsewhere_tables = Tables(connect(config))
    elsewhere = Templates(elsewhere_tables)
    await ours.put("hello", raw("one"))
    assert (await ours.render("hello", data())).text == "one"
    await elsewhere.put("hello", raw("two"))
    assert (await ours.render("hello", data())).text == "one"
    now[0] = library.CACHE_SECONDS + 1
    assert (await ours.render("hello", data())).text == "two"
    await elsewhere_tables.close()


async def test_many_who_ask_at_a_time_read_once():
    cache, reads = Cache(), []

    async def load():
        reads.append(1)
        await asyncio.sleep(0.01)

    await asyncio.gather(*(cache.get("x", load) for _ in range(50)))
    assert len(reads) == 1
    await cache.get("x", load)
    assert len(reads) == 1
    assert (cache.hits, cache.misses) == (1, 50)


async def test_the_cache_is_bounded_and_forgets_failures(monkeypatch):
    monkeypatch.setattr(library, "CACHE_SIZE", 3)
    cache = Cache()

    async def load():
        return None

    async def fail():
        raise OSError("no storage")

    for number in range(10):
        await cache.get(str(number), load)
    assert len(cache._kept) == 3
    with pytest.raises(OSError, match="no storage"):
        await cache.get("failing", fail)
    assert await cache.get("failing", load) is None


async def test_a_read_that_began_before_a_change_is_not_kept():
    cache, gate = Cache(), asyncio.Event()

    async def slow():
        await gate.wait()
        return "old"

    async def fresh():
        return "new"

    reading = asyncio.create_task(cache.get("x", slow))
    await asyncio.sleep(0)
    cache.forget("x")
    gate.set()
    assert await reading == "old"
    assert await cache.get("x", fresh) == "new"


async def test_the_cache_goes_with_its_tables(config):
    gone = Tables(connect(config))
    await Templates(gone).listed()
    await gone.close()
    mark = weakref.ref(gone)
    del gone
    gc.collect()
    assert mark() is None


async def test_a_card_that_is_too_much_for_its_data_names_the_card(templates):
    await templates.put(
        "cards",
        json.dumps(
            body(en={"chat": {"card": card(block("${title}", **{"$data": "${items}"}), block("${name}"))}})
        ).encode(),
    )
    with pytest.raises(RequestError) as caught:
        await templates.render("cards", data(items=[{"title": "x" * 200, "price": 1}] * 250))
    assert caught.value.field == "variants.en.chat.card"
