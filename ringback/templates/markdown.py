"""Markdown as chats know it: values escaped so that they stay text, and messages turned into plain text and HTML.

What is read: paragraphs, headings, lists, quotes, hard breaks, **bold**, *italic*, ~~struck~~, `code`, [links](url),
bare addresses, and backslash escapes. Everything else is text.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

# What makes markup inside a line, and what makes it at the start of one.
_ACTIVE = re.compile(r"[\\`*_\[\]<>~|]|&(?=#?\w{1,31};)")
_LINE_START = re.compile(r"^([ \t]*)(#{1,6}|[+-])(?=[ \t])", re.MULTILINE)
_NUMBER_START = re.compile(r"^([ \t]*\d{1,9})([.)])(?=[ \t])", re.MULTILINE)
_ADDRESS = re.compile(r"https?://[^\s<>\"]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")
# Embeddings and overrides of the direction, and isolates: https://www.unicode.org/reports/tr9/
_CLOSERS = {**dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c"), **dict.fromkeys("\u2066\u2067\u2068", "\u2069")}
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_URL_QUOTES = {ord(char): f"%{ord(char):02X}" for char in "()<>[]`*\\|"}
SCHEMES = ("http", "https", "mailto", "tel")
_INLINE = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|`(?P<code>[^`\n]{1,1000})`"
    r"|\[(?P<label>(?:\\.|[^\]\\\n]){0,500})\]\((?P<target>(?:\\.|[^()\s\\]){1,2000})\)"
    r"|\*\*(?P<bold>(?=\S)(?:\\.|[^\\*\n]|\*(?!\*)){1,2000}?(?<=\S))\*\*"
    r"|~~(?P<struck>(?=\S)(?:\\.|[^\\~\n]){1,2000}?(?<=\S))~~"
    r"|(?<![\w*])\*(?P<star>(?=\S)(?:\\.|[^\\*\n]){1,2000}?(?<=\S))\*(?!\w)"
    r"|(?<![\w_])_(?P<line>(?=\S)(?:\\.|[^\\_\n]){1,2000}?(?<=\S))_(?!\w)"
    r"|(?P<address>https?://[^\s<>\"\\]+)"
)
_TAGS = {"bold": "strong", "star": "em", "line": "em", "struck": "s"}
_BLOCK = re.compile(
    r"(?P<hashes>#{1,6})[ \t]+|(?P<bullet>[-*+])[ \t]+|(?P<number>\d{1,9})[.)][ \t]+|(?P<quote>>)[ \t]?"
)
MAX_NESTED = 4


class Markup(str):
    """Text that is Markdown already, and must not be escaped again."""

    __slots__ = ()


def clean(value: str) -> str:
    """Without control characters, except line breaks and tabs; a direction of writing that it begins ends with it."""
    text = _CONTROL.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))
    return _closed(text) if _DIRECTION.search(text) else text


def _closed(text: str) -> str:
    """Every direction that is begun ended, and none that was begun elsewhere: what stands beside keeps its own."""
    waiting: list[str] = []
    count: Counter[str] = Counter()
    kept = []
    for character in text:
        closer = _CLOSERS.get(character)
        if closer:
            waiting.append(closer)
            count[closer] += 1
        elif character in _CLOSERS.values():
            if not count[character]:
                continue
            while True:
                closed = waiting.pop()
                count[closed] -= 1
                if closed == character:
                    break
        kept.append(character)
    return "".join([*kept, *reversed(waiting)])


def escape(value: str) -> str:
    """A value as Markdown that shows as the value itself; an address stays one that can be clicked."""
    text = clean(value)
    if _ADDRESS.fullmatch(text):
        return text.translate(_URL_QUOTES)
    text = _ACTIVE.sub(lambda found: "\\" + found.group(0), text)
    return _NUMBER_START.sub(r"\1\\\2", _LINE_START.sub(r"\1\\\2", text))


def link(label: str, url: str) -> Markup:
    """[label](url), whatever is in either; ValueError when the address may not be linked to."""
    if not is_safe_url(url):
        raise ValueError(f"{url!r} is no address to link to: it must be one of {', '.join(SCHEMES)}")
    target = url.strip().translate(_URL_QUOTES).replace(" ", "%20")
    return Markup(f"[{escape(label)}]({target})")


def is_safe_url(url: str) -> bool:
    """Whether a reader may be sent there: no script, no data, no file."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    there = parts.hostname if parts.scheme in {"http", "https"} else parts.path
    return parts.scheme in SCHEMES and bool(there) and not _CONTROL.search(url)


def to_plain(text: str) -> str:
    """What a reader would see, without the markup; a link's address follows its words."""
    lines = []
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        prefix, rest = _block_start(line.lstrip())
        mark = {"bullet": "- ", "quote": "> "}.get(prefix[0], f"{prefix[1]}. " if prefix[0] == "number" else "")
        lines.append((indent if mark else "") + mark + _plain(rest.rstrip(), 0))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()


def to_html(text: str) -> str:
    """The body of an HTML page: only tags of ours, only addresses of SCHEMES."""
    pieces: list[str] = []
    for kind, lines in _blocks(text):
        inner = [_html(line, 0) for line in lines]
        if kind in {"ul", "ol"}:
            pieces.append(f"<{kind}>{''.join(f'<li>{line}</li>' for line in inner)}</{kind}>")
        else:
            pieces.append(f"<{kind}>{'<br>'.join(inner)}</{kind}>")
    return "\n".join(pieces)


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """(tag, lines) of each run of lines that belong together."""
    tag, lines = "", list[str]()
    for line in [*text.split("\n"), ""]:
        (kind, detail), rest = _block_start(line.strip())
        found = {"bullet": "ul", "number": "ol", "quote": "blockquote"}.get(kind, "p")
        if kind == "hashes":
            found = f"h{len(detail)}"
        if lines and (not line.strip() or found != tag or kind == "hashes"):
            yield tag, lines
            lines = []
        tag = found
        if line.strip():
            lines.append(rest)


def _block_start(line: str) -> tuple[tuple[str, str], str]:
    """((kind, its mark), the rest of the line); kind is "" for a line of a paragraph."""
    found = _BLOCK.match(line)
    if found is None:
        return ("", ""), line
    return (str(found.lastgroup), found.group(str(found.lastgroup))), line[found.end() :]


def _plain(text: str, depth: int) -> str:
    def replaced(found: re.Match[str]) -> str:
        kind = str(found.lastgroup)
        if kind == "target":
            label, target = _plain(found["label"], depth + 1), _unescape(found["target"])
            return target if label in {"", target} else f"{label} ({target})"
        if kind in _TAGS and depth < MAX_NESTED:
            return _plain(found[kind], depth + 1)
        return found[kind]

    return _INLINE.sub(replaced, text)


def _html(text: str, depth: int) -> str:
    pieces, last = [], 0
    for found in _INLINE.finditer(text):
        pieces.append(html.escape(text[last : found.start()]))
        pieces.append(_html_of(found, depth))
        last = found.end()
    pieces.append(html.escape(text[last:]))
    return "".join(pieces)


def _html_of(found: re.Match[str], depth: int) -> str:
    kind = str(found.lastgroup)
    if kind == "target":
        return anchor(_unescape(found["target"]), _html(found["label"], depth + 1))
    if kind in _TAGS and depth < MAX_NESTED:
        return f"<{_TAGS[kind]}>{_html(found[kind], depth + 1)}</{_TAGS[kind]}>"
    if kind == "address":
        address = found["address"].rstrip(".,;:!?)")
        return anchor(address, html.escape(address)) + html.escape(found["address"][len(address) :])
    return f"<code>{html.escape(found[kind])}</code>" if kind == "code" else html.escape(found[kind])


def anchor(url: str, inner: str) -> str:
    """A link in HTML, or only its words when the address may not be linked to."""
    return f'<a href="{html.escape(url)}">{inner or html.escape(url)}</a>' if is_safe_url(url) else inner


def _unescape(text: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)
