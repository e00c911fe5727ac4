"""The terminal chat as a program, against a running channel."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.local_channel import SECRET, free_port

ROOT = Path(__file__).parents[3]


async def chat(channel, *arguments, lines=None, wait="20"):
    command = [sys.executable, "-m", "local.channel.chat", "--channel", channel.url, "--secret", SECRET]
    process = await asyncio.create_subprocess_exec(
        *command, "--wait", wait, *arguments, cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate("\n".join(lines or ()).encode()), 90)
    return process.returncode, out.decode(), err.decode()


CARD = {
    "contentType": "application/vnd.microsoft.card.adaptive",
    "content": {
        "type": "AdaptiveCard",
        "body": [
            {"type": "TextBlock", "text": "Choose one"},
            {"type": "FactSet", "facts": [{"title": "Rows", "value": "50000"}]},
            {"type": "Input.Text", "id": "name", "label": "Your name", "value": "Ann"},
        ],
        "actions": [{"type": "Action.Submit", "title": "Go", "data": {"op": "go"}}],
    },
}


@pytest.fixture
def card_bot(bot):
    async def messages(activity):
        if activity.get("value"):
            await bot.say(activity, f"got {json.dumps(activity['value'], sort_keys=True)}")
        elif activity.get("attachments"):
            await bot.say(activity, f"file {activity['attachments'][0]['name']}")
        elif activity["text"] == "menu":
            actions = {"actions": [{"type": "imBack", "title": "Analyze", "value": "analyze-file"}]}
            await bot.say(activity, "menu", suggestedActions=actions, attachments=[CARD])
        else:
            await bot.say(activity, f"echo: {activity['text']}")

    bot.echoes = False
    bot.on_message = messages
    return bot


async def test_a_script_prints_one_activity_a_line(channel, bot):
    status, out, err = await chat(channel, "--say", "hi", "--say", "there", "--until", "echo: there", "--json")
    assert status == 0, err
    activities = [json.loads(line) for line in out.splitlines()]
    assert [activity["text"] for activity in activities] == ["hi", "echo: hi", "there", "echo: there"]
    assert [activity["from"]["role"] for activity in activities] == ["user", "bot"] * 2
    assert activities[0]["from"]["id"] == "dl_terminal"


async def test_a_script_shows_both_sides(channel, card_bot, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    status, out, err = await chat(
        channel, "--say", "hi", "--file", str(path), "--say", "menu", "--say", "1", "--until", "got {"
    )
    assert status == 0, err
    lines = out.splitlines()
    assert lines[lines.index("you: hi") + 1] == "bot: echo: hi"
    assert any(line.startswith("you: [rows.csv] http://") for line in lines)
    assert 'you: ({"op":"go","name":"Ann"})' in lines


async def test_no_answer_in_time_is_status_1(channel, bot):
    bot.echoes = False
    status, out, _ = await chat(channel, "--say", "hi", "--json", wait="0.3")
    assert status == 1
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["hi"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--activity", "{"], "not JSON"),
        (["--activity", "[]"], "must be a JSON object"),
        (["--file", "nowhere.csv"], "no such file"),
        (["--wait", "-1"], "not between"),
        (["--nonsense"], "unrecognized"),
    ],
)
async def test_misuse_is_status_2(channel, bot, arguments, said):
    status, _, err = await chat(channel, "--say", "hi", *arguments)
    assert status == 2
    assert said in err
    assert bot.received == []


async def test_cards_are_text_and_buttons_are_numbers(channel, card_bot):
    status, out, err = await chat(
        channel, "--say", "menu", "--say", "1", "--say", "menu", "--say", "2", "--until", "echo: analyze-file"
    )
    assert status == 0, err
    assert "│ Choose one" in out
    assert "Rows  50000" in out
    assert "[1] Go" in out
    assert "[2] Analyze" in out
    assert 'got {"name": "Ann", "op": "go"}' in out
    assert "echo: analyze-file" in out


async def test_files_go_by_path(channel, card_bot, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    status, out, _ = await chat(channel, "--say", "hi", "--file", str(path), "--until", "file rows.csv")
    assert status == 0
    assert "file rows.csv" in out


async def test_lines_from_standard_input(channel, card_bot, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    status, out, _ = await chat(
        channel, "--until", "file rows.csv", lines=["hi", "/say 1", f"/file {path}", "/file nowhere"]
    )
    assert status == 0
    for text in ("you: hi", "bot: echo: hi", "bot: echo: 1", "bot: file rows.csv", "nowhere cannot be read"):
        assert text in out


async def test_any_activity_can_be_sent(channel, bot):
    event = '{"type": "event", "name": "LongOperationResponse", "value": {"token": "t", "progress": 40}}'
    status, _, err = await chat(channel, "--say", "hi", "--activity", event, wait="1")
    assert (status, err) == (1, ""), "nobody answers an event"
    assert bot.of_type("event")[0]["value"] == {"token": "t", "progress": 40}


async def test_a_changed_message_is_told_as_such(channel, bot):
    async def edit(activity):
        _, sent = await bot.say(activity, "10 %")
        await bot.call("PUT", activity, f"/activities/{sent['id']}", {"type": "message", "text": "20 %"})

    bot.echoes, bot.on_message = False, edit
    status, out, _ = await chat(channel, "--channel-id", "msteams", "--say", "hi", "--until", "20 %")
    assert status == 0
    assert "bot: 10 %" in out
    assert "bot (changed): 20 %" in out


async def test_until_that_does_not_come_is_status_1(channel, bot):
    assert (await chat(channel, "--say", "hi", "--until", "bye", wait="0.3"))[0] == 1


async def test_a_bot_that_fails_is_told(channel, bot):
    bot.status = 500
    status, _, err = await chat(channel, "--say", "hi")
    assert status == 1
    assert "HTTP 500" in err


async def test_no_channel_says_how_to_start_it(channel):
    channel.url = f"http://127.0.0.1:{free_port()}"
    status, _, err = await chat(channel, "--say", "hi")
    assert status == 1
    assert "python3 dev.py up" in err
