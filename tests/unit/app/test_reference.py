from datetime import datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from ringback import ids
from ringback.delivery.reference import Reference, check_attachment_url, check_service_url, local_mode
from ringback.errors import UnsafeReferenceError
from ringback.settings import BotSettings
from tests.unit.app.stand_ins import make_settings

BOT = BotSettings()
SEEN = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


def make_reference(**changes):
    known = {
        "channel_id": "msteams",
        "service_url": "https://smba.trafficmanager.net/emea/",
        "conversation_id": "a:1",
        "bot_id": "28:bot",
        "user_id": "29:user",
        "seen_at": SEEN,
    }
    return Reference(**{**known, **changes})


def test_wire_form_is_utc_iso_and_comes_back():
    there = make_reference(seen_at=SEEN.astimezone(timezone(timedelta(hours=5, minutes=30))), locale="de-DE")
    raw = msgspec.json.encode(there)
    assert b'"seen_at":"2026-03-01T12:00:00Z"' in raw
    assert msgspec.json.decode(raw, type=Reference) == there


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        make_reference(seen_at=SEEN.replace(tzinfo=None))


def test_keys_are_those_of_ids():
    reference = make_reference(tenant_id="t", user_aad_id="o")
    assert reference.user_key == ids.user_key("msteams", "29:user", "t", "o")
    assert reference.key == ids.conversation_key("msteams", "a:1", "29:user")


@pytest.mark.parametrize(
    "url",
    [
        "https://smba.trafficmanager.net/emea/",
        "https://smba.trafficmanager.net",
        "HTTPS://SMBA.TrafficManager.NET:443/amer/0b-1c/",
        "https://directline.botframework.com/",
        "https://europe.webchat.botframework.com/",
    ],
)
def test_service_urls_of_the_channels_pass(url):
    assert check_service_url(url, BOT, local=False) == url


UNSAFE = [
    "",
    "https://",
    "http://smba.trafficmanager.net/",
    "https://evil.example/",
    "https://evil-botframework.com/",
    "https://botframework.com.evil.example/",
    "https://botframework.com/",
    "https://.botframework.com/",
    "https://a..botframework.com/",
    "https://-.botframework.com/",
    "https://smba.trafficmanager.net@evil.example/",
    "https://user:pw@smba.trafficmanager.net/",
    "https://evil.example#.botframework.com/",
    "https://evil.example/.botframework.com",
    "https://evil.example?.botframework.com/",
    "https://evil.example\\.botframework.com/",
    "https:\\\\smba.trafficmanager.net\\",
    "https:/smba.trafficmanager.net/",
    "https:smba.trafficmanager.net",
    "//smba.trafficmanager.net/",
    "https://smba.trafficmanager.net./",
    "https://smba.trafficmanager.net:8443/",
    "https://smba.trafficmanager.net:0/",
    "https://smba.trafficmanager.net:/",
    "https://smba.trafficmanager.net:99999/",
    "https://smba.trafficmanager.net/?x=",
    "https://smba.trafficmanager.net/#x",
    "https://smba.trafficmanager.net/a/../b/",
    "https://smba.trafficmanager.net/%2e%2E/",
    "https://smba.trafficmanager.net/ /",
    "https://smba.trafficmanager.net/\n",
    "\thttps://smba.trafficmanager.net/",
    "https://smba.trafficmanager.net/ü",
    "https://smba.trafficmanager。net/",
    "https://a.botframewor\u212a.com/",  # the Kelvin sign lower-cases to k
    "https://%73mba.trafficmanager.net/",
    "https://2130706433/",
    "https://[::1]/",
    "https://127.0.0.1/",
    "file:///etc/passwd",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("url", UNSAFE)
def test_unsafe_service_urls_are_refused(url):
    with pytest.raises(UnsafeReferenceError):
        check_service_url(url, BOT, local=False)


@pytest.mark.parametrize(
    "url", ["http://localhost:3978", "http://127.0.0.1:3978/", "http://127.8.9.1:1/x/", "https://[::1]:5000/"]
)
def test_loopback_only_in_local_mode(url):
    assert check_service_url(url, BOT, local=True) == url
    with pytest.raises(UnsafeReferenceError):
        check_service_url(url, BOT, local=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/",
        "http://smba.trafficmanager.net/",
        "http://169.254.169.254/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://localhost./",
        "http://localhost:70000/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://localhost@evil.example/",
        *[url for url in UNSAFE if "127.0.0.1" not in url and "::1" not in url],
    ],
)
def test_local_mode_opens_nothing_else(url):
    with pytest.raises(UnsafeReferenceError):
        check_service_url(url, BOT, local=True)


def test_hosts_of_the_setting():
    bot = BotSettings(
        service_url_hosts=("smba.infra.gcc.teams.microsoft.com", "*.botframework.azure.us", "own.example:8443")
    )
    for url in (
        "https://smba.infra.gcc.teams.microsoft.com/gcc/",
        "https://x.botframework.azure.us/",
        "https://own.example:8443/",
    ):
        assert check_service_url(url, bot, local=False) == url
    for url in ("https://own.example/", "http://own.example:8443/", "https://botframework.azure.us/"):
        with pytest.raises(UnsafeReferenceError, match=r"BOT_SERVICE_URL_HOSTS|plain https"):
            check_service_url(url, bot, local=False)


def test_attachments_come_from_the_same_hosts_and_sharepoint():
    url = "https://contoso-my.sharepoint.com/personal/a/_layouts/15/download.aspx?UniqueId=1&tempauth=x.y%2Fz#frag"
    assert check_attachment_url(url, BOT, local=False) == url
    assert check_attachment_url("https://a.botframework.com?x", BOT, local=False)
    assert check_attachment_url(
        "https://files.example/x", BotSettings(attachment_hosts=("files.example",)), local=False
    )
    assert check_attachment_url("http://localhost:3978/files/1", BOT, local=True)
    for bad in (
        "https://sharepoint.com.evil.example/x",
        "https://evil.example/x",
        "https://evil.example\\@x.sharepoint.com/",
        "data:text/csv,a",
        "http://localhost:3978/files/1",
    ):
        with pytest.raises(UnsafeReferenceError, match="BOT_ATTACHMENT_HOSTS"):
            check_attachment_url(bad, BOT, local=False)


def test_an_error_never_shows_the_query():
    with pytest.raises(UnsafeReferenceError) as raised:
        check_attachment_url("https://evil.example/x?secret=1", BOT, local=False)
    assert "secret" not in str(raised.value)


PIECES = [
    "https",
    "http",
    "://",
    "//",
    "/",
    "\\",
    "@",
    "#",
    "?",
    ":",
    ".",
    "443",
    "smba.trafficmanager.net",
    "x.botframework.com",
    "evil.example",
    "127.0.0.1",
    "localhost",
    "[::1]",
    "%2e",
    "\u3002",
    " ",
    "\t",
]


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join) | st.text(max_size=40))
def test_what_passes_is_read_alike_by_the_client_that_sends(url):
    try:
        check_service_url(url, BOT, local=False)
    except UnsafeReferenceError:
        return
    read = URL(url.rstrip("/") + "/v3/conversations/x", encoded=True)
    assert read.scheme == "https"
    assert read.port == 443
    assert read.user is None
    assert read.raw_host == "smba.trafficmanager.net" or read.raw_host.endswith(".botframework.com")
    assert read.raw_path.endswith("/v3/conversations/x")


def test_local_mode_needs_a_setting_and_no_azure():
    assert not local_mode(make_settings())
    assert local_mode(make_settings(BOT_ALLOW_ANONYMOUS="true"))
    assert local_mode(make_settings(BOT_TOKEN_URL="http://127.0.0.1:1/token", MicrosoftAppId="x"))
    assert not local_mode(make_settings(BOT_ALLOW_ANONYMOUS="true", WEBSITE_INSTANCE_ID="1"))
