"""Numbers that are not in the facts, and statements about the offer."""

import re

from churnsaver_serving.runtime.shield.reading import Reading
from churnsaver_serving.runtime.shield.rules import ShieldRules

_SMALL_NUMBERS = 9  # two to ten
_PERCENT = r"\s?(?:%|per\s?cent\b)"
_BILL = r"(?:bills?|payments?|rate|rates|price|prices|charge|charges|costs?|invoices?|statements?)"
_MORE = (
    r"(?:up to|at least|as much as|extra|additional|another|more than|over|further|minimum of"
    r"|plus|nearly|almost|about|around)\s+(?:an?\s+)?"
)
_AGAIN = r"\s+(?:more|extra|additional|on top|again|twice|or more|plus|minimum|every)\b"
_SCOPE = re.compile(
    rf"{_PERCENT}\s+(?:off|discount on|discount off|from|less on)\s+(?:of\s+)?"
    r"(?=(?:your|the|our|a|an|all|every|any|each|one|everything|everyone|whatever|it)\b)"
    rf"(?!(?:[\w'-]+\s+){{0,4}}{_BILL}\b)"
)


def amount(value: int, unit: str) -> re.Pattern[str]:
    """Compile a pattern for exactly `value` with a unit after it, in lower-case text.

    Args:
        value: A whole number.
        unit: Pattern of the unit, with the space before it.
    """
    return re.compile(rf"(?<![\d.,$€£/-])(?<!\d\s){value}{unit}")


class Numbers:
    """The number rules, compiled.

    Args:
        rules: All rules of the shield.
    """

    def __init__(self, rules: ShieldRules) -> None:
        words, units = "|".join(rules.number_words), "|".join(rules.number_units)
        # From eleven on a number is never just a turn of phrase.
        large = "|".join(rules.number_words[_SMALL_NUMBERS:])
        ones = "|".join(rules.one_units)
        self._written = re.compile(
            rf"\b(?:{words})(?:[\s-]{{1,3}}(?:and[\s-]{{1,3}})?(?:{words}|one)\b){{0,4}}"
            rf"[\s-]{{1,3}}(?:[a-z]{{1,20}}\s{{1,3}})?(?:{units})\b"
            rf"|\b(?:{words})\s+(?:out\s+of|in)\s+(?:{words})\b"
            rf"|\bone[\s-]+(?:{ones})\b"
            rf"|\b(?:a\s+(?:couple\s+of|few)|half\s+an?)\s+(?:{ones})s?\b"
            rf"|\b(?:{large})\b"
        )
        self._percents: dict[int, re.Pattern[str]] = {}
        self._months: dict[int, re.Pattern[str]] = {}

    def percent(self, value: int) -> re.Pattern[str]:
        """Compile a pattern for the offer's percentage."""
        if value not in self._percents:
            self._percents[value] = amount(value, _PERCENT)
        return self._percents[value]

    def months(self, value: int) -> re.Pattern[str]:
        """Compile a pattern for the offer's duration."""
        if value not in self._months:
            self._months[value] = amount(value, r"\s(?:monthly\s)?(?:months?|bills?)\b")
        return self._months[value]

    def invented(self, reading: Reading, offer_pct: int, offer_months: int | None) -> str | None:
        """Find a number that is none of the offer's.

        Args:
            reading: The text to judge.
            offer_pct: The offer, percent; 0 for none.
            offer_months: Duration that may be stated too; None in a body.
        """
        lower = reading.lower
        if offer_pct:
            lower = self.percent(offer_pct).sub(" ", lower)
            if offer_months is not None:
                lower = self.months(offer_months).sub(" ", lower)
        match = re.search(r"\S*\d\S*|[^\s\w]*%|\bper\s?cent\b|[$€£¥]", lower)
        match = match or self._written.search(lower)
        return match[0] if match else reading.phrases.get("number")

    def contradicted(self, reading: Reading, offer_pct: int) -> str | None:
        """Find talk that makes the offer larger, wider or double.

        Args:
            reading: The text to judge.
            offer_pct: The offer, percent; 0 for none.
        """
        if offer_pct:
            lower = reading.lower
            around = re.search(
                rf"{_MORE}{offer_pct}{_PERCENT}|{offer_pct}{_PERCENT}{_AGAIN}", lower
            ) or _SCOPE.search(lower)
            if around:
                return around[0]
        return reading.phrases.get("offer")

    def stated(self, text: str, offer_pct: int, offer_months: int) -> bool:
        """Return whether one sentence gives the offer with its duration.

        Args:
            text: The text in lower case.
            offer_pct: The offer, percent.
            offer_months: Number of bills that the offer is for.
        """
        percent, months = self.percent(offer_pct), self.months(offer_months)
        return any(
            percent.search(sentence) and months.search(sentence)
            for sentence in re.split(r"(?<=[.!?])\s|\n", text)
        )

    def other_percent(self, reading: Reading, offer_pct: int) -> str | None:
        """Find a percentage that is not the offer's.

        Args:
            reading: The text to judge.
            offer_pct: The offer, percent; 0 for none.
        """
        lower = self.percent(offer_pct).sub(" ", reading.lower) if offer_pct else reading.lower
        match = re.search(rf"[\d.,]+{_PERCENT}", lower)
        return match[0] if match else None
