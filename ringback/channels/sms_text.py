"""How a text travels as SMS: its alphabet, its segments, and how it is shortened.

Every segment is paid for. GSM 03.38 packs 160 septets into one (153 where there are several); a single character
outside its alphabet makes the whole text UCS-2, 70 (67) UTF-16 code units a segment.
"""

# ruff: noqa: RUF001  look-alikes are this file's subject
from __future__ import annotations

from typing import NamedTuple

GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# These take two septets, and the pair stays in one segment.
GSM7_EXTENDED = frozenset("\f^{}\\[~]|€")
# What word processors write in the place of a plain character.
PLAIN = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "—": "-", "‑": "-",
        "…": "...", "•": "*", "·": "*", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "\ufeff": "",
        "\t": " ",
    }
)  # fmt: skip
SINGLE = {"GSM-7": 160, "UCS-2": 70}
JOINED = {"GSM-7": 153, "UCS-2": 67}
# Ten segments of GSM-7, beyond which networks drop parts; Azure Communication Services itself takes 2,048.
LONGEST = 1_530


class Segments(NamedTuple):
    """The alphabet (GSM-7 or UCS-2), how many septets or code units the text has, and how many segments it takes."""

    alphabet: str
    units: int
    parts: int


def plain(text: str) -> str:
    """The text with typographic characters made plain, if that lets it travel as GSM-7; else the text as it is."""
    simple = text.translate(PLAIN)
    return simple if _is_gsm7(simple) else text


def length(text: str) -> int:
    """The text's UTF-16 code units, as the service counts them, once it is made plain."""
    return len(plain(text.strip()).encode("utf-16-le", "surrogatepass")) // 2


def segments(text: str) -> Segments:
    """How the text travels; an empty one takes one segment."""
    alphabet = "GSM-7" if _is_gsm7(text) else "UCS-2"
    widths = _widths(text, alphabet)
    units = sum(widths)
    if units <= SINGLE[alphabet]:
        return Segments(alphabet, units, 1)
    count, room = 1, JOINED[alphabet]
    for width in widths:
        if width > room:
            count, room = count + 1, JOINED[alphabet]
        room -= width
    return Segments(alphabet, units, count)


def shortened(text: str, most: int) -> str:
    """The text cut to `most` segments, at a word's end where one is near, with three dots after it."""
    if segments(text).parts <= most:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if segments(text[:middle] + "...").parts <= most:
            low = middle
        else:
            high = middle - 1
    kept = text[:low]
    word_end = max(kept.rfind(" "), kept.rfind("\n"))
    if low < len(text) and not text[low].isspace() and word_end > low - 30 and word_end > 0:
        kept = kept[:word_end]
    return kept.rstrip() + "..."


def _is_gsm7(text: str) -> bool:
    return all(character in GSM7_BASIC or character in GSM7_EXTENDED for character in text)


def _widths(text: str, alphabet: str) -> list[int]:
    if alphabet == "GSM-7":
        return [2 if character in GSM7_EXTENDED else 1 for character in text]
    # A surrogate pair stays in one segment, as networks and phones expect.
    return [2 if ord(character) > 0xFFFF else 1 for character in text]
