"""Parts that every message must have: the sender and the way to stop such messages."""

import re
from functools import lru_cache

import msgspec

from churnsaver_serving.runtime.facts import Facts

_NEUTRAL = "this company"


@lru_cache(maxsize=256)
def exactly(words: str) -> re.Pattern[str]:
    """Compile a pattern for `words` letter by letter, not inside other words.

    Args:
        words: Any words.
    """
    return re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")


@lru_cache(maxsize=256)
def _whole_sentence(sentence: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|(?<=[.!?]\s)|(?<=\n)){re.escape(sentence)}(?=\s|$)")


def opt_out_sentence(facts: Facts) -> str:
    """Return the way to opt out, with the facts in it filled in.

    Args:
        facts: The facts of the message.
    """
    sentence = facts.opt_out
    if "{" in sentence:
        for name, value in msgspec.structs.asdict(facts).items():
            sentence = sentence.replace(f"{{{name}}}", str(value))
    return sentence


def without_opt_out(text: str, facts: Facts) -> tuple[str, bool]:
    """Return the text without the opt-out sentence, and whether it was there as a sentence.

    Args:
        text: A whole message.
        facts: The facts of the message.
    """
    sentence = opt_out_sentence(facts).strip()
    if not sentence:
        return text, False
    match = _whole_sentence(sentence).search(text)
    if match is None:
        return text, False
    return text[: match.start()] + text[match.end() :], True


def without_sender(text: str, facts: Facts) -> tuple[str, bool]:
    """Return the text with a neutral word for the sender, and whether the sender was named.

    Args:
        text: A whole message.
        facts: The facts of the message.
    """
    if not facts.sender.strip():
        return text, False
    changed, count = exactly(facts.sender).subn(_NEUTRAL, text)
    return changed, count > 0
