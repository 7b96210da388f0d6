"""Hand-written bodies, one of which stands before a request in the first round of sampling."""

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from churnsaver_assets.text.model.chat import chat_text
from churnsaver_assets.text.prompts.requests import message_request
from churnsaver_assets.text.records import Prompt
from churnsaver_serving.runtime.context import MessageContext

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class OneShotExample(NamedTuple):
    """A hand-written body, shown to the model before the request as its own answer.

    Attributes:
        context: The context that the body was written for.
        body: A body that passes the shield.
    """

    context: MessageContext
    body: str


EXAMPLES: tuple[OneShotExample, ...] = (
    OneShotExample(
        MessageContext("fiber", "new", 10, "warm", "email"),
        "You have only just settled in with your fiber internet, and we are glad you chose us. "
        "We picked an offer that should make staying a little easier for you.",
    ),
    OneShotExample(
        MessageContext("dsl", "settled", 5, "plain", "email"),
        "Your DSL connection has served your home for a while now, and we want it to keep working "
        "well for you. Please look at our offer and tell us what would make the service better.",
    ),
    OneShotExample(
        MessageContext("phone", "long", 20, "upbeat", "email"),
        "All your years of calls on your home phone make us smile, and we would be happy to carry "
        "on. Have a look at the offer we picked for you and see if it feels right.",
    ),
    OneShotExample(
        MessageContext("fiber", "long", 20, "plain", "email"),
        "You have trusted us with your fiber internet for many years, and we value that. "
        "Our offer to you is a way of thanking you for your loyalty.",
    ),
    OneShotExample(
        MessageContext("phone", "new", 0, "warm", "email"),
        "It is a pleasure to have your home phone with us, and we hope your calls have been clear. "
        "If anything is not as you expected, just reply and our team will look into it.",
    ),
    OneShotExample(
        MessageContext("dsl", "long", 0, "warm", "email"),
        "Thank you for trusting us with your internet connection for so many years. "
        "Your loyalty means a lot to our whole team, and we would love to keep looking after you.",
    ),
    OneShotExample(
        MessageContext("fiber", "settled", 0, "upbeat", "email"),
        "Films, work and long chats all run on your fiber internet, and we enjoy being part of "
        "that. Tell us what you like and what we could do better for you.",
    ),
    OneShotExample(
        MessageContext("dsl", "new", 0, "plain", "email"),
        "You are new to our DSL internet, so we would like to know how it is going for you. "
        "Reply to this note with any question, and a person from our team will read it.",
    ),
    OneShotExample(
        MessageContext("dsl", "long", 10, "warm", "sms"),
        "You have been with us on DSL internet for many years, and we truly value that. "
        "We would love you to stay, so we picked an offer for you.",
    ),
    OneShotExample(
        MessageContext("phone", "new", 5, "upbeat", "sms"),
        "Your home phone is in good hands with us, and we would love to keep the line open. "
        "We chose an offer to make staying even nicer for you.",
    ),
    OneShotExample(
        MessageContext("fiber", "settled", 10, "plain", "sms"),
        "Your fiber internet keeps your home connected, and we would like to keep it that way. "
        "Please have a look at our offer for you before you decide.",
    ),
    OneShotExample(
        MessageContext("dsl", "new", 20, "upbeat", "sms"),
        "It is great to have you on our DSL internet, and there is so much more to enjoy together. "
        "We have an offer to help you feel at home.",
    ),
    OneShotExample(
        MessageContext("phone", "long", 0, "plain", "sms"),
        "You have kept your home phone with us for many years, and we are grateful. "
        "Tell us how we can make the service better for you.",
    ),
    OneShotExample(
        MessageContext("fiber", "new", 0, "warm", "sms"),
        "We are so glad you chose us for your fiber internet and hope it already feels like home. "
        "Reply any time you need a hand with the connection.",
    ),
    OneShotExample(
        MessageContext("dsl", "settled", 0, "upbeat", "sms"),
        "Your DSL internet and you make a great team, and we are happy to be part of it. "
        "Tell us what would make your days online even better.",
    ),
    OneShotExample(
        MessageContext("phone", "settled", 0, "warm", "sms"),
        "Your home phone keeps you close to the people you care about, and we are happy to help. "
        "Let us know if there is anything we can do for you.",
    ),
    OneShotExample(
        MessageContext("dsl", "long", 20, "warm", "email"),
        "Your loyalty to our DSL internet means so much to all of us here. "
        "Have a look at the offer we chose for you, and tell us how we can look after you.",
    ),
    OneShotExample(
        MessageContext("phone", "settled", 10, "plain", "email"),
        "Your home phone is there when you need it, and we want you to be happy with it. "
        "We chose an offer for you, so please take a moment to look at it.",
    ),
    OneShotExample(
        MessageContext("phone", "long", 0, "upbeat", "email"),
        "So many good chats have gone over your home phone, and we are proud to be on the line. "
        "Tell us what you like most, and what we could do better for you.",
    ),
    OneShotExample(
        MessageContext("fiber", "new", 0, "plain", "email"),
        "We want your fiber internet to work well in each room of your home. "
        "If something is slow or unclear to you, reply to this note and our team will read it.",
    ),
    OneShotExample(
        MessageContext("phone", "settled", 20, "warm", "sms"),
        "We are glad to have you on the line with our home phone service. "
        "Because we would love you to stay, we chose an offer for you.",
    ),
    OneShotExample(
        MessageContext("fiber", "new", 5, "upbeat", "sms"),
        "Your fiber internet is ready for films and long calls, and we enjoy having you with us. "
        "Have a look at the offer we chose for you.",
    ),
    OneShotExample(
        MessageContext("fiber", "long", 0, "plain", "sms"),
        "You rely on your fiber internet each day, and we want it to keep working well for you. "
        "Reply to this message if something should be better.",
    ),
    OneShotExample(
        MessageContext("dsl", "long", 0, "warm", "sms"),
        "Thank you for your trust in our DSL internet over the years. "
        "We would love to keep you connected, so tell us what you need.",
    ),
)
"""Two or more for each service, kind of offer and channel, of several standings and tones."""

_GRAM = 4
_COPIED = 0.6


def example_for(
    context: MessageContext, seed: int, *, examples: tuple[OneShotExample, ...] = EXAMPLES
) -> OneShotExample:
    """Choose an example of another context with the same service, kind of offer and channel.

    An example of another service would teach the model to write about that one.

    Args:
        context: The context asked for.
        seed: Seed for the choice.
        examples: Examples to choose from.

    Raises:
        ValueError: There is none.
    """
    fitting = [
        example
        for example in examples
        if example.context.service == context.service
        and example.context.channel == context.channel
        and (example.context.offer_pct > 0) == (context.offer_pct > 0)
        and example.context != context
    ]
    if not fitting:
        raise ValueError(f"no example of another context fits {context.key}: write one")
    return fitting[int(np.random.default_rng(seed).integers(len(fitting)))]


def with_example(
    tokenizer: "PreTrainedTokenizerBase", context: MessageContext, example: OneShotExample
) -> Prompt:
    """Return the request for a context, after the example's as if the model had answered it.

    Args:
        tokenizer: Tokenizer of the model that will read the prompt.
        context: The context asked for.
        example: The example to show, as `example_for` chooses it.
    """
    turns = [
        {"role": "user", "content": message_request(example.context)},
        {"role": "assistant", "content": example.body},
        {"role": "user", "content": message_request(context)},
    ]
    return Prompt(id=context.key, context=context, text=chat_text(tokenizer, turns))


def normal_form(body: str) -> str:
    """Return the words alone: equal for bodies that differ in case, spacing or punctuation only.

    Args:
        body: The body as written.
    """
    folded = unicodedata.normalize("NFKC", body).casefold()
    return " ".join(re.findall(r"[^\W_]+", folded))


def copied(body: str, example: str) -> bool:
    """Return whether over 60 % of the body's four-word sequences stand in the example too.

    Args:
        body: The body as written; one of fewer than four words counts as one sequence.
        example: The body of the example that the model was shown.
    """
    own = _grams(body)
    return bool(own) and len(own & _grams(example, len(next(iter(own))))) > _COPIED * len(own)


def _grams(text: str, length: int = _GRAM) -> set[tuple[str, ...]]:
    words = normal_form(text).split()
    size = min(length, len(words))
    if not size:
        return set()
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}
