"""Addresses outside the bot's channels: a phone number for SMS, an e-mail address.

They are checked and brought into one spelling when they are registered, and checked again when a message goes out, as
rows of a table may be older than the rules.
"""

from __future__ import annotations

import re

import idna
import msgspec

from ringback.channels.teams import TeamsUser
from ringback.delivery.reference import Reference
from ringback.errors import RequestError

LONGEST_LOCAL_PART = 64
LONGEST_EMAIL = 254
LONGEST_DOMAIN = 253
# So short a text would be told whole by its ends.
SHORT = 7
# A dot-atom (RFC 5321): quoted local parts are legal, unused, and a way to smuggle blanks and brackets.
LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One person's number (`kind` sms, E.164) or mailbox (`kind` email), or their address in another kind of channel.

    `phone` and `email` make checked ones.
    """

    kind: str
    value: str
    name: str | None = None

    @property
    def masked(self) -> str:
        """Enough for an operator to recognise it, too little to write to it."""
        if self.kind == "email":
            local, _, domain = self.value.rpartition("@")
            return f"{local[:1]}…@{domain}"
        return f"{self.value[:3]}…{self.value[-2:]}" if len(self.value) > SHORT else "…"


Recipient = Reference | Address | TeamsUser


def phone(text: str, name: str | None = None, *, region: str | None = None) -> Address:
    """The number in E.164; without a `region` (ISO 3166, such as DE) it must start with +. Raises RequestError."""
    import phonenumbers  # noqa: PLC0415  13 ms that only SMS needs

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise _refused("phone", f"{text[:40]!r} is no phone number: write it as +491512345678.") from error
    # Letters are digits to the parser (1-800-FLOWERS); in an address they are a mistake.
    if re.search(r"[A-Za-z]", text) or number.extension or not phonenumbers.is_valid_number(number):
        raise _refused("phone", f"{text[:40]!r} is not a number that exists: write it as +491512345678.")
    return Address(kind="sms", value=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), name=name)


def email(text: str, name: str | None = None) -> Address:
    """The mailbox with its domain in lower-case ASCII (IDNA). Raises RequestError."""
    local, at, domain = text.strip().rpartition("@")
    if not at or len(local) > LONGEST_LOCAL_PART or not LOCAL_PART.fullmatch(local):
        raise _refused("email", f"{text[:80]!r} is no e-mail address: write it as name@example.org.")
    value = f"{local}@{_ascii_domain(domain)}"
    if len(value) > LONGEST_EMAIL:
        raise _refused("email", f"The e-mail address {text[:40]!r}… is longer than {LONGEST_EMAIL} characters.")
    return Address(kind="email", value=value, name=name)


def checked(address: Address) -> Address:
    """The address itself, or RequestError when it is not one that `phone` or `email` made."""
    if address.kind == "sms" and E164.fullmatch(address.value):
        return address
    if address.kind == "email" and email(address.value).value == address.value:
        return address
    raise _refused(address.kind, f"{address.masked} is no {address.kind} address: register it anew.")


def _ascii_domain(domain: str) -> str:
    try:
        found = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise _refused("email", f"{domain[:80]!r} is no domain.") from error
    labels = found.split(".")
    if len(found) > LONGEST_DOMAIN or len(labels) < 2 or not all(LABEL.fullmatch(label) for label in labels):
        raise _refused("email", f"{domain[:80]!r} is no domain that mail can go to.")
    if labels[-1].isdigit():
        raise _refused("email", f"{domain[:80]!r} is an IP address: mail goes to names.")
    return found


def _refused(field: str, message: str) -> RequestError:
    return RequestError(message, field=field)
