from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import AsyncIterator
from contextlib import aclosing

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ringback.errors import NotFoundError, RequestError, RetryableError, TooLargeError, UnsafeReferenceError
from ringback.files.download import download

MEGABYTE = 1024 * 1024


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    async def body(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * int(request.query["size"]))

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async def status(request: web.Request) -> web.StreamResponse:
        code = int(request.query["code"])
        headers = {"Location": "https://elsewhere.example/secret?sig=abc"} if 300 <= code < 400 else {}
        return web.Response(status=code, headers=headers)

    async def short(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"only this")
        request.transport.close()
        return response

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async def bomb(_: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(b"0" * 3 * MEGABYTE), headers={"Content-Encoding": "gzip"})

    async def secret(request: web.Request) -> web.StreamResponse:
        return web.Response(text=request.headers.get("Authorization", "none"))

    app = web.Application()
    for handler in (body, endless, status, short, slow, bomb, secret):
        app.router.add_get(f"/{handler.__name__}", handler)
    async with TestServer(app) as running:
        yield running


def allow(_: str) -> None:
    pass


async def fetch(url: str, session: aiohttp.ClientSession, **options) -> bytes:
    options = {"max_bytes": MEGABYTE, "check_url": allow, **options}
    async with aclosing(download(str(url), session, **options)) as pieces:
        return b"".join([piece async for piece in pieces])


async def test_a_body_comes_whole_up_to_the_limit(server, session):
    assert len(await fetch(server.make_url("/body?size=1048576"), session)) == MEGABYTE


async def test_headers_reach_the_host(server, session):
    assert await fetch(server.make_url("/secret"), session, headers={"Authorization": "Bearer t"}) == b"Bearer t"


@pytest.mark.parametrize("path", ["/body?size=1048577", "/endless", "/bomb"])
async def test_a_body_over_the_limit_is_refused_naming_it(server, session, path):
    with pytest.raises(TooLargeError, match="limit of 1 MB"):
        await fetch(server.make_url(path), session)


async def test_an_empty_body_is_refused(server, session):
    with pytest.raises(RequestError, match="empty"):
        await fetch(server.make_url("/body?size=0"), session)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (404, NotFoundError, "gone"),
        (410, NotFoundError, "gone"),
        (401, RequestError, "may not read"),
        (403, RequestError, "may not read"),
        (400, RequestError, "HTTP 400"),
        (204, RequestError, "HTTP 204"),
        (302, RequestError, "redirects to elsewhere.example"),
        (408, RetryableError, "408"),
        (429, RetryableError, "429"),
        (500, RetryableError, "500"),
        (503, RetryableError, "503"),
    ],
)
async def test_statuses(server, session, code, error, words):
    with pytest.raises(error, match=words) as raised:
        await fetch(server.make_url(f"/status?code={code}"), session)
    assert "sig=abc" not in str(raised.value)


async def test_a_body_cut_short_is_fetched_again(server, session):
    with pytest.raises(RetryableError):
        await fetch(server.make_url("/short"), session)


async def test_a_slow_host_is_tried_again(server, session):
    with pytest.raises(RetryableError, match="seconds"):
        await fetch(server.make_url("/slow"), session, total_seconds=0.2)


async def test_a_host_that_is_away_is_tried_again(session):
    with pytest.raises(RetryableError):
        await fetch("http://127.0.0.1:1/file.csv", session)


async def test_the_url_is_checked_before_anything_is_sent(server, session):
    def refuse(url: str) -> None:
        raise UnsafeReferenceError(f"{url} is not allowed.")

    with pytest.raises(UnsafeReferenceError):
        await fetch(server.make_url("/body?size=1"), session, check_url=refuse)


@pytest.mark.parametrize(
    "url", ["ftp://host/file", "file:///etc/passwd", "//host/file", "", "http://", "http://[", "http://[x]/f"]
)
async def test_other_addresses_are_refused(session, url):
    with pytest.raises(RequestError):
        await fetch(url, session)


async def test_data_urls(session):
    encoded = base64.b64encode("a,b\n1,ü\n".encode()).decode()
    assert await fetch(f"data:text/csv;base64,{encoded}", session) == "a,b\n1,ü\n".encode()
    assert await fetch("data:,a%2Cb%0A1,2", session) == b"a,b\n1,2"


@pytest.mark.parametrize("url", ["data:text/csv;base64", "data:text/csv;base64,a", "data:text/csv;base64,", "data:,"])
async def test_bad_data_urls_are_refused(session, url):
    with pytest.raises(RequestError):
        await fetch(url, session)


@pytest.mark.parametrize("size", [11, 1000])
async def test_data_urls_have_the_same_limit(session, size):
    encoded = base64.b64encode(b"x" * size).decode()
    with pytest.raises(TooLargeError):
        await fetch(f"data:;base64,{encoded}", session, max_bytes=10)
    assert len(await fetch(f"data:;base64,{encoded}", session, max_bytes=size)) == size
