from __future__ import annotations

import asyncio

import pytest

from ringback.bot.buttons import ButtonDesk
from ringback.bot.dialogue import Dialogue
from ringback.bot.preferences import PreferencesDesk
from ringback.operations.catalogue import CATALOGUE
from ringback.operations.tokens import job_token, read_page_token
from tests.unit.app.conftest import inbound
from tests.unit.app.people import Entities


class Shown(list):
    async def __call__(self, row, content):
        self.append((row.id, content["text"]))


@pytest.fixture
def shown():
    return Shown()


@pytest.fixture
def dialogue(desk, tables, engine, config, shown):
    return Dialogue(desk, PreferencesDesk(tables, engine, Entities(), config), ButtonDesk(tables), config, shown)


async def say(dialogue, text, **fields):
    [message] = await dialogue.respond(inbound(text, **fields))
    return message


def titles(message):
    return [action["title"] for action in message.get("suggestedActions", {}).get("actions", [])]


def the_id(message):
    return message["channelData"]["operationId"]


def test_greeting_lists_the_catalogue_as_text_as_buttons_and_as_a_card(dialogue):
    message = dialogue.greet()
    assert titles(message) == [operation.title for operation in CATALOGUE]
    card = message["attachments"][0]["content"]
    assert [action["data"]["operation"] for action in card["actions"]] == [operation.name for operation in CATALOGUE]
    for operation in CATALOGUE:
        assert operation.title in message["text"]


@pytest.mark.parametrize(
    "text",
    ["external-job", "External Job", "2", "#2", "please start external job", "run external-job.", "EXTERNAL-JOB"],
)
async def test_an_operation_starts_by_name_title_or_number(dialogue, engine, text):
    message = await say(dialogue, text)
    [(orchestrator, instance, payload)] = engine.started
    assert (orchestrator, instance) == ("long_operation", the_id(message))
    assert payload["operation"] == "external-job"
    assert "One moment please" in message["text"]
    assert "Cancel" in titles(message)


async def test_an_operation_starts_by_card_button_and_by_free_text(dialogue, engine):
    await say(dialogue, "", value={"action": "start", "operation": "external-job"}, activity="b1")
    await say(dialogue, "I need somebody to sign and approve this", user="dl_bob", activity="b2")
    assert [payload["operation"] for _, _, payload in engine.started] == ["external-job", "approval-demo"]


async def test_words_after_the_name_become_the_input(dialogue, engine):
    await say(dialogue, "external-job resize picture 7")
    assert engine.started[0][2]["input"] == {"text": "resize picture 7"}


async def test_a_file_starts_its_operation_whatever_the_text_says(dialogue, engine):
    file = {"contentType": "text/csv", "contentUrl": "http://127.0.0.1:3978/f.csv", "name": "f.csv"}
    await say(dialogue, "here you are, and cancel nothing", attachments=[file])
    [(_, _, payload)] = engine.started
    assert payload["operation"] == "analyze-file"
    assert payload["input"] == {"url": file["contentUrl"], "name": "f.csv", "content_type": "text/csv"}


async def test_the_html_that_teams_adds_is_no_file(dialogue, engine):
    await say(dialogue, "external-job", attachments=[{"contentType": "text/html", "content": "<p>external-job</p>"}])
    assert engine.started[0][2]["operation"] == "external-job"


async def test_a_teams_file_is_fetched_from_its_download_url(dialogue, engine):
    info = "application/vnd.microsoft.teams.file.download.info"
    url = "https://contoso.sharepoint.com/x?tempauth=1"
    file = {"contentType": info, "contentUrl": "https://contoso.sharepoint.com/x", "content": {"downloadUrl": url}}
    await say(dialogue, "", attachments=[{**file, "name": "x.csv"}])
    assert engine.started[0][2]["input"]["url"] == url


async def test_a_file_operation_without_a_file_asks_for_one(dialogue, engine):
    message = await say(dialogue, "analyze-file")
    assert engine.started == []
    assert "send me the file" in message["text"]


async def test_a_repeated_post_starts_nothing_twice(dialogue, engine, desk):
    first, second = await say(dialogue, "external-job"), await say(dialogue, "external-job")
    assert the_id(first) == the_id(second)
    assert len(engine.started) == 1


async def test_a_repeated_post_starts_what_a_crash_left_unstarted(dialogue, engine):
    engine.broken = True
    with pytest.raises(ConnectionError):
        await say(dialogue, "external-job")
    engine.broken = False
    message = await say(dialogue, "external-job")
    assert [instance for _, instance, _ in engine.started] == [the_id(message)]


async def test_while_something_runs_any_message_says_how_far_it_is(dialogue, engine):
    started = await say(dialogue, "external-job")
    engine.show(the_id(started), state="running", percent=40, step="s", text="parsing")
    for number, text in enumerate(["status", "how is my job doing?", "hello", "blah"]):
        message = await say(dialogue, text, activity=f"m{number}")
        assert "Still working on **External job**" in message["text"]
        assert "40 %" in message["text"]
        assert "parsing" in message["text"]
        assert "Cancel" in titles(message)
    assert len(engine.started) == 1


async def test_help_is_given_while_something_runs(dialogue):
    await say(dialogue, "external-job")
    assert "Pick one" in (await say(dialogue, "help", activity="h"))["text"]


async def test_several_run_at_once_and_cancel_asks_which(dialogue, engine, desk):
    one = await say(dialogue, "external-job", activity="a1")
    two = await say(dialogue, "approval-demo", activity="a2")
    which = await say(dialogue, "cancel", activity="a3")
    assert "Which one" in which["text"]
    label = which["suggestedActions"]["actions"][1]["value"]
    assert label.startswith("cancel ")
    answer = await say(dialogue, label, activity="a4")
    assert "Cancelling **Approval demo**" in answer["text"]
    assert engine.events == [(the_id(two), "cancel", {})]
    assert (await desk.table.get(the_id(two))).cancel is True
    assert (await desk.table.get(the_id(one))).cancel is False


async def test_cancel_all(dialogue, engine):
    await say(dialogue, "external-job", activity="a1")
    await say(dialogue, "approval-demo", activity="a2")
    await say(dialogue, "cancel all", activity="a3")
    assert len(engine.events) == 2


async def test_cancel_and_status_with_nothing_running(dialogue):
    assert "Nothing is running" in (await say(dialogue, "cancel"))["text"]
    assert "Nothing is running" in (await say(dialogue, "status"))["text"]


async def test_nobody_cancels_or_sees_another_persons_operation(dialogue, engine):
    started = await say(dialogue, "external-job")
    label = the_id(started)
    for text in ("status", "cancel", f"cancel {label}"):
        assert "Nothing is running" in (await say(dialogue, text, user="dl_eve", activity="e"))["text"]
    assert engine.events == []


async def test_what_is_not_understood_gets_help(dialogue):
    message = await say(dialogue, "flurb the gnarp")
    assert "flurb" in message["text"]
    assert titles(message)


@pytest.mark.parametrize("text", ["99", "0", "", "   ", "*" * 5000, "cancel cancel", "retry", "approve"])
async def test_odd_messages_get_an_answer(dialogue, text):
    assert (await say(dialogue, text))["text"]


@pytest.mark.parametrize("value", [{"action": 7}, {"action": "start"}, {"action": "start", "operation": "no"}, [1], 5])
async def test_odd_values_get_an_answer(dialogue, value):
    assert (await say(dialogue, "", value=value))["text"]


@pytest.mark.parametrize(("runtime", "reason"), [("Terminated", "stopped"), (None, "removed")])
async def test_an_instance_ended_from_outside_is_closed_and_its_user_told(dialogue, engine, desk, runtime, reason):
    identity = the_id(await say(dialogue, "external-job"))
    if runtime:
        engine.show(identity, runtime=runtime)
    else:
        del engine.instances[identity]
    assert "Nothing is running" in (await say(dialogue, "status", activity="s"))["text"]
    assert (await desk.table.get(identity)).state == "terminated"
    _, delivery, notification = engine.started[-1]
    assert delivery == f"{identity}-result"
    assert reason in notification["content"]["text"]


async def test_retry_starts_a_failed_operation_again_with_its_input(dialogue, engine, desk):
    identity = the_id(await say(dialogue, "external-job one two"))
    await desk.end(identity, "failed", "boom", {"type": "message", "text": "boom"})
    for number, (text, value) in enumerate([("retry", None), ("", {"action": "retry", "operation": identity})]):
        await say(dialogue, text, value=value, activity=f"r{number}")
        orchestrator, again, payload = engine.started[-1]
        assert orchestrator == "long_operation"
        assert again != identity
        assert payload["input"] == {"text": "one two"}


async def test_approval_by_button_and_by_word(dialogue, engine, desk):
    identity = the_id(await say(dialogue, "approval-demo"))
    await desk.table.mark(identity, waiting={"kind": "approval", "event": "approval-1", "question": "Shall I?"})
    await say(dialogue, "approve", activity="p1")
    late = {"action": "reject", "operation": identity, "event": "approval-1"}
    assert "approved already" in (await say(dialogue, "", value=late, activity="p2"))["text"]
    # Raised again, with the decision that stands: whoever took it may have died before raising it.
    assert {(name, data["decision"]) for _, name, data in engine.events} == {("approval-1", "approved")}
    count = len(engine.events)
    stranger = {"action": "approve", "operation": identity, "event": "approval-1"}
    message = await say(dialogue, "", value=stranger, user="dl_eve", activity="p3")
    assert "not for you" in message["text"]
    assert len(engine.events) == count


@pytest.mark.parametrize(("word", "outcome"), [("yes", "approved"), ("No.", "rejected"), ("OK!", "approved")])
async def test_yes_and_no_answer_the_one_open_question(dialogue, engine, desk, word, outcome):
    identity = the_id(await say(dialogue, "approval-demo"))
    await desk.table.mark(identity, waiting={"kind": "approval", "event": "approval-1", "question": "Shall I?"})
    assert {"Approve", "Reject", "Cancel"} <= set(titles(await say(dialogue, "status", activity="p0")))
    await say(dialogue, word, activity="p1")
    assert engine.events[-1][2]["decision"] == outcome


async def test_two_decisions_at_the_same_moment_are_one(dialogue, engine, desk):
    identity = the_id(await say(dialogue, "approval-demo"))
    await desk.table.mark(identity, waiting={"kind": "approval", "event": "approval-1", "question": "Shall I?"})
    # By buttons, which name the question: a word finds none open once the first decision stands.
    presses = [{"action": verb, "operation": identity, "event": "approval-1"} for verb in ["approve", "reject"] * 4]
    answers = await asyncio.gather(
        *(say(dialogue, "", value=press, activity=f"p{number}") for number, press in enumerate(presses))
    )
    assert len({data["decision"] for _, _, data in engine.events}) == 1
    assert sum(message["text"].startswith("Noted") for message in answers) == 4


async def test_a_file_without_an_address_is_asked_for_again(dialogue):
    message = await say(dialogue, "", attachments=[{"contentType": "text/csv", "name": "f.csv"}])
    assert "did not come through" in message["text"]


@pytest.mark.parametrize("text", ["Status?", "how far is it?", "How is it going?", "how's my job"])
async def test_a_question_about_nothing_is_told_so(dialogue, text):
    assert "Nothing is running" in (await say(dialogue, text))["text"]


async def test_a_greeting_is_greeted_and_one_word_is_no_input(dialogue, engine):
    assert "Hello" in (await say(dialogue, "Hello there!"))["text"]
    await say(dialogue, "approval", activity="a9")
    assert engine.started[0][2]["input"] == {}


async def test_a_long_operation_response_reaches_its_operation(dialogue, engine, config):
    identity = the_id(await say(dialogue, "external-job"))
    token = job_token(config.signing_key, identity, "external-job-done")
    event = {"type": "event", "name": "LongOperationResponse"}
    assert await dialogue.respond(inbound(**event, value={"token": token, "progress": 40}, user="system")) == []
    assert await dialogue.respond(inbound(**event, value={"token": token, "result": {"n": 1}}, user="system")) == []
    assert engine.events == [
        (identity, "external-job-done", {"progress": 40}),
        (identity, "external-job-done", {"result": {"n": 1}}),
    ]


async def test_a_forged_token_is_refused(dialogue, engine, config):
    identity = the_id(await say(dialogue, "external-job"))
    forged = job_token("another key of thirty-two characters!", identity, "external-job-done")
    event = {"type": "event", "name": "LongOperationResponse"}
    for value in ({"token": forged, "result": 1}, {"token": "x", "result": 1}, {"result": 1}, None, {"token": forged}):
        [message] = await dialogue.respond(inbound(**event, value=value))
        assert message["text"]
    assert engine.events == []


async def test_the_link_opens_one_operation_only(dialogue, config):
    message = await say(dialogue, "external-job")
    link = message["text"].split("(")[-1].rstrip(")")
    assert link.startswith("http://127.0.0.1:7071/api/o/")
    assert read_page_token(config.signing_key, link.rsplit("/", 1)[1]) == the_id(message)
    assert "code=" not in message["text"]


async def test_the_bots_own_activities_are_not_answered(dialogue):
    assert await dialogue.respond(inbound("hello", **{"from": {"id": "bot", "role": "bot"}})) == []


async def test_where_messages_can_be_changed_the_answer_is_a_progress_card(dialogue, desk, shown, config):
    message = await say(dialogue, "external-job", channelId="msteams")
    assert "▱" in str(message["attachments"])
    identity = the_id(message)
    assert (await desk.table.get(identity)).editable
    event = {"type": "event", "name": "LongOperationResponse"}
    token = job_token(config.signing_key, identity, "external-job-done")
    await dialogue.respond(inbound(**event, value={"token": token, "progress": 70}))
    await dialogue.respond(inbound(**event, value={"token": token, "result": 1}))
    assert shown == [(identity, f"**External job** ({identity.split('-')[1][:6]}): 70 %, running: working")]


@pytest.mark.parametrize("action", ["view", "dismiss", "cancel", "stop", "external-job"])
async def test_a_button_of_another_systems_card_commands_nothing(dialogue, engine, action):
    await say(dialogue, "external-job")
    message = await say(dialogue, "", value={"action": action, "order": 7}, activity="b1")
    assert "noted" in message["text"]
    assert (len(engine.started), engine.events) == (1, [])
