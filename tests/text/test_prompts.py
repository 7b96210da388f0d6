"""Tests for churnsaver_assets.text.prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.text.loading import load_tokenizer
from churnsaver_assets.text.prompts import (
    all_contexts,
    customer_contexts,
    message_request,
    retention_prompts,
)
from churnsaver_serving.runtime.messages.context import MESSAGE_CHANNELS, TONES

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

CONTEXTS = all_contexts((0, 5, 10, 20), TONES, MESSAGE_CHANNELS)


def test_there_is_one_context_of_each_kind() -> None:
    assert len(CONTEXTS) == len({context.key for context in CONTEXTS}) == 3 * 3 * 4 * 3 * 2


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


def test_customers_get_the_context_of_their_profile_and_offer(telco: pd.DataFrame) -> None:
    rows = telco.head(300)
    offers = [(0, 5, 10, 20)[row % 4] for row in range(len(rows))]
    contexts = customer_contexts(rows, offers, seed=42)
    assert list(contexts) == list(rows["customer_id"])
    services = {"Fiber optic": "fiber", "DSL": "dsl", "No": "phone"}
    for row, offer in zip(rows.to_dict("records"), offers, strict=True):
        context = contexts[row["customer_id"]]
        assert context.service == services[row["internet_service"]]
        assert (context.standing == "new") == (row["tenure_months"] < 12)
        assert context.offer_pct == offer


def test_tone_and_channel_are_drawn_evenly_by_the_seed(telco: pd.DataFrame) -> None:
    rows = telco.head(300)
    contexts = customer_contexts(rows, [0] * len(rows), seed=42)
    assert contexts == customer_contexts(rows, [0] * len(rows), seed=42)
    assert contexts != customer_contexts(rows, [0] * len(rows), seed=43)
    drawn = [(context.tone, context.channel) for context in contexts.values()]
    counts = {pair: drawn.count(pair) for pair in set(drawn)}
    # Five standard deviations of a binomial count around 50.
    assert len(counts) == 6
    assert all(abs(count - 50) < 33 for count in counts.values())


def test_rows_and_offers_must_fit(telco: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="got 2 customers and 3 offers"):
        customer_contexts(telco.head(2), [0, 0, 0], seed=42)
    with pytest.raises(ValueError, match="twice"):
        customer_contexts(telco.iloc[[0, 0]], [0, 0], seed=42)
