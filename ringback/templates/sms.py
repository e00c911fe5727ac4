"""How many messages a phone network makes of a text: 3GPP TS 23.038."""

from __future__ import annotations

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = "\f^{}\\[~]|€"
_BASIC_SET, _EXTENDED_SET = frozenset(_BASIC), frozenset(_EXTENDED)


def segments(text: str) -> tuple[int, str]:
    """(how many, in which alphabet): 160 or 153 characters of GSM-7, else 70 or 67 of UCS-2."""
    if all(char in _BASIC_SET or char in _EXTENDED_SET for char in text):
        length = len(text) + sum(char in _EXTENDED_SET for char in text)
        single, several, alphabet = 160, 153, "GSM-7"
    else:
        length = len(text.encode("utf-16-le")) // 2
        single, several, alphabet = 70, 67, "UCS-2"
    return (1 if length <= single else -(-length // several)), alphabet
