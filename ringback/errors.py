"""Every error that Ringback raises on purpose.

RingbackError
├── ConfigurationError      a setting is missing, malformed or not allowed here
├── RequestError            the caller's input is at fault: 4xx, names the field
│   ├── NotFoundError       404
│   ├── ConflictError       409
│   ├── PreconditionError   412, If-Match or If-None-Match does not hold
│   └── TooLargeError       413
├── AuthenticationError     401, the caller did not prove who they are
├── AuthorizationError      403, they did, and may not
├── UnsafeReferenceError    a conversation reference whose host may not receive our messages
└── RetryableError          raised by activities: the orchestrator's retry policy runs them again
"""

from __future__ import annotations


class RingbackError(Exception):
    """Something went wrong in Ringback."""

    status = 500
    title = "Internal error"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__ or self.title)


class ConfigurationError(RingbackError):
    """A setting is missing, malformed, or not allowed in this environment."""

    status = 503
    title = "Not configured"


class RequestError(RingbackError):
    """The request cannot be served as it stands."""

    status = 400
    title = "Bad request"

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotFoundError(RequestError):
    """There is nothing under this id."""

    status = 404
    title = "Not found"


class ConflictError(RequestError):
    """The same id was used before for something else."""

    status = 409
    title = "Conflict"


class PreconditionError(RequestError):
    """The resource is not in the state that the request names."""

    status = 412
    title = "Precondition failed"


class TooLargeError(RequestError):
    """The content is larger than its limit."""

    status = 413
    title = "Too large"


class AuthenticationError(RingbackError):
    """The caller did not prove who they are."""

    status = 401
    title = "Unauthorized"


class AuthorizationError(RingbackError):
    """The caller is known and may not do this."""

    status = 403
    title = "Forbidden"


class UnsafeReferenceError(RingbackError):
    """A conversation reference points at a host that is not allowed to receive our messages."""

    status = 400
    title = "Reference refused"


class RetryableError(RingbackError):
    """An activity could not do its work now; its retry policy decides whether it runs again."""

    status = 503
    title = "Not now"
