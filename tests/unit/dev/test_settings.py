from __future__ import annotations

import json
import stat

import pytest

from local.dev import settings
from local.dev.errors import DevError


@pytest.fixture
def root(tmp_path):
    (tmp_path / "state").mkdir()
    write(tmp_path, "local.settings.sample.json", {"A": "sample", "B": "sample", "C": "sample", "PUBLIC_URL": "sample"})
    return tmp_path


def write(root, name, values) -> None:
    (root / name).write_text(json.dumps({"IsEncrypted": False, "Values": values}))


def host(root, **environ) -> dict[str, str]:
    return settings.host_environment(root, root / "state", 7001, 7003, environ, outbox_port=7004)


def test_later_sources_win(root):
    write(root, "local.settings.json", {"B": "file", "C": "file", "PUBLIC_URL": "file"})
    found = host(root, C="environment", PUBLIC_URL="environment")

    assert (found["A"], found["B"], found["C"]) == ("sample", "file", "environment")
    assert found["PUBLIC_URL"] == "environment"
    assert found["BOT_ALLOW_ANONYMOUS"] == "true"


def test_what_the_stack_knows_better_than_a_settings_file(root):
    write(root, "local.settings.json", {"PUBLIC_URL": "file", "BOT_ALLOW_ANONYMOUS": "false"})
    found = host(root)

    assert (found["PUBLIC_URL"], found["BOT_ALLOW_ANONYMOUS"]) == ("http://127.0.0.1:7001", "true")
    assert host(root, BOT_ALLOW_ANONYMOUS="false")["BOT_ALLOW_ANONYMOUS"] == "false"


def test_conversations_on_teams_are_opened_with_the_local_channel(root):
    write(root, "local.settings.json", {"BOT_TEAMS_SERVICE_URL": "file"})
    found = settings.host_environment(root, root / "state", 7001, 7003, {}, outbox_port=7004, channel_port=7005)

    assert found["BOT_TEAMS_SERVICE_URL"] == "http://127.0.0.1:7005/teams/"
    assert host(root, BOT_TEAMS_SERVICE_URL="theirs")["BOT_TEAMS_SERVICE_URL"] == "theirs"


def test_storage_that_the_developer_set_stays(root):
    assert host(root, AzureWebJobsStorage="theirs")["AzureWebJobsStorage"] == "theirs"


def test_values_become_text(root):
    write(root, "local.settings.json", {"NUMBER": 5, "FLAG": True})
    found = host(root)

    assert (found["NUMBER"], found["FLAG"]) == ("5", "true")


def test_the_signing_key_is_random_private_and_kept(root):
    key = host(root)["SIGNING_KEY"]

    assert host(root, SIGNING_KEY="other")["SIGNING_KEY"] == key
    assert len(key) >= 32
    assert stat.S_IMODE((root / "state" / "signing-key").stat().st_mode) == 0o600
    (root / "other").mkdir()
    assert settings.signing_key(root / "other") != key


@pytest.mark.parametrize("content", ["{", "[]", '{"Values": [1]}', '{"IsEncrypted": true, "Values": {}}'])
def test_a_settings_file_that_cannot_be_used_is_named(root, content):
    (root / "local.settings.json").write_text(content)
    with pytest.raises(DevError, match=r"local\.settings\.json"):
        host(root)


def test_the_secret_of_direct_line():
    assert settings.channel_environment({})["DIRECT_LINE_SECRET"] == "local-direct-line-secret"
    assert settings.channel_environment({"DIRECT_LINE_SECRET": "mine"})["DIRECT_LINE_SECRET"] == "mine"


def test_messages_go_to_the_outbox_until_the_developer_names_a_service(root):
    found = host(root, SMS_FROM="", EMAIL_FROM="me@example.org")

    assert found["ACS_CONNECTION_STRING"].startswith("endpoint=http://127.0.0.1:7004/;accesskey=")
    assert found["SMS_FROM"].startswith("+1")
    assert found["EMAIL_FROM"] == "me@example.org"
    for name in ("ACS_CONNECTION_STRING", "ACS_ENDPOINT"):
        theirs = host(root, **{name: "theirs"})
        assert theirs[name] == "theirs"
        assert "SMS_FROM" not in theirs
    assert "EMAIL_FROM" not in host(root, SMTP_HOST="mail.example.org")
