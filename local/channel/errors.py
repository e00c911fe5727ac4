"""The errors that clients and bots are answered with: `{"error": {"code", "message"}}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ChannelError(Exception):
    """An answer other than success. `code` is the Bot Framework's word for it, `message` tells the reader the fix."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def body(self) -> dict[str, dict[str, str]]:
        return {"error": {"code": self.code, "message": self.message}}


def bad_argument(message: str) -> ChannelError:
    return ChannelError(400, "BadArgument", message)


def missing_property(message: str) -> ChannelError:
    return ChannelError(400, "MissingProperty", message)


def unauthorized(message: str) -> ChannelError:
    return ChannelError(401, "Unauthorized", message, {"WWW-Authenticate": "Bearer"})


def forbidden(message: str, code: str = "BadArgument") -> ChannelError:
    return ChannelError(403, code, message)


def conversation_not_found(conversation: str) -> ChannelError:
    return ChannelError(
        404, "ConversationNotFound", f"There is no conversation {conversation!r} in this channel's state."
    )


def activity_not_found(activity: str) -> ChannelError:
    return ChannelError(404, "ActivityNotFound", f"There is no activity {activity!r} in this conversation.")


def too_large(what: str, limit: int) -> ChannelError:
    return ChannelError(413, "MessageSizeTooBig", f"{what} is larger than the limit of {limit} bytes.")


class BotUnreachableError(ChannelError):
    """Nothing took the activity: no connection to the bot's URL."""

    def __init__(self, reason: str) -> None:
        super().__init__(502, "BotError", f"Failed to send activity: {reason}")


def bot_error(reason: str) -> ChannelError:
    return ChannelError(502, "BotError", f"Failed to send activity: {reason}")


class BotRepliesError(ChannelError):
    """The bot's answer holds replies that nobody can be shown; `replies` are what it held, None for what is none."""

    def __init__(self, reason: str, replies: Sequence[dict[str, Any] | None]) -> None:
        super().__init__(502, "BotError", f"Failed to send activity: {reason}")
        self.replies = replies


def bot_timeout(seconds: float) -> ChannelError:
    return ChannelError(504, "BotTimeout", f"Failed to send activity: bot timed out (no answer within {seconds:g} s)")
