"""The channel as a program: what it acknowledged survives kill -9; ports, pipes and signals."""

import asyncio
import signal
import socket
import sys

import aiohttp
import pytest

from tests.contract.channel.conftest import ROOT, Program, free_port
from tests.local_channel import ended


async def test_kill_9_loses_nothing_that_was_acknowledged(program, bot):
    conversation, token, _ = await program.open()
    await program.say(conversation, token, "hi")
    question = bot.of_type("message")[0]
    seen, watermark = await program.activities(conversation, token)
    acknowledged = []

    async def send_until_killed():
        try:
            for number in range(10_000):
                status, answer = await bot.say(question, f"m{number}")
                assert status == 200
                acknowledged.append(answer["id"])
        except aiohttp.ClientError:
            return

    for _ in range(3):
        sending, enough = asyncio.ensure_future(send_until_killed()), len(acknowledged) + 20
        while len(acknowledged) < enough and not sending.done():
            await asyncio.sleep(0.02)
        await program.stop(signal.SIGKILL)
        await sending
        await program.start()
        more, watermark = await program.activities(conversation, token, watermark)
        seen += more
    while True:
        more, watermark = await program.activities(conversation, token, watermark)
        if not more:
            break
        seen += more
    ids = [activity["id"] for activity in seen]
    assert len(ids) == len(set(ids))
    assert [each for each in ids if each in set(acknowledged)] == acknowledged
    assert len(acknowledged) >= 60
    assert (await program.say(conversation, token, "still here")).status == 200


async def test_sigterm_ends_it_cleanly_with_open_streams(program, bot):
    _, _, started = await program.open()
    wire = await program.session.get(f"{program.url}/admin/wire/stream")
    async with program.session.ws_connect(started["streamUrl"]) as stream:
        program.process.send_signal(signal.SIGTERM)
        assert (await asyncio.wait_for(stream.receive(), 60)).data == 1001
        assert await asyncio.wait_for(program.process.wait(), 60) == 0
    wire.close()


async def test_sigterm_does_not_wait_for_a_slow_bot(program, bot):
    conversation, token, _ = await program.open()
    await bot.heard("conversationUpdate")
    bot.delay = 120
    turn = asyncio.ensure_future(program.say(conversation, token, "hi"))
    await bot.heard("message")
    program.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(program.process.wait(), 60) == 0
    with pytest.raises(aiohttp.ClientError):
        await turn


async def test_it_ends_with_its_parents_pipe(tmp_path, bot):
    program = Program(tmp_path / "state", bot)
    program.arguments = ("--end-with-parent",)
    await program.start()
    program.process.stdin.close()
    assert await asyncio.wait_for(program.process.wait(), 60) == 0
    await program.stop()


async def test_a_taken_port_is_exit_2_naming_the_option(program, tmp_path):
    status, err = await _run(
        "--bot", "http://127.0.0.1:1/", "--port", str(program.port), "--state", str(tmp_path / "b")
    )
    assert status == 2
    assert err.strip() == f"port {program.port} is taken: choose another one with --port"


async def test_state_in_use_is_exit_2_naming_the_option(program):
    arguments = ("--bot", "http://127.0.0.1:1/", "--port", str(free_port()), "--state", str(program.state))
    status, err = await _run(*arguments)
    assert status == 2
    assert "--state" in err


@pytest.mark.parametrize("content", [b"this is no database, " * 400, None])
async def test_state_that_cannot_be_used_is_exit_2_naming_the_option(tmp_path, content):
    state = tmp_path / "state"
    if content is None:
        state.write_bytes(b"a file where the folder should be")
    else:
        state.mkdir()
        (state / "channel.db").write_bytes(content)
    status, err = await _run("--bot", "http://127.0.0.1:1/", "--port", str(free_port()), "--state", str(state))
    assert status == 2
    assert str(state) in err
    assert err.strip().endswith("choose another folder with --state")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--port", "65536", "65535"),
        ("--port", "0", "65535"),
        ("--port", "x", "65535"),
        ("--host", "203.0.113.7", "--host"),
    ],
)
async def test_an_address_that_cannot_be_is_exit_2_naming_the_option(tmp_path, option, value, said):
    given = ("--bot", "http://127.0.0.1:1/", "--port", str(free_port()), "--state", str(tmp_path), option, value)
    status, err = await _run(*given)
    assert status == 2
    assert option in err
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("localhost", "localhost")],
)
async def test_it_is_reached_where_it_listens(tmp_path, bot, host, url):
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    program = Program(tmp_path / "state", bot)
    program.url = f"http://{url}:{program.port}"
    program.arguments = ("--host", host)
    await program.start()
    try:
        conversation, token, started = await program.open()
        assert started["streamUrl"].startswith(f"ws://{url}:{program.port}/")
        assert (await program.say(conversation, token, "hi")).status == 200
        assert await program.texts(conversation, token) == ["hi", "echo: hi"]
    finally:
        await program.stop()


async def test_a_bot_that_is_no_url_is_exit_2(tmp_path):
    status, err = await _run("--bot", "localhost:7071", "--port", str(free_port()), "--state", str(tmp_path))
    assert status == 2
    assert "--bot must be an http or https URL" in err


@pytest.mark.parametrize("option", ["--limit", "--fault"])
async def test_an_option_that_means_nothing_is_exit_2(tmp_path, option):
    given = ("--bot", "http://127.0.0.1:1/", "--port", str(free_port()), "--state", str(tmp_path), option, "nonsense")
    status, err = await _run(*given)
    assert status == 2
    assert option in err
    assert "nonsense" in err


def _has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def _run(*arguments):
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local.channel", *arguments, cwd=ROOT, stdout=pipe, stderr=pipe
    )
    return await ended(process)
