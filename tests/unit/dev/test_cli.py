from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from local.dev import benchmarks, cli, up
from local.dev.console import Console
from local.dev.errors import DevError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def started(monkeypatch):
    """Commands that would replace this process, as (module and its arguments, environment)."""
    calls: list[tuple[list[str], dict]] = []
    monkeypatch.setattr(cli.environment, "enter", lambda *_: None)
    monkeypatch.setattr(cli.os, "execve", lambda _path, command, environ: calls.append((command[2:], environ)))
    monkeypatch.setattr(cli.os, "chdir", lambda _path: None)
    return calls


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["test", "-k", "x", "--host=http://h"], ["pytest", "-k", "x", "--host=http://h"]),
        (["chat", "--user", "dl_me"], ["local.channel.chat", "--user", "dl_me"]),
        (["host", "start", "--app", "."], ["local.host", "start", "--app", "."]),
        (["channel", "--bot", "u", "--webchat", "d"], ["local.channel", "--bot", "u", "--webchat", "d"]),
        (["bench", "import", "--rounds", "1"], ["bench.import_time", "--rounds", "1"]),
    ],
)
def test_a_command_becomes_its_module(started, arguments, command):
    cli.run(arguments)

    assert started[0][0] == command
    assert started[0][1]["PYTHONPATH"].split(":")[0] == str(ROOT)


def test_the_channel_alone_serves_the_page_too(started):
    cli.run(["channel", "--bot", "u"])

    assert started[0][0][-2:] == ["--webchat", str(ROOT / ".local" / "webchat")]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_needs_nothing_installed(arguments):
    isolated = [sys.executable, "-S", "-I", str(ROOT / "dev.py"), *arguments]
    done = subprocess.run(isolated, capture_output=True, text=True, check=False)

    # -I keeps the script's folder off the path, as a Python without site-packages would not.
    if done.returncode:
        done = subprocess.run([sys.executable, "-S", *isolated[3:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert all(name in done.stdout for name in cli.COMMANDS)


def test_an_unknown_command_is_refused_with_the_list(capsys):
    assert cli.run(["nonsense"]) == 2
    assert "python3 dev.py COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "x"],
        ["--port", "0"],
        ["--port", "65536"],
        ["--port", "-1"],
        ["--port", "٣"],
        ["--tables-port", "7071"],
        ["--smtp-port", "7071"],
        ["--outbox-port", "3978"],
        ["--state="],
        ["--nonsense"],
        ["extra"],
    ],
)
def test_wrong_options_of_up_are_told_before_anything_is_installed(monkeypatch, arguments):
    monkeypatch.setattr(cli.environment, "enter", lambda *_: pytest.fail("installed"))
    with pytest.raises(SystemExit) as refusal:
        cli.run(["up", *arguments])

    assert refusal.value.code == 2


def test_up_starts_the_real_programs(tmp_path):
    ports = ["--port", "1001", "--channel-port", "1002", "--tables-port", "1003", "--outbox-port", "1004"]
    options = up.parse([*ports, "--smtp-port", "1005", "--enable-auth"])
    programs = up.programs(options._replace(state=tmp_path))
    commands = {name: " ".join(program.command[2:]) for name, program in programs.items()}

    assert list(commands) == ["tables", "outbox", "channel", "host"]
    assert commands["tables"] == f"local.services.tables --port 1003 --state {tmp_path}/tables --end-with-parent"
    assert commands["outbox"].startswith("local.services.outbox --port 1004 --smtp-port 1005 --state ")
    assert commands["channel"].startswith("local.channel --bot http://127.0.0.1:1001/api/messages ")
    assert "--outbox http://127.0.0.1:1004/outbox" in commands["channel"]
    assert commands["host"].startswith(
        f"local.host start --app {ROOT} --port 1001 --state {tmp_path}/host --enable-auth"
    )
    assert all(command.endswith("--end-with-parent") for command in commands.values())


def test_the_welcome_names_the_channel_only_when_it_is_not_where_chat_looks():
    assert "dev.py chat\n" in "\n".join(up.welcome(up.parse([])))
    assert "dev.py chat --channel http://127.0.0.1:4000" in "\n".join(up.welcome(up.parse(["--channel-port", "4000"])))


def test_benchmarks_are_known_by_the_name_in_their_help():
    known = benchmarks.known()

    assert {"import", "tables", "send", "inbound", "analyze", "deliver", "host", "channel"} <= known.keys()
    assert known["import"][0] == "bench.import_time"
    # What only serves a benchmark can be run as well, and is none.
    assert not {"fake_channel", "fake-channel", "host_peer", "cloud", "sdk"} & known.keys()
    with pytest.raises(DevError, match="tables"):
        benchmarks.check(["nonsense"])


def test_the_benchmarks_are_listed_for_who_asks(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.run(["bench", "--help"])
    assert "  send " in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(benchmarks.known()))
def test_every_benchmark_tells_its_options(name):
    asked = [sys.executable, "-m", benchmarks.module_of(name), "--help"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: dev.py bench {name} ")


def test_a_console_that_nobody_reads_is_no_error():
    class Closed(io.StringIO):
        def write(self, _text):
            raise BrokenPipeError

    console = Console(Closed())
    console.say("one")
    console.line("host", "two")


def test_a_console_that_cannot_show_a_character_shows_another():
    raw = io.BytesIO()
    console = Console(io.TextIOWrapper(raw, encoding="ascii"))
    console.line("host", "naïve …")

    assert raw.getvalue() == b"host    | na?ve ?\n"
