"""What only the channel's own page may ask, and what a script on this machine may."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web

from local.channel.context import CHANNEL, Channel
from local.channel.errors import forbidden


def guard(request: web.Request) -> Channel:
    """Refuse what no page of this channel asks: other sites (also by DNS rebinding) must not get tokens or logs."""
    channel = request.app[CHANNEL]
    host = urlsplit(f"//{request.host}").hostname or ""
    if not _is_loopback(host) and host != urlsplit(channel.options.public_url).hostname:
        raise forbidden(f"The channel is not known as {host!r}: start it with --public-url.")
    origin = request.headers.get("Origin")
    if origin and origin.partition("://")[2] != request.host:
        raise forbidden("Only the channel's own page may ask this.")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise forbidden("Only the channel's own page may ask this.")
    return channel


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
