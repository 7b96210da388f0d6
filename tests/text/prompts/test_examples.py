"""Tests for churnsaver_assets.text.prompts.examples."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.text.model.loading import load_tokenizer
from churnsaver_assets.text.prompts.examples import (
    EXAMPLES,
    OneShotExample,
    copied,
    example_for,
    normal_form,
    with_example,
)
from churnsaver_assets.text.prompts.requests import message_request
from churnsaver_serving.runtime.context import MessageContext, all_contexts
from churnsaver_serving.runtime.messages.wording import Wording, default_wording

if TYPE_CHECKING:
    from pathlib import Path

    from churnsaver_serving.runtime.shield.shield import Shield

CONTEXTS = all_contexts((0, 5, 10, 20))
WORDS = st.lists(st.sampled_from(["we", "you", "your", "service", "stay", "with"]), max_size=30)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.context.key)
def test_examples_may_be_sent_themselves(example: OneShotExample, shield: Shield) -> None:
    wording = msgspec.json.decode(default_wording(), type=Wording)
    facts = wording.facts(example.context)
    message = wording.render(example.body, facts, example.context.channel)
    assert shield.check_body(example.body, example.context).breaches == ()
    assert shield.check_message(message, facts, example.context.channel).breaches == ()
    assert 2 <= len(re.findall(r"[.!?]", example.body)) <= 3


def test_examples_are_all_different_and_of_every_kind() -> None:
    assert len({example.context for example in EXAMPLES}) == len(EXAMPLES) >= 12
    assert len({normal_form(example.body) for example in EXAMPLES}) == len(EXAMPLES)
    for part in ("service", "standing", "tone", "channel"):
        assert len({getattr(example.context, part) for example in EXAMPLES}) >= 2
    for one in EXAMPLES:
        assert not any(copied(one.body, other.body) for other in EXAMPLES if other is not one)


@given(context=st.sampled_from(CONTEXTS), seed=st.integers(0, 2**32 - 1))
def test_the_example_is_of_another_context_alike_in_service_offer_and_channel(
    context: MessageContext, seed: int
) -> None:
    example = example_for(context, seed)
    assert example == example_for(context, seed)
    assert example.context != context
    assert example.context.service == context.service
    assert example.context.channel == context.channel
    assert bool(example.context.offer_pct) == bool(context.offer_pct)


def test_every_fitting_example_is_shown_to_some_seed() -> None:
    context = MessageContext("dsl", "long", 0, "plain", "email")
    assert len({example_for(context, seed).context.key for seed in range(30)}) == 2


def test_without_a_fitting_example_the_error_says_so() -> None:
    only = EXAMPLES[:1]
    with pytest.raises(ValueError, match="write one"):
        example_for(only[0].context, 42, examples=only)


def test_the_example_stands_before_the_request_as_an_answer(tiny_model: Path) -> None:
    context, example = CONTEXTS[0], EXAMPLES[4]
    prompt = with_example(load_tokenizer(tiny_model), context, example)
    places = [
        prompt.text.index(part)
        for part in (message_request(example.context), example.body, message_request(context))
    ]
    assert places == sorted(places)
    assert prompt.context == context


def test_copies_are_told_from_own_words() -> None:
    body = EXAMPLES[0].body
    assert copied(body, body)
    assert copied(body.upper().replace(",", " -"), body)
    assert copied(body.split(". ")[0], body)
    assert not copied("We would love to keep your line open for many years to come.", body)
    assert not copied("", body)
    assert not copied(body, "")


@given(words=WORDS, example=WORDS)
def test_copying_is_a_share_of_four_word_sequences(words: list[str], example: list[str]) -> None:
    def grams(text: list[str]) -> set[tuple[str, ...]]:
        return {tuple(text[start : start + 4]) for start in range(len(text) - 3)}

    if len(words) >= 4:
        shared = len(grams(words) & grams(example)) / len(grams(words))
        assert copied(" ".join(words), " ".join(example)) == (shared > 0.6)
    assert copied(" ".join(words), " ".join(words)) == bool(words)


@given(text=st.text(max_size=60))
def test_the_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)
