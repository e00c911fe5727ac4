"""The terminal chat as a program, against a running channel."""

import asyncio
import json
import os
import pty
import sys
from pathlib import Path

import pytest

from tests.local_channel import SECRET, ended, free_port

ROOT = Path(__file__).parents[3]


async def begin(channel, *arguments, wait="20", encoding="utf-8", closed_input=False, stdin=asyncio.subprocess.PIPE):
    command = [sys.executable, "-m", "local.channel.chat", "--channel", channel.url, "--secret", SECRET]
    pipe = asyncio.subprocess.PIPE
    if closed_input:
        command = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    return await asyncio.create_subprocess_exec(
        *command, "--wait", wait, *map(os.fsencode, arguments), cwd=ROOT, stdin=stdin, stdout=pipe, stderr=pipe,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip


async def chat(channel, *arguments, lines=None, **more):
    process = await begin(channel, *arguments, **more)
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
        (["--wait", "soon"], "not a number of seconds"),
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


@pytest.mark.parametrize("text", ["9" * 5000, "\udcff caf\udce9", "\x1b[2J"], ids=["digits", "no utf-8", "controls"])
async def test_odd_texts_are_sent_as_text(channel, bot, text):
    status, out, err = await chat(channel, "--say", text, "--until", "echo: ")
    assert status == 0, err
    assert bot.of_type("message")[0]["text"] == text.encode("utf-8", "replace").decode()
    assert "\x1b" not in out


async def test_a_terminal_that_cannot_write_a_letter_shows_the_rest(channel, card_bot):
    status, out, err = await chat(channel, "--say", "menu", "--until", "Go", encoding="ascii")
    assert status == 0, err
    assert "? Choose one" in out


async def test_when_nobody_reads_the_output_it_ends_at_once(channel, bot):
    process = await begin(channel, "--say", "hi", wait="3600")
    # The reader leaves, as head does after its lines.
    process.stdout._transport.close()
    assert await asyncio.wait_for(process.wait(), 60) == 1
    assert b"Traceback" not in await process.stderr.read()


async def test_no_standard_input_is_an_empty_script(channel, bot):
    process = await begin(channel, wait="0.1", closed_input=True)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err) == (0, b"")


async def test_an_input_that_cannot_be_read_is_an_empty_script(channel, bot):
    # What nohup leaves of a terminal.
    with Path(os.devnull).open("wb") as unreadable:
        process = await begin(channel, wait="0.1", stdin=unreadable)
    assert await ended(process) == (0, "")


@pytest.mark.parametrize("json_lines", [[], ["--json"]], ids=["text", "json"])
async def test_nothing_that_a_bot_says_steers_the_terminal(channel, bot, json_lines):
    steering = "\x1b]0;x\x07\x9b2J\x7f"

    async def offer(activity):
        actions = {"actions": [{"type": "openUrl", "title": f"T{steering}", "value": f"http://x/{steering}"}]}
        await bot.say(activity, f"look{steering}", suggestedActions=actions)

    bot.echoes, bot.on_message = False, offer
    status, out, err = await chat(channel, "--say", "hi", "--say", "1", *json_lines, wait="1")
    assert status == 0, err
    assert "open http://x/" in out + err
    assert not {"\x1b", "\x07", "\x9b", "\x7f"} & set(out + err)
    if json_lines:
        assert f"look{steering}" in [json.loads(line).get("text") for line in out.splitlines()]


async def test_lines_wait_for_the_answer_before(channel, card_bot):
    """A number is a button only once the card that has it is here."""
    status, out, err = await chat(channel, "--until", "got {", lines=["menu", "", "1"])
    assert status == 0, err
    assert 'got {"name": "Ann", "op": "go"}' in out


@pytest.mark.parametrize("lines", [["hi", "/file nowhere"], ["hush"]], ids=["refused", "unanswered"])
async def test_lines_have_the_status_of_a_script(channel, card_bot, lines):
    talk = card_bot.on_message

    async def silent_at_hush(activity):
        if activity["text"] != "hush":
            await talk(activity)

    card_bot.on_message = silent_at_hush
    assert (await chat(channel, lines=lines, wait="0.5"))[0] == 1


async def test_a_command_without_its_word_is_explained(channel, bot):
    status, out, _ = await chat(channel, "--until", "echo: x", lines=["/file", "x"])
    assert status == 0
    assert "/file PATH" in out
    assert [activity["text"] for activity in bot.of_type("message")] == ["x"]


class Typist:
    """A person at a terminal: what they type, and what they see."""

    def __init__(self, process, keyboard):
        self.process = process
        self.keyboard = keyboard
        self.seen = ""

    def type(self, text):
        os.write(self.keyboard, text.encode())

    async def see(self, text):
        while text not in self.seen:
            part = await asyncio.wait_for(self.process.stdout.read(4096), 60)
            assert part, self.seen
            self.seen += part.decode()

    async def left(self):
        return await asyncio.wait_for(self.process.wait(), 60)


@pytest.fixture
async def typist(channel, card_bot):
    keyboard, line = pty.openpty()
    process = await begin(channel, stdin=line)
    os.close(line)
    made = Typist(process, keyboard)
    await made.see("(conversation ")
    yield made
    os.close(keyboard)
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_a_person_presses_a_button_by_its_number_and_fills_a_field(typist):
    typist.type("menu\n")
    await typist.see("[1] Go")
    typist.type("1\n")
    await typist.see("Your name [Ann]")
    typist.type("Bob\n")
    await typist.see('got {"name": "Bob", "op": "go"}')
    assert "you:" not in typist.seen, "they see what they type"
    typist.type("\x04")
    assert await typist.left() == 0


async def test_the_end_of_the_input_ends_the_chat_also_at_a_field(typist):
    typist.type("menu\n")
    await typist.see("[1] Go")
    typist.type("1\n")
    await typist.see("Your name [Ann]")
    typist.type("\x04")
    assert await typist.left() == 0


async def test_the_longest_line_that_a_terminal_leaves_whole_is_sent_without_a_word(typist):
    typist.type("x" * 4094 + "\n")
    await typist.see("bot: echo: " + "x" * 4094)
    assert "cut this line" not in typist.seen


async def test_a_line_that_the_terminal_cut_is_told(typist):
    typist.type("x" * 4095)
    typist.type("xxx\n")
    await typist.see("the terminal cut this line")
