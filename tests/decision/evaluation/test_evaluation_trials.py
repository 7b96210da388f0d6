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
from churnsaver_assets.decision.evaluation.ceilings import ceiling_under
from churnsaver_assets.decision.evaluation.contenders import AnyBudget, ByBudget, Paced
from churnsaver_assets.decision.evaluation.figures import (
    above_bound,
    headroom_difference,
    policy_figures,
)
from churnsaver_assets.decision.evaluation.figures import headroom as headroom_of
from churnsaver_assets.decision.evaluation.trials import run_trial
from churnsaver_assets.decision.play.agents import View, Wish
from churnsaver_assets.decision.play.execution import play
from tests.support.decision.cohort import small_cohort, small_setting
from tests.support.decision.evaluation import (
    CUSTOMERS,
    SEED,
    GreedyPriced,
    conditions,
    pacing_table,
)

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.pacing import PacingTable


def test_doing_nothing_is_worth_nothing(setting: Setting, spend: float) -> None:
    given_ = conditions(setting, spend / 2)
    ceiling = ceiling_under(given_)
    trial = run_trial(AnyBudget("nothing", "baseline", NothingAgent()), given_)
    figures = policy_figures(trial, given_, ceiling)
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
    ceiling = ceiling_under(given_)
    trial = run_trial(Paced("greedy", "learned", GreedyPriced(), greedy_pacing), given_)
    assert trial.steered
    plain, charged = trial.played.gain_usd, trial.gain(ceiling).mean(axis=1)
    error = (plain - charged).std() / len(plain) ** 0.5
    assert abs(plain.mean() - charged.mean()) < 4.0 * error + 0.01
    assert charged.std() < 0.7 * plain.std()


def test_money_that_is_left_over_has_no_price(setting: Setting, spend: float) -> None:
    few = AnyBudget("few", "baseline", PropensityAgent(0.8, 10))
    many = AnyBudget("many", "baseline", PropensityAgent(0.1, 10))
    ample, tight = conditions(setting, 4 * spend), conditions(setting, 0.3 * spend)
    unbound, bound = run_trial(few, ample), run_trial(many, tight)
    assert unbound.tighter is None
    assert bound.tighter is not None
    assert bound.tighter.spent_usd.mean() < bound.played.spent_usd.mean()
    ceiling = ceiling_under(tight)
    raw = np.corrcoef(unbound.gain(ceiling).sum(0), unbound.played.gain_by_customer.sum(0))
    assert raw[0, 1] == pytest.approx(1.0)


def test_headroom_intervals_cover_what_other_cohorts_show() -> None:
    # Cohorts of one population, whose pacing table it is; the mean over all stands for the truth.
    found: dict[str, list[Interval]] = {"greedy": [], "capped": [], "difference": []}
    everyone = small_cohort(900, seed=7)
    whole = replace(small_setting(1), cohort=everyone)
    greedy = Paced("greedy", "learned", GreedyPriced(), pacing_table(whole))
    capped = AnyBudget("capped", "baseline", OneStepAgent("capped", 0.5, (10,)))
    rng = np.random.default_rng(SEED)
    for number in range(30):
        cohort = everyone.rows(rng.integers(0, len(everyone), 250))
        given_ = conditions(replace(whole, cohort=cohort), 6.0, seed=number)
        ceiling = ceiling_under(given_)
        ours, theirs = run_trial(greedy, given_), run_trial(capped, given_)
        found["greedy"].append(headroom_of(ours, ceiling))
        found["capped"].append(headroom_of(theirs, ceiling))
        found["difference"].append(headroom_difference(ours, theirs, ceiling))
    for name, intervals in found.items():
        truth = np.mean([one.mean for one in intervals])
        covered = np.mean([one.low <= truth <= one.high for one in intervals])
        assert covered >= 0.75, (name, covered)


def test_who_says_what_they_would_do_beyond_the_cap_is_judged_by_it(
    setting: Setting, spend: float
) -> None:
    given_ = conditions(setting, 50 * spend)
    ceiling = ceiling_under(given_)
    says = AnyBudget("one", "baseline", OneStepAgent("one", 0.0))
    mute = AnyBudget("mute", "baseline", Mute())
    told = policy_figures(run_trial(says, given_), given_, ceiling).violations
    silent = policy_figures(run_trial(mute, given_), given_, ceiling).violations
    assert told.fatigue_over_cap is not None
    assert 0.0 <= told.fatigue_over_cap < 1.0
    assert silent.fatigue_over_cap is None


class Mute:
    """Does nothing, and doesn't say what it would do."""

    name = "mute"

    def begin(self, view: View) -> None:
        pass

    def act(self, view: View) -> Wish:
        return Wish.nothing(view.size)


def test_the_bound_is_shared_out_over_the_customers(setting: Setting, spend: float) -> None:
    given_ = conditions(setting, 0.5 * spend)
    ceiling = ceiling_under(given_)
    assert ceiling.by_customer.shape == (CUSTOMERS,)
    capped = ceiling_under(replace(given_, daily_capacity=4))
    hidden = ceiling_under(
        replace(given_, world=msgspec.structs.replace(given_.world, responsiveness=1.0))
    )
    assert 0.0 < capped.usd_per_customer < ceiling.usd_per_customer
    assert hidden.usd_per_customer > 0.0


def test_a_policy_above_the_bound_is_found_out(setting: Setting, spend: float) -> None:
    given_ = conditions(setting, 0.5 * spend)
    ceiling = ceiling_under(given_)
    trial = run_trial(AnyBudget("one", "baseline", OneStepAgent("one", 1.0)), given_)
    assert not above_bound(trial, ceiling)
    too_low = replace(ceiling, by_customer=0.1 * ceiling.by_customer)
    assert above_bound(trial, too_low)


def test_an_unpaced_policy_keeps_its_multiplier(
    setting: Setting, greedy_pacing: PacingTable
) -> None:
    paced = Paced("greedy", "learned", GreedyPriced(), greedy_pacing)
    given_ = conditions(setting, 5.0)
    moving, still = run_trial(paced, given_), run_trial(paced.unpaced(), given_)
    assert moving.multipliers is not None
    assert still.multipliers is not None
    assert len(moving.multipliers) == setting.calendar.days
    assert np.ptp(still.multipliers) == 0.0 < np.ptp(moving.multipliers)
    assert still.policy == "greedy_unpaced"


def test_a_tuned_policy_plays_as_for_the_nearest_budget() -> None:
    players = {1.0: NothingAgent(), 5.0: RandomAgent(0.5, SEED)}
    assert ByBudget("x", "baseline", players).enter(3.5, None).agent is players[5.0]
    assert ByBudget("x", "baseline", players).enter(0.0, None).agent is players[1.0]


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
