"""Signed strings that leave the house: the token another system answers with, and the link a user follows."""

from __future__ import annotations

from itsdangerous import BadSignature, SignatureExpired, Signer, URLSafeTimedSerializer

from ringback.errors import AuthorizationError

LINK_SECONDS = 7 * 24 * 3600


def job_token(signing_key: str, operation_id: str, event_name: str) -> str:
    """The token for one awaited answer; the same question always has the same token, so a retried step repeats it."""
    return Signer(signing_key, salt="external-job").sign(f"{operation_id}/{event_name}").decode()


def read_job_token(signing_key: str, token: str) -> tuple[str, str]:
    """(operation id, event name) of a token; raises AuthorizationError for a forged one."""
    try:
        text = Signer(signing_key, salt="external-job").unsign(token).decode()
    except (BadSignature, UnicodeError):
        raise AuthorizationError("This token was not issued by this bot, or was changed on the way.") from None
    operation_id, _, event_name = text.partition("/")
    return operation_id, event_name


def page_token(signing_key: str, operation_id: str) -> str:
    """The last part of the link to one operation's page, good for a week."""
    return URLSafeTimedSerializer(signing_key, salt="operation-page").dumps(operation_id)


def read_page_token(signing_key: str, token: str) -> str:
    """The operation id of a page token; raises AuthorizationError when it is forged or over a week old."""
    try:
        value = URLSafeTimedSerializer(signing_key, salt="operation-page").loads(token, max_age=LINK_SECONDS)
    except SignatureExpired:
        raise AuthorizationError("This link is over a week old. Ask the bot for `status` to get a new one.") from None
    except BadSignature:
        raise AuthorizationError("This link is not one that the bot gave out. Copy it again, whole.") from None
    return str(value)
