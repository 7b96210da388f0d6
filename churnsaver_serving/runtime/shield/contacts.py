"""Links, addresses, telephone numbers and other personal data, by their form."""

import re

from churnsaver_serving.runtime.shield.reading import Reading

_EMAIL = r"[\w+-]\s?(?:@|\[at\]|\(at\))\s?[\w-]{1,63}\s?(?:\.|\[dot\]|\(dot\))\s?[a-z]{2,}"
_LINK = re.compile(
    r"https?:|ftp:|mailto:|tel:|www\.|://"
    rf"|{_EMAIL}"
    r"|\b[a-z0-9][a-z0-9-]{1,62}\.[a-z]{2,24}\b"
    r"|\b[a-z0-9-]{2,63}\s*[\[(]\s*dot\s*[\])]"
    r"|(?<![\w@])@[a-z]\w{2,}"
    r"|\+?\d[\d\s().-]{6,20}\d"
    r"|\b1?-?8\d\d-[a-z0-9-]{4,}"
    r"|\b\d{3}-\d{4}\b"
)
_UNSPACED = re.compile(r"\.(?=[A-Z][a-z])")
_PII = re.compile(
    r"\b\d{3}[- ]\d{2}[- ]\d{4}\b"
    r"|\(?\b\d{3}\)?[-. ]\s?\d{3}[-. ]\d{4}\b"
    rf"|{_EMAIL}"
    r"|\b[a-z]{2}\d{2}(?:\s?[a-z0-9]{4}){3,7}\b"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}\b"
)
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")


def luhn(digits: str) -> bool:
    """Return whether the check digit is right, as on payment cards (ISO/IEC 7812-1, annex B).

    Args:
        digits: Decimal digits only.
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)  # noqa: PLR2004 - the sum of two digits
    return total % 10 == 0


def link(reading: Reading) -> str | None:
    """Find a link, an address or a telephone number."""
    # A capital after the dot is a sentence whose space is missing, not a host's name.
    match = _LINK.search(_UNSPACED.sub(". ", reading.plain).casefold())
    return match[0] if match else reading.phrases.get("link")


def pii(reading: Reading) -> str | None:
    """Find data of a person, or a request for them."""
    match = _PII.search(reading.lower)
    if match:
        return match[0]
    for card in _CARD.finditer(reading.lower):
        if luhn(re.sub(r"\D", "", card[0])):
            return card[0]
    return reading.phrases.get("pii")
