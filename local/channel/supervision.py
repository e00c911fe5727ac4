"""What stands before every call of the bot: the account, token, limits, faults; and after it: account and wire log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from aiohttp import web

from local.channel.account import DROPPED, Activity, Addressee
from local.channel.context import CHANNEL, Handler
from local.channel.errors import ChannelError
from local.channel.striking import object_in, struck
from local.channel.wire import BODY, MAX_FILE, read_body
from local.channel.wire_log import Outcome

SENDS: web.RequestKey[list[int]] = web.RequestKey("sends", list)
LONGEST_BODY = 3 * MAX_FILE


class Cargo(NamedTuple):
    """What a call brings: activities to be shown, None for one that cannot be read, and for whom."""

    activities: list[Activity | None]
    addressee: Addressee


# Of a request and its JSON, None when it has none that is an object.
Carrier = Callable[[web.Request, dict[str, Any] | None], Cargo]


def nothing(request: web.Request, _: dict[str, Any] | None) -> Cargo:
    return Cargo([], addressee_of(request))


def addressee_of(request: web.Request) -> Addressee:
    known = request.app[CHANNEL].store.conversation(request.match_info.get("conversation", ""))
    return Addressee(known.channel_id, known.tenant_id, known.user_id) if known else Addressee()


def supervised(operation: str, handler: Handler, carrier: Carrier = nothing) -> Handler:
    """A handler of the connector; `carrier` tells which sends a call is. The operations are those of faults.py."""

    async def call(request: web.Request) -> web.StreamResponse:
        channel = request.app[CHANNEL]
        conversation, started = request.match_info.get("conversation", ""), time.monotonic()
        fault, status, answer = None, DROPPED, None
        try:
            addressee = await _taken_down(request, operation, carrier)
            if channel.authority:
                channel.authority.require_bot(request.headers.get("Authorization"))
            channel.limits.check(operation, conversation, addressee.tenant)
            fault = channel.faults.choose(operation, conversation, (addressee.user,))
            response = await struck(request, fault, handler)
            status, answer = response.status, getattr(response, "body", None)
        except ChannelError as error:
            status, answer = error.status, error.body()
            raise
        except ConnectionError:
            raise
        except Exception:
            status = 500
            raise
        finally:
            name = fault.id if fault else ""
            _account_for(request, status, name)
            outcome = Outcome(max(status, 0), time.monotonic() - started, answer, f"fault {name}" if name else "")
            title = f"{request.method} {request.path}"
            channel.wire_log.record("from-bot", title, conversation, request.get(BODY, b""), outcome)
        return response

    return call


async def _taken_down(request: web.Request, operation: str, carrier: Carrier) -> Addressee:
    """Enter what the call brings into the account, whatever becomes of it, also when nobody may bring it."""
    try:
        body: dict[str, Any] | None = object_in(await read_body(request, LONGEST_BODY, "The body"))
    except ChannelError:
        _enter(request, operation, carrier(request, None))
        raise
    cargo = carrier(request, body)
    _enter(request, operation, cargo)
    return cargo.addressee


def _enter(request: web.Request, operation: str, cargo: Cargo) -> None:
    if cargo.activities:
        conversation = request.match_info.get("conversation", "")
        account = request.app[CHANNEL].account
        request[SENDS] = account.asked(operation, conversation, cargo.addressee, cargo.activities)


def _account_for(request: web.Request, status: int, fault: str) -> None:
    """A bot that has hung up hears no answer, whatever it would be."""
    transport = request.transport
    heard = transport is not None and not transport.is_closing()
    request.app[CHANNEL].account.answered(request.get(SENDS, ()), status if heard else DROPPED, fault)
