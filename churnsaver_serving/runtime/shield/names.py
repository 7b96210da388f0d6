"""Names of people, firms and places: a body has none."""

import re

from churnsaver_serving.runtime.shield.reading import Reading
from churnsaver_serving.runtime.shield.rules import NameRules

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_OPENS = re.compile(r"(?:^|[.!?:\n])[\"'(\[\s]*$")


def invented_name(reading: Reading, rules: NameRules) -> str | None:
    """Find a word written like a name, or a known first name in any case.

    Args:
        reading: The text, without what the facts put there.
        rules: Exceptions and known names.
    """
    text = reading.plain
    for match in _WORD.finditer(text):
        word = match[0]
        whole = word.casefold()
        stem = re.split(r"['\u2019]", whole)[0]
        if stem in rules.people:
            return word
        if not word[0].isupper() or whole in rules.capitalised or stem in rules.capitalised:
            continue
        if not _OPENS.search(text, max(0, match.start() - 8), match.start()):
            return word
    return reading.phrases.get("name")
