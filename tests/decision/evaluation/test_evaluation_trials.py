"""One contender under one budget: what its trial shows, and the ceiling it is held against."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from churnsaver_assets.common.estimates import Interval
from churnsaver_assets.decision.baselines.rules import (
    NothingAgent,
    OneStepAgent,
    PropensityAgent,
    RandomAgent,
)
from churnsaver_assets.decision.evaluation.evaluated_policies import (
    AgentByBudget,
    PacedPolicy,
    SingleAgent,
)
from churnsaver_assets.decision.evaluation.metrics import (
    above_bound,
    headroom_difference,
    policy_metrics,
)
from churnsaver_assets.decision.evaluation.metrics import headroom as headroom_of
from churnsaver_assets.decision.evaluation.trials import run_trial
from churnsaver_assets.decision.evaluation.upper_bounds import upper_bound_under
from churnsaver_assets.decision.play.agents import ContactRequests, DecisionContext
from churnsaver_assets.decision.play.execution import play
from tests.support.decision.cohort import small_cohort, small_setting
from tests.support.decision.evaluation import (
    CUSTOMERS,
    SEED,
    GreedyMultiplierPolicy,
    conditions,
    pacing_table,
)

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.pacing import PacingTable


def test_doing_nothing_is_worth_nothing(setting: Setting, spend: float) -> None:
    given_ = conditions(setting, spend / 2)
    bound = upper_bound_under(given_)
    trial = run_trial(SingleAgent("nothing", "baseline", NothingAgent()), given_)
    figures = policy_metrics(trial, given_, bound)
    assert figures.headroom == Interval(0.0, 0.0, 0.0)
    assert figures.offer_cost.high == figures.contact_rate.high == 0.0
    assert figures.roi is None
    kept = given_.nothing_usd().sum() / given_.starting_usd().sum()
    assert figures.nrr.mean == pytest.approx(kept)
    assert trial.played.nothing_usd[0] == pytest.approx(given_.nothing_usd().mean())


def test_charging_for_luck_keeps_the_mean_and_takes_the_spread(
    setting: Setting, spend: float, greedy_pacing: PacingTable
) -> None:
    given_ = conditions(setting, 0.4 * spend, replicates=200)
    bound = upper_bound_under(given_)
    trial = run_trial(
        PacedPolicy("greedy", "learned", GreedyMultiplierPolicy(), greedy_pacing), given_
    )
    assert trial.steered
    plain, charged = trial.played.gain_usd, trial.gain(bound).mean(axis=1)
    error = (plain - charged).std() / len(plain) ** 0.5
    assert abs(plain.mean() - charged.mean()) < 4.0 * error + 0.01
    assert charged.std() < 0.7 * plain.std()


def test_money_that_is_left_over_has_no_price(setting: Setting, spend: float) -> None:
    few = SingleAgent("few", "baseline", PropensityAgent(0.8, 10))
    many = SingleAgent("many", "baseline", PropensityAgent(0.1, 10))
    ample, tight = conditions(setting, 4 * spend), conditions(setting, 0.3 * spend)
    unbound, bound = run_trial(few, ample), run_trial(many, tight)
    assert unbound.tighter is None
    assert bound.tighter is not None
    assert bound.tighter.spent_usd.mean() < bound.played.spent_usd.mean()
    bound = upper_bound_under(tight)
    raw = np.corrcoef(unbound.gain(bound).sum(0), unbound.played.gain_by_customer.sum(0))
    assert raw[0, 1] == pytest.approx(1.0)


def test_headroom_intervals_cover_what_other_cohorts_show() -> None:
    # Cohorts of one population, whose pacing table it is; the mean over all stands for the truth.
    found: dict[str, list[Interval]] = {"greedy": [], "capped": [], "difference": []}
    everyone = small_cohort(900, seed=7)
    whole = replace(small_setting(1), cohort=everyone)
    greedy = PacedPolicy("greedy", "learned", GreedyMultiplierPolicy(), pacing_table(whole))
    capped = SingleAgent("capped", "baseline", OneStepAgent("capped", 0.5, (10,)))
    rng = np.random.default_rng(SEED)
    for number in range(30):
        cohort = everyone.rows(rng.integers(0, len(everyone), 250))
        given_ = conditions(replace(whole, cohort=cohort), 6.0, seed=number)
        bound = upper_bound_under(given_)
        ours, theirs = run_trial(greedy, given_), run_trial(capped, given_)
        found["greedy"].append(headroom_of(ours, bound))
        found["capped"].append(headroom_of(theirs, bound))
        found["difference"].append(headroom_difference(ours, theirs, bound))
    for name, intervals in found.items():
        truth = np.mean([one.mean for one in intervals])
        covered = np.mean([one.low <= truth <= one.high for one in intervals])
        assert covered >= 0.75, (name, covered)


def test_who_says_what_they_would_do_beyond_the_cap_is_judged_by_it(
    setting: Setting, spend: float
) -> None:
    given_ = conditions(setting, 50 * spend)
    bound = upper_bound_under(given_)
    says = SingleAgent("one", "baseline", OneStepAgent("one", 0.0))
    mute = SingleAgent("mute", "baseline", Mute())
    told = policy_metrics(run_trial(says, given_), given_, bound).violations
    silent = policy_metrics(run_trial(mute, given_), given_, bound).violations
    assert told.fatigue_over_cap is not None
    assert 0.0 <= told.fatigue_over_cap < 1.0
    assert silent.fatigue_over_cap is None


class Mute:
    """Does nothing, and doesn't say what it would do."""

    name = "mute"

    def begin(self, context: DecisionContext) -> None:
        pass

    def act(self, context: DecisionContext) -> ContactRequests:
        return ContactRequests.none(context.size)


def test_the_bound_is_shared_out_over_the_customers(setting: Setting, spend: float) -> None:
    given_ = conditions(setting, 0.5 * spend)
    bound = upper_bound_under(given_)
    assert bound.by_customer.shape == (CUSTOMERS,)
    capped = upper_bound_under(replace(given_, daily_capacity=4))
    hidden = upper_bound_under(
        replace(given_, world=msgspec.structs.replace(given_.world, responsiveness=1.0))
    )
    assert 0.0 < capped.usd_per_customer < bound.usd_per_customer
    assert hidden.usd_per_customer > 0.0


def test_a_policy_above_the_bound_is_found_out(setting: Setting, spend: float) -> None:
    given_ = conditions(setting, 0.5 * spend)
    bound = upper_bound_under(given_)
    trial = run_trial(SingleAgent("one", "baseline", OneStepAgent("one", 1.0)), given_)
    assert not above_bound(trial, bound)
    too_low = replace(bound, by_customer=0.1 * bound.by_customer)
    assert above_bound(trial, too_low)


def test_an_unpaced_policy_keeps_its_multiplier(
    setting: Setting, greedy_pacing: PacingTable
) -> None:
    paced = PacedPolicy("greedy", "learned", GreedyMultiplierPolicy(), greedy_pacing)
    given_ = conditions(setting, 5.0)
    moving, still = run_trial(paced, given_), run_trial(paced.unpaced(), given_)
    assert moving.multipliers is not None
    assert still.multipliers is not None
    assert len(moving.multipliers) == setting.calendar.days
    assert np.ptp(still.multipliers) == 0.0 < np.ptp(moving.multipliers)
    assert still.policy == "greedy_unpaced"


def test_a_tuned_policy_plays_as_for_the_nearest_budget() -> None:
    agents = {1.0: NothingAgent(), 5.0: RandomAgent(0.5, SEED)}
    assert AgentByBudget("x", "baseline", agents).prepare(3.5, None).agent is agents[5.0]
    assert AgentByBudget("x", "baseline", agents).prepare(0.0, None).agent is agents[1.0]


def test_scores_by_customer_add_up(setting: Setting) -> None:
    played = play(
        OneStepAgent("one", 1.0),
        setting,
        [setting.nominal] * 3,
        budget_per_customer=5.0,
        seed=SEED,
    )
    assert played.gain_by_customer.mean(axis=1) == pytest.approx(played.gain_usd)
    assert played.cost_by_customer.mean(axis=1) == pytest.approx(played.cost_usd)
    assert played.contacted.mean(axis=2) == pytest.approx(played.contacts_by_day)
    assert played.spent_by_day.sum(axis=1) == pytest.approx(played.spent_usd)
