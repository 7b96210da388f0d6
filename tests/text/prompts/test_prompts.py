"""Tests for churnsaver_assets.text.prompts.requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnsaver_assets.text.model.loading import load_tokenizer
from churnsaver_assets.text.prompts.requests import message_request, retention_prompts
from churnsaver_serving.runtime.context import all_contexts

if TYPE_CHECKING:
    from pathlib import Path

CONTEXTS = all_contexts((0, 5, 10, 20))


def test_a_request_names_each_part_of_its_context() -> None:
    requests = {message_request(context) for context in CONTEXTS}
    assert len(requests) == len(CONTEXTS)
    assert all(len(request.split()) <= 40 for request in requests)


def test_prompts_keep_ids_and_order_and_hold_the_request(tiny_model: Path) -> None:
    contexts = {f"customer-{row}": context for row, context in enumerate(CONTEXTS[:5])}
    prompts = retention_prompts(load_tokenizer(tiny_model), contexts)
    assert {prompt.id: prompt.context for prompt in prompts} == contexts
    assert [prompt.id for prompt in prompts] == list(contexts)
    assert all(message_request(prompt.context) in prompt.text for prompt in prompts)
