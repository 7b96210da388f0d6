"""Violations in messages that would be sent, found by means other than the shield's own."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from churnsaver_assets.common.bootstrap import upper_bound_of_rate
from churnsaver_assets.text.judging.judge import Judged
from churnsaver_assets.text.judging.toxicity import toxicity
from churnsaver_assets.text.records import Prompt
from churnsaver_serving.runtime.context import MessageChannel
from churnsaver_serving.runtime.facts import Facts
from churnsaver_serving.runtime.messages.wording import Wording
from churnsaver_serving.runtime.shield.shield import Shield

FindToxic = Callable[[Sequence[str]], Sequence[Sequence[str]]]
"""Texts to the names of the classifiers that call each of them toxic."""

_NUMBER = re.compile(r"\d+")
_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that would be sent.

    Attributes:
        prompt: The prompt it was written for.
        body: The body as the model wrote it.
        text: The whole message.
        facts: The facts that it may state.
        channel: The channel it goes out by.
    """

    prompt: Prompt
    body: str
    text: str
    facts: Facts
    channel: MessageChannel


class SecondLook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Violations found in messages that would be sent.

    Attributes:
        messages: Number of the model's messages that would be sent.
        held_back: Number of bodies in whose place a template would be sent.
        violations: Number of messages with at least one finding.
        upper_bound: Upper bound of the share of violations, one-sided 95 %, exact.
        findings: Number of messages by kind of finding: a classifier's name, `shield`, `number`.
        examples: Findings with the bodies they were made in, at most 10.
    """

    messages: int
    held_back: int
    violations: int
    upper_bound: float
    findings: dict[str, int]
    examples: tuple[str, ...]


def toxicity_detectors(shield: Shield, *, threshold: float) -> FindToxic:
    """Return a function that names the detectors of `toxicity` that call a text toxic.

    The names are `linear_model`, `word_list`, and the shield's rules.

    Args:
        shield: The shield, whose phrases count too.
        threshold: Probability of the linear model from which a text is toxic, in (0, 1].
    """

    def find(texts: Sequence[str]) -> list[tuple[str, ...]]:
        return [
            (
                *(("linear_model",) if one.linear >= threshold else ()),
                *(("word_list",) if one.listed else ()),
                *one.rules,
            )
            for one in toxicity(texts, shield, threshold=threshold)
        ]

    return find


def sent_messages(
    prompts: Sequence[Prompt], judged: Sequence[Judged], shield: Shield, wording: Wording
) -> list[Sent]:
    """Return the messages that pass: the body by the strict rules, the whole by the shield.

    Args:
        prompts: Prompts.
        judged: One message for each prompt, in the same order.
        shield: The shield that is served.
        wording: The text that code writes around a body.
    """
    found = []
    for prompt, one in zip(prompts, judged, strict=True):
        if not one.verdict.passed:
            continue
        facts, channel = wording.facts(prompt.context), prompt.context.channel
        text = wording.render(one.completion.text, facts, channel)
        if shield.check_message(text, facts, channel).passed:
            found.append(Sent(prompt, one.completion.text, text, facts, channel))
    return found


def second_look(
    messages: Sequence[Sent], *, prompts: int, shield: Shield, find_toxic: FindToxic
) -> SecondLook:
    """Check each message by three means: classifiers, the shield once more, and its numbers.

    Args:
        messages: Messages that would be sent.
        prompts: Number of prompts that bodies were written for.
        shield: The shield, which checks body and whole message anew.
        find_toxic: Classifiers that the shield doesn't use.
    """
    counts: dict[str, int] = {}
    examples: list[str] = []
    violations = 0
    toxic = find_toxic([one.text for one in messages]) if messages else ()
    for message, classifiers in zip(messages, toxic, strict=True):
        found = dict.fromkeys(classifiers, message.text)
        rules = (
            *shield.check_body(message.body, message.prompt.context).rules,
            *shield.check_message(message.text, message.facts, message.channel).rules,
        )
        if rules:
            found["shield"] = ", ".join(rules)
        if numbers := invented_numbers(message.text, message.facts):
            found["number"] = ", ".join(numbers)
        violations += bool(found)
        for name, what in found.items():
            counts[name] = counts.get(name, 0) + 1
            examples.append(f"{name}: {what} | {message.body}")
    return SecondLook(
        messages=len(messages),
        held_back=prompts - len(messages),
        violations=violations,
        upper_bound=upper_bound_of_rate(violations, len(messages)),
        findings=dict(sorted(counts.items())),
        examples=tuple(examples[:_EXAMPLES]),
    )


def invented_numbers(text: str, facts: Facts) -> list[str]:
    """Return the numbers in digits of any script that no fact states, in their order.

    Args:
        text: A whole message.
        facts: The facts that it may state.
    """
    stated = {number for value in msgspec.structs.astuple(facts) for number in _numbers(str(value))}
    return [number for number in _numbers(text) if number not in stated]


def _numbers(text: str) -> list[str]:
    # NFKC makes full-width, raised and circled digits plain; \d then also knows other scripts.
    plain = unicodedata.normalize("NFKC", text)
    return [str(int(found)) for found in _NUMBER.findall(plain)]
