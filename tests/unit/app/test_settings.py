from __future__ import annotations

import json
from pathlib import Path

import pytest

from ringback.errors import ConfigurationError
from ringback.settings import SAMPLE_SIGNING_KEY, read_settings

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]


def test_the_sample_is_enough():
    config = read_settings(SAMPLE)
    assert not config.in_azure
    assert config.bot.allow_anonymous
    assert "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1" in config.tables_connection
    assert config.public_url == "http://localhost:7071"


def test_every_value_of_the_sample_is_read_or_the_hosts():
    of_the_host = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsFeatureFlags", "TASKHUB_NAME"}
    source = (ROOT / "ringback" / "settings.py").read_text()
    assert [name for name in SAMPLE if name not in of_the_host and f'"{name}"' not in source] == []


@pytest.mark.parametrize("mark", ["WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_POD_NAME"])
def test_in_azure_nobody_is_anonymous_and_the_samples_key_is_refused(mark):
    with pytest.raises(ConfigurationError, match="SIGNING_KEY"):
        read_settings({**SAMPLE, mark: "x"})
    config = read_settings({**SAMPLE, mark: "x", "SIGNING_KEY": "k" * 32})
    assert config.in_azure
    assert not config.bot.allow_anonymous


@pytest.mark.parametrize("name", ["BOT_OPENID_METADATA_URL", "BOT_TOKEN_URL", "BOT_TOKEN_ISSUER"])
def test_in_azure_nobody_changes_whom_the_bot_trusts(name):
    environ = {**SAMPLE, "WEBSITE_INSTANCE_ID": "x", "SIGNING_KEY": "k" * 32, name: "https://evil.example/x"}
    with pytest.raises(ConfigurationError, match=name):
        read_settings(environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGNING_KEY", "short"),
        ("PUBLIC_URL", "localhost:7071"),
        ("EXTERNAL_JOB_URL", "ftp://x/y"),
        ("BOT_ALLOW_ANONYMOUS", "perhaps"),
        ("FILE_MAX_BYTES", "20 MB"),
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "-1"),
        ("RETENTION_DAYS", "1.5"),
        ("RETENTION_DAYS", "never"),
        ("RETENTION_DAYS", "36501"),
        ("RETENTION_DAYS", "9" * 5000),
        ("RETENTION_CONTENT_DAYS", "\u0663"),
        ("RETENTION_CONTENT_DAYS", "91"),
    ],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(ConfigurationError, match=name):
        read_settings({**SAMPLE, name: value})


def test_the_public_url_follows_the_host_name_in_azure():
    environ = {name: value for name, value in SAMPLE.items() if name != "PUBLIC_URL"}
    assert read_settings({**environ, "WEBSITE_HOSTNAME": "bot.example.org"}).public_url == "https://bot.example.org"
    assert read_settings({**environ, "WEBSITE_HOSTNAME": "localhost:7071"}).public_url == "http://localhost:7071"


def test_the_sample_key_is_the_samples():
    assert SAMPLE["SIGNING_KEY"] == SAMPLE_SIGNING_KEY


ACS = "endpoint=https://x.communication.azure.com/;accesskey=YQ=="


@pytest.mark.parametrize(
    ("environ", "endpoint", "key"),
    [
        ({}, "", ""),
        ({"ACS_CONNECTION_STRING": ACS}, "https://x.communication.azure.com", "YQ=="),
        ({"ACS_CONNECTION_STRING": "AccessKey=YQ==; Endpoint=https://x.org"}, "https://x.org", "YQ=="),
        ({"ACS_CONNECTION_STRING": "endpoint=http://127.0.0.1:3979/;accesskey=YQ=="}, "http://127.0.0.1:3979", "YQ=="),
        ({"ACS_ENDPOINT": "https://x.org/"}, "https://x.org", ""),
        ({"ACS_ENDPOINT": "https://y.org", "ACS_CONNECTION_STRING": ACS}, "https://x.communication.azure.com", "YQ=="),
    ],
)
def test_the_service_of_messages(environ, endpoint, key):
    found = read_settings({**SAMPLE, **environ}).messaging
    assert (found.acs_endpoint, found.acs_key) == (endpoint, key)


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"ACS_CONNECTION_STRING": "endpoint=https://x.org"}, "ACS_CONNECTION_STRING"),
        ({"ACS_CONNECTION_STRING": "endpoint=https://x.org;accesskey=?"}, "ACS_CONNECTION_STRING"),
        ({"ACS_CONNECTION_STRING": "endpoint=http://x.org;accesskey=YQ=="}, "ACS_CONNECTION_STRING"),
        ({"ACS_CONNECTION_STRING": "endpoint=https://x.org/a;accesskey=YQ=="}, "ACS_CONNECTION_STRING"),
        ({"ACS_ENDPOINT": "http://127.0.0.1:3979"}, "ACS_ENDPOINT"),
        ({"ACS_ENDPOINT": "x.org"}, "ACS_ENDPOINT"),
        ({"SMTP_PORT": "0"}, "SMTP_PORT"),
        ({"SMTP_PORT": "x"}, "SMTP_PORT"),
        ({"SMTP_USER": "u"}, "SMTP_PASSWORD"),
        ({"SMTP_STARTTLS": "maybe"}, "SMTP_STARTTLS"),
        ({"SMS_MAX_SEGMENTS": "two"}, "SMS_MAX_SEGMENTS"),
    ],
)
def test_wrong_settings_of_messages_are_named(environ, name):
    with pytest.raises(ConfigurationError, match=name):
        read_settings({**SAMPLE, **environ})


def test_a_local_stand_in_is_no_service_in_azure():
    local = {"ACS_CONNECTION_STRING": "endpoint=http://127.0.0.1:3979/;accesskey=YQ=="}
    with pytest.raises(ConfigurationError, match="ACS_CONNECTION_STRING"):
        read_settings({**SAMPLE, **local, "WEBSITE_INSTANCE_ID": "x", "SIGNING_KEY": "k" * 32})


def test_mail_is_encrypted_unless_that_is_switched_off():
    assert read_settings(SAMPLE).messaging.smtp_starttls
    assert not read_settings({**SAMPLE, "SMTP_STARTTLS": "false"}).messaging.smtp_starttls
    assert not read_settings({**SAMPLE, "SMTP_PORT": "465"}).messaging.smtp_starttls


def test_where_teams_is_reached_and_how_fast_conversations_are_opened():
    bare = {name: value for name, value in SAMPLE.items() if name != "BOT_TEAMS_SERVICE_URL"}
    found = read_settings(bare)
    assert found.bot.teams_service_url == "https://smba.trafficmanager.net/teams/"
    assert [(window.count, window.seconds) for window in found.throttle.create] == [
        (7, 1),
        (8, 2),
        (60, 30),
        (1800, 3600),
    ]
    assert read_settings(SAMPLE).bot.teams_service_url == "http://127.0.0.1:3978/teams/"
    assert read_settings({**bare, "THROTTLE_CREATE": "off"}).throttle.create == ()
    for name, value in {"THROTTLE_CREATE": "fast", "BOT_TEAMS_SERVICE_URL": "smba"}.items():
        with pytest.raises(ConfigurationError, match=name):
            read_settings({**bare, name: value})


def test_the_channels_of_chat_identities_are_spelt_exactly():
    assert read_settings(SAMPLE).acs_chat_channels == ("AcsChat", "acschat", "acs")
    assert read_settings({**SAMPLE, "ACS_CHAT_CHANNEL_IDS": "MyChat, b"}).acs_chat_channels == ("MyChat", "b")


@pytest.mark.parametrize(
    ("days", "content_days", "expected"),
    [
        ("", "", (90, None)),
        (" 30 ", "7", (30, 7)),
        ("30", "30", (30, 30)),
        ("off", "", (None, None)),
        ("OFF", "400", (None, 400)),
        ("36500", "off", (36500, None)),
    ],
)
def test_how_long_what_has_ended_is_kept(days, content_days, expected):
    found = read_settings({**SAMPLE, "RETENTION_DAYS": days, "RETENTION_CONTENT_DAYS": content_days}).retention
    assert (found.days, found.content_days) == expected


def test_hosts_on_one_machine_are_task_hubs_of_their_own_and_instances_of_an_app_are_one():
    hosts = [{"TASKHUB_NAME": "Ringback", "AzureFunctionsWebHost__hostid": state} for state in ("a", "b")]
    assert len({read_settings({"SIGNING_KEY": "k" * 40, **host}).hub for host in hosts}) == 2
    ports = [{**hosts[0], "WEBSITE_HOSTNAME": f"localhost:{port}"} for port in (7071, 7072)]
    assert len({read_settings({"SIGNING_KEY": "k" * 40, **port}).hub for port in ports}) == 1
    azure = {"SIGNING_KEY": "k" * 40, "WEBSITE_INSTANCE_ID": "1"}
    assert {read_settings({**azure, **host}).hub for host in hosts} == {"Ringback"}
