"""The uplift agent: what uplift is worth to it, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.decision.baselines.acceptance import fit_acceptance
from churnsaver_assets.decision.baselines.choice import ValueRule
from churnsaver_assets.decision.baselines.files import load_baselines
from churnsaver_assets.decision.baselines.log import customer_features, randomised_log
from churnsaver_assets.decision.baselines.uplift_agent import UpliftAgent
from tests.support.decision.baselines import Recorder, first_context, played
from tests.support.decision.cohort import START, small_setting

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnsaver_assets.decision.simulator.setting import Setting


class Known:
    """Retention that depends on the arm alone."""

    def __init__(self, rates: tuple[float, ...]) -> None:
        self._rates = rates

    def rates(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.tile(self._rates, (len(matrix), 1))


def test_uplift_is_worth_the_horizons_revenue_less_cost(train: Setting) -> None:
    acceptance = fit_acceptance(randomised_log(train, 5, seed=3))
    context = first_context(train)
    rows = context.available()
    charge, world = train.cohort.monthly_charge_usd, train.nominal
    model = Known((0.7, 0.7, 0.75, 0.7, 0.7))
    agent = UpliftAgent("uplift_tree", model, acceptance, ValueRule(0.0, price_offers=True))
    agent.begin(context)
    p_accept = acceptance.rates(customer_features(train))[:, 1]
    cost = world.contact_cost_usd + p_accept * charge * world.discount_months * 0.05
    net = 0.05 * charge * world.horizon_months - cost
    requests = agent.act(context)
    assert ((requests.action[rows] == train.space.index(5, 0)) == (net > 0)).all()
    wanted = net > 0
    assert wanted.sum() > 0
    np.testing.assert_allclose(requests.priority[wanted], (net / cost)[wanted])


def test_uplift_falls_with_the_days_left(train: Setting) -> None:
    acceptance = fit_acceptance(randomised_log(train, 5, seed=3))
    model = Known((0.7, 0.7, 0.73, 0.7, 0.7))
    agent = UpliftAgent("uplift_tree", model, acceptance, ValueRule(0.0, price_offers=True))
    recorder = Recorder(agent)
    played(recorder, train, np.inf)
    late = [requests.action.any() for requests, available in recorder.days if len(available)]
    assert late[0]
    assert not late[-1]


def test_an_agent_scores_each_setting_anew(
    train: Setting, baseline_files: dict[str, bytes]
) -> None:
    other = small_setting(150, seed=9, start=START)
    agent = next(one for one in load_baselines(baseline_files, 6.0) if one.name == "uplift_tree")
    fresh = next(one for one in load_baselines(baseline_files, 6.0) if one.name == "uplift_tree")
    played(agent, train)
    assert (played(agent, other).gain_usd == played(fresh, other).gain_usd).all()
