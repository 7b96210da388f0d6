"""The sentences of the generated sample: questions, and replies that are good or bad in content.

What tells good from bad is whether a reply answers, politely, what was asked. Both have one to five
sentences, so that length says little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_OPENINGS = (
    "How do I",
    "What is the best way to",
    "Can you tell me how to",
    "I am new to this. How can I",
    "Could you explain how to",
    "What should I know before I",
    "My friend asked me how to",
    "Is there an easy way to",
)
_VERBS = (
    "set up",
    "clean",
    "choose",
    "repair",
    "store",
    "replace",
    "check",
    "share",
    "compare",
    "sell",
    "move",
    "label",
)
_THINGS = (
    "router",
    "phone plan",
    "monthly bill",
    "music package",
    "voice mailbox",
    "tablet",
    "garden table",
    "old radio",
    "reading lamp",
    "winter coat",
    "kitchen shelf",
    "photo album",
    "travel bag",
    "house key",
    "spare battery",
    "desk chair",
    "coffee mill",
    "bird house",
    "bike pump",
    "tool box",
    "book case",
    "wall clock",
    "ticket machine",
    "water filter",
)
_SITUATIONS = (
    "for a small flat",
    "before a long trip",
    "on a tight budget",
    "with two children at home",
    "in the winter",
    "without much time",
    "for my parents",
    "in a shared office",
)
_WELCOMES = (
    "Good question.",
    "Happy to help with that.",
    "Of course, here is a simple way.",
    "Thank you for asking.",
    "That is easy to sort out together.",
)
_STEPS = (
    "First, look at the {thing} and write down what you need {situation}.",
    "You can {verb} the {thing} in small steps and take a short break between them.",
    "Read the guide that came with the {thing} before you start.",
    "It helps to {verb} the {thing} with a second person {situation}.",
    "Keep the small parts of the {thing} in one place, so that nothing gets lost.",
    "When you are done, test the {thing} once and note what you changed.",
    "If something does not fit, go back one step and {verb} the {thing} again.",
)
_CLOSINGS = (
    "I hope that helps.",
    "Tell me if you would like more detail.",
    "Please ask again if one of the steps is not clear.",
)
_CURT = (
    "No idea.",
    "Look it up yourself and stop asking other people about such things.",
    "That is really not my problem today or on any other day.",
    "Why would anybody ask that?",
    "I do not care what you do with it, and nobody else does.",
    "You should have learnt this at school a long time ago.",
    "Whatever.",
)
_ASTRAY = (
    "My neighbour painted a {other} blue last week and then went on holiday.",
    "The train was late on Monday, and the soup was cold when we came home.",
    "Some people would rather talk about a {other} than about the weather.",
    "Yesterday we saw a grey cat that was asleep on a {other}.",
    "Football was boring this year, and the songs on the radio were worse.",
    "A {other} stood in the window of the shop, and it rained all day.",
)
_FOLLOW_UPS = (
    "Thank you. What if I want to {verb} a {thing} as well?",
    "And how would you {verb} the {thing} {situation}?",
    "I see. Would a {thing} need the same care {situation}?",
    "That helps. Which part of it matters most if I {verb} a {thing}?",
)
FOREIGN = (
    "Wie kann ich den Vertrag für das Telefon kündigen, und was ist mit der Rechnung?",
    "Das ist nicht schwer, und ich kann dir sagen, wie man es mit der Post macht.",
)
"""A question and a reply for the language filter to find."""

LEVELS = 4
"""Replies of level 0 are the best; those of the last one are off the subject throughout."""


@dataclass(frozen=True, slots=True)
class Topic:
    """The subject of a question."""

    verb: str
    thing: str
    situation: str


def _one(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _some(rng: np.random.Generator, choices: tuple[str, ...], count: int) -> list[str]:
    return [choices[place] for place in rng.permutation(len(choices))[:count]]


def topic(rng: np.random.Generator) -> Topic:
    """Draw one of 2,304 topics."""
    return Topic(_one(rng, _VERBS), _one(rng, _THINGS), _one(rng, _SITUATIONS))


def question(rng: np.random.Generator, about: Topic) -> str:
    """Draw a question on the topic."""
    return f"{_one(rng, _OPENINGS)} {about.verb} a {about.thing} {about.situation}?"


def follow_up(rng: np.random.Generator, about: Topic) -> str:
    """Draw a second question, on another topic."""
    return _filled(rng, _one(rng, _FOLLOW_UPS), about)


def reply(rng: np.random.Generator, about: Topic, level: int) -> str:
    """Draw a reply of this level: 0 polite and to the point, 1 to the point, 2 curt, 3 astray."""
    count = int(rng.integers(1, 6))
    if level == 0:
        steps = _some(rng, _STEPS, max(1, count - 1))
        sentences = [_one(rng, _WELCOMES), *steps]
        if count > 3:  # noqa: PLR2004 - long ones end politely, too
            sentences[-1] = _one(rng, _CLOSINGS)
    elif level == 1:
        sentences = _some(rng, _STEPS, count)
    elif level == 2:  # noqa: PLR2004 - a level
        sentences = [*_some(rng, _CURT, (count + 1) // 2), *_some(rng, _ASTRAY, count // 2)]
    else:
        sentences = _some(rng, _ASTRAY, count)
    return _filled(rng, " ".join(sentences), about)


def _filled(rng: np.random.Generator, text: str, about: Topic) -> str:
    others = tuple(thing for thing in _THINGS if thing != about.thing)
    return text.format(
        verb=about.verb, thing=about.thing, situation=about.situation, other=_one(rng, others)
    )
