"""Offline toxicity: two public detectors beside the shield's own phrases."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.shield.shield import Shield

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOXIC_RULES = ("threat", "guilt", "urgency", "profanity")
"""The shield's rules about how a customer is spoken to."""

# These rules are the same in every context.
_ANY_CONTEXT = MessageContext("fiber", "settled", 0, "plain", "email")


class ToxicityVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text's verdict by every detector.

    Attributes:
        linear: Probability by alt-profanity-check's linear model, in [0, 1].
        listed: Whether a word of it is on better-profanity's word list.
        rules: Rules among `TOXIC_RULES` that it breaks.
        toxic: Whether it is listed, breaks a rule, or has `linear` at or over the threshold.
    """

    linear: float
    listed: bool
    rules: tuple[str, ...]
    toxic: bool


@cache
def _word_list() -> Any:  # noqa: ANN401 - better-profanity has no types
    from better_profanity import Profanity

    words = Profanity()
    words.load_censor_words()
    return words


def _linear(texts: Sequence[str]) -> "NDArray[np.float64]":
    from profanity_check import predict_prob

    probabilities: NDArray[np.float64] = predict_prob(list(texts))
    return probabilities


def toxicity(texts: Sequence[str], shield: Shield, *, threshold: float) -> list[ToxicityVerdict]:
    """Judge texts; for reports and tests, too slow for the request path.

    alt-profanity-check is a linear model on words: it takes "we'd hate to lose you" for profane at
    0.68 and lets threats pass, so its threshold is the caller's to set on benign messages.

    Args:
        texts: Texts of any kind.
        shield: The shield, whose phrases count too.
        threshold: Probability of the linear model from which a text is toxic, in (0, 1].

    Returns:
        A verdict for each text, in order.

    Raises:
        ValueError: The threshold is outside (0, 1].
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold}: expected a probability above 0, at most 1")
    if not texts:
        return []
    words, probabilities = _word_list(), _linear(texts)
    verdicts = []
    for text, probability in zip(texts, probabilities, strict=True):
        broken = shield.check_body(text, _ANY_CONTEXT).rules
        rules = tuple(rule for rule in broken if rule in TOXIC_RULES)
        listed = bool(words.contains_profanity(text))
        verdicts.append(
            ToxicityVerdict(
                linear=float(probability),
                listed=listed,
                rules=rules,
                toxic=listed or bool(rules) or float(probability) >= threshold,
            )
        )
    return verdicts
