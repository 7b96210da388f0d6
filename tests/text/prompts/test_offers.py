"""Tests for churnsaver_assets.text.prompts.offers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.text.prompts.offers import contexts_of, explored_offers, message_requests

if TYPE_CHECKING:
    import pandas as pd

OFFERS = (0, 5, 10, 20)
CUSTOMERS = 400
DECIDED = {f"customer-{row}": 20 for row in range(CUSTOMERS)}


@given(
    decided=st.dictionaries(st.text(max_size=4), st.sampled_from(OFFERS), max_size=30),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**31),
)
def test_nobody_is_lost_and_no_other_offer_appears(
    decided: dict[str, int], share: float, seed: int
) -> None:
    offers = explored_offers(decided, OFFERS, share=share, seed=seed)
    assert list(offers) == list(decided)
    assert set(offers.values()) <= set(OFFERS)
    assert explored_offers(decided, OFFERS, share=0.0, seed=seed) == decided


@pytest.mark.parametrize(("share", "each"), [(0.5, 50), (1.0, 100)])
def test_the_explored_share_is_spread_evenly(share: float, each: int) -> None:
    counts = Counter(explored_offers(DECIDED, OFFERS, share=share, seed=42).values())
    # Five standard deviations of a binomial count.
    allowed = 5 * (each * (1 - each / CUSTOMERS)) ** 0.5
    assert all(abs(counts[offer] - each) < allowed for offer in (0, 5, 10))
    assert counts.total() == CUSTOMERS


def test_requests_are_distinct_and_have_their_customers_offer(telco: pd.DataFrame) -> None:
    customers = telco.head(60)
    offers = {
        str(customer): OFFERS[row % 4]
        for row, customer in enumerate(customers["customer_id"].head(40))
    }
    drawn = message_requests(customers, offers, count=100, seed=42)
    assert len(drawn) == drawn["prompt_id"].nunique() == 100
    assert all(offers[row["customer_id"]] == row["offer_pct"] for row in drawn.to_dict("records"))
    contexts = contexts_of(drawn)
    services = {"Fiber optic": "fiber", "DSL": "dsl", "No": "phone"}
    profiles = customers.set_index("customer_id")
    for row in drawn.to_dict("records"):
        context, profile = contexts[row["prompt_id"]], profiles.loc[row["customer_id"]]
        assert context.service == services[profile["internet_service"]]
        assert (context.standing == "new") == (profile["tenure_months"] < 12)


def test_a_rare_offer_is_asked_for_more_often_than_it_is_decided(telco: pd.DataFrame) -> None:
    customers = telco.head(200)
    offers = {
        str(customer): 0 if row < 10 else 20
        for row, customer in enumerate(customers["customer_id"])
    }
    drawn = message_requests(customers, offers, count=120, seed=42)
    assert (drawn["offer_pct"] == 0).mean() > 2 * 10 / 200
