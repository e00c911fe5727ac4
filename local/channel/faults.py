"""Faults on demand: what the channel does wrong, to which calls, how often."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from local.channel.database import Database
from local.channel.errors import bad_argument

OPERATIONS = ("send", "update", "delete", "create", "read", "client", "turn")
WRITES_BLOCKED = '{"subCode":"MessageWritesBlocked","details":"The user blocked the bot.","errorCode":209}'


class Fault(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A rule. It fits calls by `operations` and `conversation`, then by `rate` and while `times` are left.

    The call is delayed by `delay` seconds, then answered with `status` (or its connection dropped); with `taken` the
    message is kept first, so that the sender cannot know. Without status and drop the delay is all. Operations are the
    bot's calls, `client` for what clients send, and `turn` for what the bot is sent: with `twice` it comes again, with
    a status the client is told so although the bot took it.
    """

    id: str = ""
    status: int = 0
    code: str = ""
    message: str = ""
    retry_after: float | None = None
    html: bool = False
    drop: bool = False
    taken: bool = False
    twice: bool = False
    delay: float = 0.0
    operations: list[str] = msgspec.field(default_factory=lambda: ["send"])
    conversation: str = ""
    rate: float = 1.0
    times: int | None = None
    used: int = 0


def _forbidden(code: str, message: str) -> dict[str, Any]:
    return {"status": 403, "code": code, "message": message}


PRESETS: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "code": "TooManyRequests", "message": "Too many requests."},
    "429-retry-after": {"status": 429, "code": "TooManyRequests", "message": "Too many requests.", "retryAfter": 2},
    "412": {"status": 412, "code": "PreconditionFailed", "message": "The conversation is busy."},
    "500": {"status": 500, "code": "ServiceError", "message": "Unknown error."},
    "502-html": {"status": 502, "html": True},
    "200-html": {"status": 200, "html": True},
    "503": {"status": 503, "code": "ServiceUnavailable", "message": "Try again later."},
    "504": {"status": 504, "code": "GatewayTimeout", "message": "The channel gave no answer in time."},
    "504-taken": {"status": 504, "code": "GatewayTimeout", "message": "No answer in time.", "taken": True},
    "slow": {"delay": 5.0},
    "drop": {"drop": True},
    "drop-taken": {"drop": True, "taken": True},
    "413": {"status": 413, "code": "MessageSizeTooBig", "message": "Message size too large."},
    "400": {"status": 400, "code": "BadArgument", "message": "Unknown attachment type."},
    "401": {"status": 401, "code": "Unauthorized", "message": "Authorization has been denied for this request."},
    "403-blocked-by-user": _forbidden("ConversationBlockedByUser", "User blocked the conversation with the bot."),
    "403-disabled-by-admin": _forbidden("BotDisabledByAdmin", "The tenant admin disabled this bot."),
    "403-writes-blocked": _forbidden("Forbidden", WRITES_BLOCKED),
    "403-not-in-roster": _forbidden("BotNotInConversationRoster", "The bot is not part of the conversation roster."),
    "403-not-installed": _forbidden("ForbiddenOperationException", "The bot is not installed in personal scope."),
    "403-wrong-host": _forbidden("InvalidBotApiHost", "Invalid bot api host: use the government cloud's."),
    "403-decrypt": _forbidden("BadArgument", "Failed to decrypt conversation id"),
    "403": _forbidden("Forbidden", "Forbidden."),
    "turn-twice": {"operations": ["turn"], "twice": True},
    "turn-504": {"operations": ["turn"], "status": 504, "code": "BotTimeout", "message": "bot timed out"},
    "404-conversation": {"status": 404, "code": "ConversationNotFound", "message": "Conversation not found."},
    "404-activity": {"status": 404, "code": "ActivityNotFound", "message": "Activity not found."},
}


class Faults:
    """The rules, kept in the state folder so that a restart of the channel does not heal it by accident."""

    def __init__(self, database: Database, seed: int | None = None) -> None:
        self._database = database
        self._random = random.Random(seed)  # noqa: S311  dice, not secrets
        self.rules = msgspec.json.decode(database.kept("faults", b"[]"), type=list[Fault])
        self._passing: set[str] = set()
        self._next = 1 + max((int(rule.id) for rule in self.rules), default=0)

    def add(self, asked: dict[str, Any], *, keep: bool = True) -> Fault:
        """A rule from JSON: `preset` by name and whatever overrides it. Raises 400 for what is no rule.

        Options of the command line are not kept: the next start brings them again.
        """
        given = dict(asked)
        preset = given.pop("preset", None)
        if preset is not None and preset not in PRESETS:
            raise bad_argument(f"There is no preset {preset!r}; there are: {', '.join(PRESETS)}.")
        try:
            rule = msgspec.convert({**PRESETS.get(preset or "", {}), **given}, Fault)
        except msgspec.ValidationError as error:
            raise bad_argument(f"This is no fault: {error}.") from error
        _check(rule)
        rule.id, rule.used = str(self._next), 0
        self._next += 1
        self.rules.append(rule)
        if keep:
            self._keep()
        else:
            self._passing.add(rule.id)
        return rule

    def remove(self, rule_id: str = "") -> int:
        """Take one rule away, or all; returns how many there were."""
        before = len(self.rules)
        self.rules = [rule for rule in self.rules if rule_id and rule.id != rule_id]
        self._keep()
        return before - len(self.rules)

    def choose(self, operation: str, conversation: str) -> Fault | None:
        """The first rule that strikes this call; its use is counted."""
        for rule in self.rules:
            if operation not in rule.operations or rule.conversation not in ("", conversation):
                continue
            if rule.times is not None and rule.used >= rule.times:
                continue
            if rule.rate < 1 and self._random.random() >= rule.rate:
                continue
            rule.used += 1
            if rule.times is not None:
                self._keep()
            return rule
        return None

    def _keep(self) -> None:
        kept = [rule for rule in self.rules if rule.id not in self._passing]
        self._database.keep("faults", msgspec.json.encode(kept))


def _check(rule: Fault) -> None:
    unknown = set(rule.operations) - set(OPERATIONS)
    if unknown or not rule.operations:
        raise bad_argument(f"operations must be some of: {', '.join(OPERATIONS)}.")
    if rule.status and not 200 <= rule.status <= 599:
        raise bad_argument("status must be from 200 to 599.")
    if not 0 <= rule.rate <= 1 or not 0 <= rule.delay <= 600 or (rule.times is not None and rule.times < 1):
        raise bad_argument("rate must be from 0 to 1, delay from 0 to 600 seconds, times at least 1.")
    if not (rule.status or rule.drop or rule.delay or rule.twice):
        raise bad_argument("A fault needs a preset, a status, drop or a delay.")


def parse(text: str) -> dict[str, Any]:
    """A rule as an option: `PRESET[,name=value…]`, for instance `429-retry-after,rate=0.1,retryAfter=1`."""
    preset, *pairs = text.split(",")
    rule: dict[str, Any] = {"preset": preset}
    for pair in pairs:
        name, _, value = pair.partition("=")
        rule[name.strip()] = value.split("+") if name.strip() == "operations" else _value(value.strip())
    return rule


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
