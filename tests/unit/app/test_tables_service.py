"""The client of the tables: what of the environment it heeds, and what it writes to the log."""

from __future__ import annotations

import logging

import pytest
from aiohttp import web

from ringback.tables.service import USERS, Tables, connect
from tests.unit.app.conftest import free_port

PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in PROXY_NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def create(config) -> None:
    tables = Tables(connect(config))
    try:
        await tables.get(USERS)
    finally:
        await tables.close()


async def test_no_netrc_takes_the_place_of_the_account_key(config, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    await create(config)


async def test_a_proxy_of_the_environment_is_used(config, monkeypatch):
    asked = []

    async def proxy(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.Response(status=204)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", proxy)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    try:
        await create(config)
    finally:
        await runner.cleanup()
    assert asked


async def test_a_request_writes_no_line_to_the_log_of_the_app(config, caplog):
    caplog.set_level(logging.INFO)
    await create(config)
    assert [record for record in caplog.records if record.name.startswith("azure")] == []
