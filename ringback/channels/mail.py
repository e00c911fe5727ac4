"""What an e-mail says: subject, text, HTML and headers out of a payload, safe to put into a message."""

from __future__ import annotations

import re
from email.utils import getaddresses
from html.parser import HTMLParser

import msgspec

from ringback.channels.address import Address, email
from ringback.channels.port import Payload
from ringback.errors import ConfigurationError, RequestError

LONGEST_SUBJECT = 200
# The service takes 10 MB for a request, JSON and all; many mailboxes take no more.
LARGEST = 8 * 1024 * 1024
HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
# What a caller may not decide: these say who writes to whom, or how the message is read.
RESERVED = {
    "from", "sender", "to", "cc", "bcc", "subject", "date", "message-id", "reply-to", "return-path", "received",
    "mime-version", "dkim-signature", "auto-submitted",
}  # fmt: skip
SKIPPED = {"script", "style", "head", "title"}
BREAKS = {"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "blockquote", "hr"}


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One e-mail's content; `html` is empty where there is text alone."""

    subject: str
    text: str
    html: str = ""
    headers: dict[str, str] = {}


def mail(payload: Payload) -> Mail:
    """The payload's `text`, `html`, `subject` and `headers`; raises RequestError naming the field at fault.

    Without a text it is made from the HTML; without a subject it is the text's first line.
    """
    html, text = _string(payload, "html"), _string(payload, "text")
    text = text if text.strip() else plain(html)
    if not text.strip():
        raise RequestError("An e-mail needs a text or HTML.", field="text")
    subject = _string(payload, "subject") or text.strip().splitlines()[0]
    # Folded white space: a line break in a subject would begin a header.
    subject = "".join(character for character in " ".join(subject.split()) if character.isprintable())
    size = len(text.encode("utf-8", "replace")) + len(html.encode("utf-8", "replace"))
    if size > LARGEST:
        raise RequestError(f"The e-mail has {size} bytes; {LARGEST} is the most.", field="html" if html else "text")
    return Mail(subject=subject[:LONGEST_SUBJECT], text=text, html=html, headers=_headers(payload))


def sender(text: str) -> Address:
    """EMAIL_FROM: an address, or a name with an address in angle brackets; raises ConfigurationError."""
    if not text:
        raise ConfigurationError("E-mail needs a sender: set EMAIL_FROM, such as Ringback <hello@example.org>.")
    try:
        ((name, value),) = getaddresses([text])
        return email(value, name or None)
    except (ValueError, RequestError) as error:
        fix = "give hello@example.org, or Ringback <hello@example.org>"
        raise ConfigurationError(f"EMAIL_FROM is {text!r}: {fix}.") from error


def plain(html: str) -> str:
    """The words of an HTML text, with the address behind each link."""
    reader = _Words()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.words).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _string(payload: Payload, name: str) -> str:
    value = payload.get(name)
    if value is not None and not isinstance(value, str):
        raise RequestError(f"{name} is not a text.", field=name)
    # A lone surrogate is no character, and no mail server takes one.
    return (value or "").encode("utf-8", "replace").decode()


def _headers(payload: Payload) -> dict[str, str]:
    given = payload.get("headers") or {}
    if not isinstance(given, dict):
        raise RequestError("headers is not an object of names and values.", field="headers")
    for name, value in given.items():
        fits = isinstance(name, str) and HEADER_NAME.fullmatch(name) and isinstance(value, str)
        if not fits or name.lower() in RESERVED or name.lower().startswith("content-"):
            raise RequestError(f"The e-mail header {str(name)[:60]!r} cannot be given.", field="headers")
        if not value.isascii() or not value.isprintable() or len(value) > 900:
            raise RequestError(f"The value of the e-mail header {name} is not one line of ASCII.", field="headers")
    return dict(given)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._skipping = 0
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SKIPPED:
            self._skipping += 1
        elif tag in BREAKS:
            self.words.append("\n")
        elif tag == "a":
            self._links.append(dict(attrs).get("href") or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BREAKS:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in SKIPPED:
            self._skipping = max(0, self._skipping - 1)
        elif tag in BREAKS:
            self.words.append("\n")
        elif tag == "a" and self._links and (link := self._links.pop()).startswith(("http:", "https:", "mailto:")):
            self.words.append(f" ({link})")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            # Line breaks of the source are blanks; those of the page are made above.
            self.words.append(re.sub(r"\s+", " ", data))
