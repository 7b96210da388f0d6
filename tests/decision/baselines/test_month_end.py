"""The rule served before: by the churn that a contact prevents until the calendar month ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from churnsaver_assets.decision.baselines.month_end import MonthEndPolicy
from tests.support.decision.baselines import first_day, without_limits
from tests.support.decision.living import living_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting


def _at(day: date, price: float | None = None) -> MonthEndPolicy:
    policy = MonthEndPolicy(price)
    policy.begin_day(day)
    return policy


def test_it_counts_who_is_there_at_the_months_end_by_brute_force(train: Setting) -> None:
    """Ten days are left, and the contact is made after three of them."""
    seen = first_day(train, multiplier=0.4)
    seen = replace(seen, wait_days=np.full(len(seen), 3.0))
    world = seen.world
    found = _at(date(2026, 4, 21)).preferences(seen)
    for row in range(5):
        p, charge = seen.p_churn[row], seen.monthly_charge_usd[row]
        hazard = 1 - (1 - p) ** (1 / 30)
        raised = hazard * (1 + world.disturbance * (1 - p))
        for offer, (save, percent) in enumerate(
            zip(world.save_effect, seen.offers_pct, strict=True)
        ):
            accept = seen.p_accept[row, offer]
            ends = {"saved": 1.0, "refused": 1.0, "untouched": 1.0}
            for _ in range(7):
                ends["saved"] *= 1 - hazard * save
                ends["refused"] *= 1 - raised
                ends["untouched"] *= 1 - hazard
            kept = accept * ends["saved"] + (1 - accept) * ends["refused"] - ends["untouched"]
            cost = world.contact_cost_usd + accept * percent / 100 * charge * world.discount_months
            expected = charge * world.horizon_months * kept - 1.4 * cost
            assert found[row, 1 + offer] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert (found[:, 0] == 0.0).all()


def test_hardly_anybody_is_contacted_at_the_months_end(train: Setting) -> None:
    seen = first_day(train)
    share = [
        float((_at(date(2026, 4, day)).preferences(seen).argmax(axis=1) > 0).mean())
        for day in (1, 10, 20, 30)
    ]
    assert share == sorted(share, reverse=True)
    assert share[0] > 0.3
    assert share[-1] == 0.0
    beyond = replace(seen, wait_days=np.full(len(seen), 4.0))
    assert (_at(date(2026, 4, 29)).preferences(beyond).argmax(axis=1) == 0).all()


def test_its_own_price_takes_the_place_of_pacing(train: Setting) -> None:
    told, own = first_day(train, multiplier=1.0), first_day(train, multiplier=9.0)
    np.testing.assert_array_equal(
        _at(date(2026, 4, 1)).preferences(told), _at(date(2026, 4, 1), 1.0).preferences(own)
    )


def test_served_mode_tells_it_the_date() -> None:
    """In a month of April the offers stop before the 30th, and begin again in May."""
    with pytest.raises(ValueError, match="begin_day"):
        MonthEndPolicy().preferences(first_day(living_setting(5, 31)))
    setting = living_setting(300, 33, start=date(2026, 4, 1))
    mode = without_limits(MonthEndPolicy(), setting)
    made = [len(mode.play_day().rows) for _ in range(33)]
    assert made[0] > 50
    assert made[29] < 0.05 * made[0]  # explored: worth as much as no contact
    assert made[30] > 10
