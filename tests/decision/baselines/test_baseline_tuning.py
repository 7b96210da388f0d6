"""Tuning: the numbers it finds, the grids it refuses, and that it is of where it is shown."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.baselines.parameters import (
    ConstantOffer,
    Propensity,
    build_policies,
)
from churnsaver_assets.decision.baselines.rules import ConstantOfferPolicy, NothingPolicy
from churnsaver_assets.decision.baselines.trials import Trials, tuning_setting
from churnsaver_assets.decision.baselines.tuning import (
    ParameterFamily,
    families,
    tune,
)
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec
from tests.support.decision.baselines import DAILY, NAMES, NEW_SHARE, PACING, SPEC
from tests.support.decision.living import living_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.baselines.parameters import LogModels
    from churnsaver_assets.decision.baselines.tuning import TunedBaseline
    from churnsaver_assets.decision.simulator.setting import Setting


def _trials(setting: Setting, conditions: Conditions = DAILY) -> Trials:
    return Trials(setting, conditions, SPEC.tuning, pacing=PACING, new_share=NEW_SHARE, seed=42)


def test_every_baseline_is_tuned_and_plays_again_as_it_was(
    train: Setting, models: LogModels, tuned: tuple[TunedBaseline, ...]
) -> None:
    assert [one.name for one in tuned] == NAMES
    trials = _trials(train)
    for one in tuned:
        again = trials.play(one.policies(models, groups=trials.groups, seed=42))
        assert again == (one.gain_usd, one.spent_usd)
        assert (
            one.spent_usd <= DAILY.budget_usd * 1.3
        )  # what is charged never is more; its mean may be
    by_name = {one.name: one for one in tuned}
    assert by_name["nothing"].gain_usd == by_name["nothing"].spent_usd == 0.0
    for name in set(NAMES) - {"nothing", "random"}:
        assert by_name[name].gain_usd > 0.0
    for name in ("propensity", "constant_offer", "thompson", "month_end"):
        assert by_name[name].gain_usd > by_name["random"].gain_usd


def test_tuning_is_no_worse_than_any_number_of_the_grid(
    train: Setting, tuned: tuple[TunedBaseline, ...]
) -> None:
    trials = _trials(train)
    constant = next(one for one in tuned if one.name == "constant_offer")
    for offer_pct in train.space.offers_pct:
        for price in SPEC.tuning.multipliers:
            assert constant.gain_usd >= trials.play(ConstantOfferPolicy(offer_pct, price))[0]
    fixed, free = (
        next(one for one in tuned if one.name == name)
        for name in ("propensity", "propensity_tuned_offer")
    )
    assert isinstance(fixed.parameters, Propensity)
    assert fixed.parameters.offer_pct == SPEC.propensity_offer_pct
    assert free.gain_usd >= fixed.gain_usd


def test_a_tighter_budget_asks_more_of_a_dollar(train: Setting, models: LogModels) -> None:
    family = families(train, SPEC)["propensity"]
    found = []
    for conditions in (Conditions("daily", 0.4), Conditions("daily", 20.0)):
        trials = _trials(train, conditions)
        found.append(
            tune(
                "propensity",
                family,
                lambda one, trials=trials: trials.play(  # type: ignore[misc]
                    build_policies(one, models, groups=trials.groups, seed=42)
                ),
                refinements=1,
            )
        )
    tight, loose = (one.parameters for one in found)
    assert isinstance(tight, Propensity)
    assert isinstance(loose, Propensity)
    assert tight.threshold > loose.threshold


def test_capacity_and_arrivals_are_those_of_the_conditions(train: Setting) -> None:
    eager = ConstantOfferPolicy(20, 0.0)
    spent = {
        conditions: _trials(train, conditions).play(eager)[1]
        for conditions in (
            Conditions("daily", 50.0),
            Conditions("daily", 50.0, 0.005),
            Conditions("monthly", 50.0),
        )
    }
    free, limited, monthly = spent.values()
    assert limited < 0.7 * free
    assert monthly < free


def test_the_calendar_has_a_month_of_burn_in(train: Setting) -> None:
    assert _trials(train).days == 30
    with pytest.raises(ValueError, match="burn-in"):
        _trials(living_setting(50, 31))


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2026, 1, 5), 1, date(2026, 2, 28)),
        (date(2026, 11, 1), 1, date(2026, 12, 31)),
        (date(2026, 12, 3), 2, date(2027, 2, 28)),
    ],
)
def test_a_release_is_tuned_over_whole_months(start: date, months: int, end: date) -> None:
    calendar = tuning_setting(living_setting(5, 10, start=start), months).calendar
    assert calendar.first == start.replace(day=1)
    assert date.fromordinal(int(calendar.ordinals[-1])) == end


@given(peak=st.floats(0.0, 4.0), refinements=st.integers(0, 6))
def test_refining_closes_in_on_the_best_number(peak: float, refinements: int) -> None:
    def score(parameters: object) -> tuple[float, float]:
        assert isinstance(parameters, ConstantOffer)
        return parameters.offer_pct - abs(parameters.price - peak), 0.0

    def family(offer_pct: int) -> ParameterFamily:
        return ParameterFamily(lambda price: ConstantOffer(offer_pct, price), (0.0, 1.0, 2.0, 4.0))

    tuned = tune("constant_offer", [family(0), family(20)], score, refinements=refinements)
    assert isinstance(tuned.parameters, ConstantOffer)
    assert tuned.parameters.offer_pct == 20
    assert abs(tuned.parameters.price - peak) <= 2.0 ** (1 - refinements)
    assert tuned.candidates <= 8 + 2 * refinements


def test_of_equal_gains_the_dearer_number_wins() -> None:
    family = ParameterFamily(lambda price: ConstantOffer(10, price), (0.0, 1.0, 2.0))
    tuned = tune("constant_offer", [family], lambda _: (1.0, 1.0), refinements=0)
    assert tuned.parameters == ConstantOffer(10, 2.0)


def test_nobody_is_tuned_on_doing_nothing_but_nothing(train: Setting) -> None:
    assert _trials(train).play(NothingPolicy()) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("multipliers", [1.0, 0.0]), ("risk_quantiles", [0.5, 0.5]), ("contact_rates", [0.5, 2.0])],
)
def test_grids_out_of_order_or_range_are_refused(field: str, value: list[float]) -> None:
    raw = SPEC.model_dump()
    raw["tuning"][field] = value
    with pytest.raises(ValidationError):
        BaselinesSpec.model_validate(raw)
