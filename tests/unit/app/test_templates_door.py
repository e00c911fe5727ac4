"""The HTTP doors of templates, called as the Functions worker calls them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import azure.functions as func
import pytest

import bot_http.templates as door
from tests.unit.app.templates_support import block, body, card, data

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def call(tables, monkeypatch):
    monkeypatch.setattr(door, "tables", lambda: tables)
    functions = {builder._function.get_function_name(): builder._function for builder in door.bp._function_builders}

    async def called(function: str, name: str = "", given=None, **headers: str) -> tuple[int, object, dict]:
        content = given if isinstance(given, bytes) else json.dumps(given).encode() if given is not None else b""
        request = func.HttpRequest(
            method="POST",
            url=f"http://127.0.0.1/api/templates/{name}",
            headers={key.replace("_", "-"): value for key, value in headers.items()},
            route_params={"name": name},
            body=content,
        )
        answer = await functions[function].get_user_function()(request)
        text = answer.get_body()
        return answer.status_code, json.loads(text) if text else None, dict(answer.headers)

    return called


async def test_a_template_lives_and_dies(call):
    given = body(en={"chat": {"text": "Hi {{ name }}", "card": card(block("${name}"))}})
    status, answer, headers = await call("put_template", "hello", given)
    assert (status, answer["version"], answer["builtin"]) == (201, 1, False)
    assert headers["Location"] == "/api/templates/hello"
    etag = headers["ETag"]
    status, found, headers = await call("get_template", "hello")
    assert (status, headers["ETag"], found["variants"]) == (200, etag, given["variants"])
    assert (await call("get_template", "hello", If_None_Match=etag))[0] == 304
    # What was read can be changed and sent back, its state and all.
    found["description"] = "changed"
    status, answer, headers = await call("put_template", "hello", found, If_Match=etag)
    assert (status, answer["version"], answer["description"]) == (200, 2, "changed")
    status, answer, _ = await call("put_template", "hello", found, If_Match=etag)
    assert (status, answer["field"], answer["title"]) == (412, "If-Match", "Precondition failed")
    assert (await call("delete_template", "hello", If_Match=etag))[0] == 412
    assert (await call("delete_template", "hello", If_Match=headers["ETag"]))[0] == 204
    assert (await call("get_template", "hello"))[0] == 404


async def test_what_is_wrong_is_a_problem_that_names_the_field(call):
    status, answer, _ = await call("put_template", "hello", body(en="{{ nam }}"))
    assert (status, answer["field"]) == (400, "variants.en.chat.text")
    assert "'nam' is not declared" in answer["detail"]
    status, answer, _ = await call("put_template", "hello", b"{")
    assert (status, answer["field"]) == (400, "body")
    assert (await call("put_template", "hello", b"x" * 300_000))[0] == 413
    assert (await call("put_template", "No", body(en="x")))[1]["field"] == "name"


async def test_the_list(call):
    await call("put_template", "hello", body(en="x"))
    status, answer, _ = await call("list_templates")
    assert status == 200
    names = {entry["name"]: entry for entry in answer["templates"]}
    assert names["hello"]["builtin"] is False
    assert names["azure-monitor-alert"]["builtin"] is True


async def test_previews(call):
    given = body(en={"chat": {"text": "Hi {{ name }}", "card": card(block("${name}"))}}, de="Hallo {{ name }}")
    await call("put_template", "hello", given)
    status, answer, _ = await call("preview_template", "hello", {"data": data(), "locale": "en-GB"})
    assert status == 200
    assert (answer["text"], answer["locale"], answer["fallbackText"]) == ("Hi Ann", "en", "Hi Ann")
    assert answer["card"]["body"][0]["text"] == "Ann"
    assert answer["activity"]["attachments"]
    sizes = answer["sizes"]
    assert 0 < sizes["card"] < sizes["message"] < sizes["messageLimit"] == 80 * 1024
    status, answer, _ = await call("preview_template", "hello", {"locale": "de", "channel": "email"})
    assert (answer["variant"], answer["subject"]) == ("chat", "Hallo sample")
    assert "<p>Hallo sample</p>" in answer["html"]
    assert (await call("preview_template", "order-created"))[0] == 200


@pytest.mark.parametrize(
    ("name", "given", "status", "field"),
    [
        ("nothing", {}, 404, "template"),
        ("order-created", {"data": {}}, 400, "data.orderNumber"),
        ("order-created", {"data": {"orderNumber": 7}}, 400, "data.orderNumber"),
        ("order-created", {"data": []}, 400, "data"),
        ("order-created", {"channel": "fax"}, 400, "channel"),
        ("order-created", {"locale": 7}, 400, "locale"),
        ("order-created", {"lang": "de"}, 400, "lang"),
        ("order-created", b"{", 400, None),
    ],
)
async def test_previews_that_cannot_be(call, name, given, status, field):
    found, answer, _ = await call("preview_template", name, given)
    assert (found, answer.get("field")) == (status, field)


def test_the_door_costs_an_import_nothing_heavy():
    code = "import sys, bot_http.templates; print([name for name in ('jinja2', 'jsonschema') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
