"""Where a person can be written to, and which hosts may receive our messages.

Whoever chooses a service URL receives the bot's bearer token: every URL passes `check_service_url`
when a reference is stored and again when it is used.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timezone
from functools import lru_cache

import msgspec

from ringback import ids
from ringback.errors import UnsafeReferenceError
from ringback.settings import BotSettings, Settings

SERVICE_HOSTS = ("smba.trafficmanager.net", "*.botframework.com")
ATTACHMENT_HOSTS = (*SERVICE_HOSTS, "*.sharepoint.com")
DEFAULT_PORTS = {"https": "443", "http": "80"}

# One strict grammar instead of a general parser: what two URL parsers could read differently does not match.
# `\x21-\x7e` leaves out blanks, controls and everything beyond ASCII.
AUTHORITY = r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
# Without ASCII, IGNORECASE takes the Kelvin sign for a k and the long s for an s.
FLAGS = re.IGNORECASE | re.ASCII
SERVICE_URL = re.compile(AUTHORITY + r"(?P<rest>(?:/[\x21-\x7e]*)?)", FLAGS)
ATTACHMENT_URL = re.compile(AUTHORITY + r"(?P<rest>(?:[/?][\x21-\x7e]*)?)", FLAGS)
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """One person in one conversation on one channel; `seen_at` is UTC, when they were last heard there.

    `owner` is the user key where this person was known by another name before; without it their ids make the key.
    """

    channel_id: str
    service_url: str
    conversation_id: str
    tenant_id: str | None = None
    bot_id: str
    bot_name: str | None = None
    user_id: str
    user_name: str | None = None
    user_aad_id: str | None = None
    locale: str | None = None
    is_group: bool = False
    owner: str | None = None
    seen_at: datetime

    def __post_init__(self) -> None:
        if self.seen_at.tzinfo is None:
            raise ValueError("seen_at needs a time zone")
        if self.seen_at.tzinfo is not timezone.utc:
            msgspec.structs.force_setattr(self, "seen_at", self.seen_at.astimezone(timezone.utc))

    @property
    def user_key(self) -> str:
        return self.owner or ids.user_key(self.channel_id, self.user_id, self.tenant_id, self.user_aad_id)

    @property
    def is_own(self) -> bool:
        """Whether it is a talk with this person alone, or with a group that is written to as such."""
        return not self.is_group or self.user_id == self.conversation_id

    @property
    def key(self) -> str:
        return ids.conversation_key(self.channel_id, self.conversation_id, self.user_id)


def local_mode(settings: Settings) -> bool:
    """Whether a channel on this machine may be talked to: outside Azure, and said so by a setting."""
    return not settings.in_azure and (settings.bot.allow_anonymous or bool(settings.bot.token_url))


def check_service_url(url: str, bot: BotSettings, *, local: bool) -> str:
    """The URL itself if the bot may send to it and its token with it; else UnsafeReferenceError.

    https and a host of the allow-list; with `local`, also http or https on a loopback address at any port.
    """
    problem = _service_url_problem(url, bot.service_url_hosts, local)
    if problem:
        raise UnsafeReferenceError(problem)
    return url


# Channels have few service URLs, and every message asks about one of them.
@lru_cache(maxsize=1024)
def _service_url_problem(url: str, hosts: tuple[str, ...], local: bool) -> str:
    match = SERVICE_URL.fullmatch(url)
    # A query, a fragment or a climb would move the path that is added behind it.
    if match is None or re.search(r"[?#\\]|%2e|/\.\.?(/|$)", match["rest"], re.IGNORECASE):
        return f"The service URL {_shown(url)} is not a plain https URL: nothing is sent to it."
    if not _allowed(match, (*SERVICE_HOSTS, *hosts), local=local):
        fix = "if the channel is yours, add its host to BOT_SERVICE_URL_HOSTS"
        return f"The host of the service URL {_shown(url)} is not allowed: {fix}."
    return ""


def check_attachment_url(url: str, bot: BotSettings, *, local: bool) -> str:
    """The URL itself if a file may be fetched from it; else UnsafeReferenceError."""
    match = ATTACHMENT_URL.fullmatch(url)
    hosts = (*ATTACHMENT_HOSTS, *bot.service_url_hosts, *bot.attachment_hosts)
    if match is None or "\\" in url or not _allowed(match, hosts, local=local):
        fix = "if files are kept there, add its host to BOT_ATTACHMENT_HOSTS"
        raise UnsafeReferenceError(f"Files are not fetched from {_shown(url)}: {fix}.")
    return url


def _allowed(match: re.Match[str], hosts: tuple[str, ...], *, local: bool) -> bool:
    scheme, host = match["scheme"].lower(), match["host"].lower()
    if not 0 < int(match["port"] or DEFAULT_PORTS[scheme]) < 65536:
        return False
    if local and _is_loopback(host):
        return True
    if scheme != "https" or not all(LABEL.fullmatch(label) for label in host.split(".")):
        return False
    return any(_covers(entry, host, match["port"] or DEFAULT_PORTS[scheme]) for entry in hosts)


def _covers(entry: str, host: str, port: str) -> bool:
    """`name`, `*.name` (any depth below it) or `name:port`; without a port only the standard one."""
    name, _, wanted_port = entry.partition(":")
    if port != (wanted_port or DEFAULT_PORTS["https"]):
        return False
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        # Only the dotted and bracketed spellings: 2130706433 or 127.1 are addresses to some resolvers alone.
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _shown(url: str) -> str:
    """Enough of it to recognise, none of its query."""
    return repr(re.split(r"[?#]", url, maxsplit=1)[0][:120])
