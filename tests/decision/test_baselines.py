"""The baselines: what each does and learns, and that tuning and files keep what they promise."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from decision_cohort import START, nominal_world, small_setting
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from churnsaver_assets.decision.agents import View, Wish
from churnsaver_assets.decision.baselines.acceptance import fit_acceptance
from churnsaver_assets.decision.baselines.choice import ValueRule, contact_by_value
from churnsaver_assets.decision.baselines.files import (
    BASELINES_FILE,
    FOREST_FILE,
    TWO_MODEL_FILE,
    BaselineError,
    load_baselines,
    read_table,
)
from churnsaver_assets.decision.baselines.fitting import fit_baselines
from churnsaver_assets.decision.baselines.log import customer_features, randomised_log
from churnsaver_assets.decision.baselines.parameters import (
    GreedyValue,
    Propensity,
    Thompson,
    UpliftTree,
)
from churnsaver_assets.decision.baselines.rules import (
    NothingAgent,
    OneStepAgent,
    PropensityAgent,
    RandomAgent,
)
from churnsaver_assets.decision.baselines.streams import own_stream
from churnsaver_assets.decision.baselines.thompson import ThompsonAgent, warm_up
from churnsaver_assets.decision.baselines.tuning import Family, tune
from churnsaver_assets.decision.baselines.uplift_agent import UpliftAgent
from churnsaver_assets.decision.environment import RetentionVectorEnv
from churnsaver_assets.decision.execution import Played, play
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec, ThompsonSpec
from churnsaver_serving.runtime.effects import contact_terms, daily_hazard
from churnsaver_serving.runtime.policy import GreedyValuePolicy

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnsaver_assets.decision.agents import Agent
    from churnsaver_assets.decision.setting import Setting

CUSTOMERS = 600
BUDGETS = (1.5, 6.0)
NAMES = [
    "nothing",
    "random",
    "propensity",
    "thompson",
    "uplift_tree",
    "two_model_uplift",
    "constant_offer",
    "greedy_value",
]
THOMPSON = ThompsonSpec(risk_bands=3, prior_accepted=1, prior_refused=1)

SPEC = BaselinesSpec.model_validate(
    {
        "log_replicates": 5,
        "propensity_offer_pct": 10,
        "thompson": THOMPSON.model_dump(),
        "uplift": {
            "forest": {
                "trees": 3,
                "criterion": "ED",
                "max_depth": 4,
                "max_features": 3,
                "min_samples_leaf": 100,
                "min_samples_treatment": 10,
                "n_reg": 50,
                "normalization": False,
                "honesty": False,
            },
            "two_model": {
                "rounds": 30,
                "max_depth": 1,
                "eta": 0.2,
                "min_child_weight": 5,
                "reg_lambda": 1,
            },
            "resamples": 100,
        },
        "tuning": {
            "replicates": 1,
            "multipliers": [0.0, 1.0, 2.5],
            "risk_quantiles": [0.0, 0.5, 0.8],
            "contact_rates": [0.05, 1.0],
            "refinements": 1,
        },
    }
)


@pytest.fixture(scope="module")
def train() -> Setting:
    return small_setting(CUSTOMERS, seed=1)


@pytest.fixture(scope="module")
def files(train: Setting) -> dict[str, bytes]:
    return fit_baselines(train, BUDGETS, SPEC, 42)


class Recorder:
    """Passes an agent's wishes on and keeps them, with what each day looked like."""

    def __init__(self, agent: Agent) -> None:
        self.name = agent.name
        self._agent = agent
        self.days: list[tuple[Wish, npt.NDArray[np.int64]]] = []

    def begin(self, view: View) -> None:
        self._agent.begin(view)

    def act(self, view: View) -> Wish:
        wish = self._agent.act(view)
        self.days.append((wish, view.available()))
        return wish


def played(agent: Agent, setting: Setting, budget: float = 3.0, groups: int = 2) -> Played:
    return play(agent, setting, [setting.nominal] * groups, budget_per_customer=budget, seed=42)


def wishes(agent: Agent, setting: Setting, budget: float = np.inf) -> list[Wish]:
    recorder = Recorder(agent)
    played(recorder, setting, budget)
    return [wish for wish, _ in recorder.days]


def first_view(setting: Setting) -> View:
    rng = np.random.default_rng(0)
    return View(RetentionVectorEnv(setting, [setting.nominal], mode="sampled", rng=rng), None, None)


# Files and tuning.


def test_same_seed_same_bytes_another_seed_other_bytes(
    train: Setting, files: dict[str, bytes]
) -> None:
    assert fit_baselines(train, BUDGETS, SPEC, 42) == files
    assert fit_baselines(train, BUDGETS, SPEC, 43) != files


def test_the_files_are_json_and_ubjson(files: dict[str, bytes]) -> None:
    models = {TWO_MODEL_FILE.format(arm=arm) for arm in range(5)}
    assert set(files) == {BASELINES_FILE, FOREST_FILE} | models
    for name in (BASELINES_FILE, FOREST_FILE):
        assert msgspec.json.decode(files[name])


@pytest.mark.parametrize("budget", BUDGETS)
def test_reloaded_baselines_play_as_they_were_tuned(
    train: Setting, files: dict[str, bytes], budget: float
) -> None:
    """Only the same agent, model and parameters reach the same gain to the last digit."""
    tuning = next(one for one in read_table(files).budgets if one.budget_per_customer == budget)
    agents = load_baselines(files, budget)
    assert [agent.name for agent in agents] == NAMES
    for agent, tuned in zip(agents, tuning.baselines, strict=True):
        again = played(agent, train, budget, groups=1)
        assert (again.gain_usd[0], again.spent_usd[0]) == (tuned.gain_usd, tuned.spent_usd)


@pytest.mark.parametrize("budget", BUDGETS)
def test_no_baseline_breaks_a_rule(files: dict[str, bytes], budget: float) -> None:
    holdout = small_setting(300, seed=2)
    for agent in load_baselines(files, budget):
        result = played(agent, holdout, budget, groups=3)
        assert result.overspent.sum() == 0
        assert result.cooldown_breaches.sum() == 0
        assert (result.spent_usd <= budget).all()
        limited = play(
            agent,
            holdout,
            [holdout.nominal] * 3,
            budget_per_customer=budget,
            seed=1,
            daily_capacity=7,
        )
        assert limited.over_capacity.sum() == 0
        assert limited.contacts_by_day.max() * 300 == (0 if agent.name == "nothing" else 7)


def test_tuned_baselines_gain_on_customers_they_were_not_tuned_on(files: dict[str, bytes]) -> None:
    holdout = small_setting(CUSTOMERS, seed=2)
    gains = {
        agent.name: played(agent, holdout, BUDGETS[1], groups=8).gain_usd.mean()
        for agent in load_baselines(files, BUDGETS[1])
    }
    assert gains["nothing"] == 0.0
    for name in set(NAMES) - {"nothing", "random"}:
        assert gains[name] > 1.4 * gains["random"] > 0.0


def test_tuning_is_no_worse_than_any_number_of_the_grid(
    train: Setting, files: dict[str, bytes]
) -> None:
    for tuning in read_table(files).budgets:
        greedy = next(one for one in tuning.baselines if isinstance(one.parameters, GreedyValue))
        for multiplier in SPEC.tuning.multipliers:
            rival = OneStepAgent("greedy_value", multiplier)
            gain = played(rival, train, tuning.budget_per_customer, groups=1).gain_usd[0]
            assert greedy.gain_usd >= gain


def test_a_tighter_budget_asks_more_of_a_dollar(files: dict[str, bytes]) -> None:
    tight, loose = (
        {type(one.parameters): one.parameters for one in tuning.baselines}
        for tuning in read_table(files).budgets
    )
    assert tight[GreedyValue].multiplier > loose[GreedyValue].multiplier  # type: ignore[union-attr]
    assert tight[Propensity].threshold > loose[Propensity].threshold  # type: ignore[union-attr]
    for kind in (Thompson, UpliftTree):
        rules = [one[kind].rule for one in (tight, loose)]  # type: ignore[union-attr]
        assert rules[0].multiplier >= rules[1].multiplier


@given(peak=st.floats(0.0, 4.0), refinements=st.integers(0, 6))
def test_refining_closes_in_on_the_best_number(peak: float, refinements: int) -> None:
    def score(parameters: object) -> tuple[float, float]:
        assert isinstance(parameters, GreedyValue)
        return -abs(parameters.multiplier - peak), 0.0

    grid = (0.0, 1.0, 2.0, 4.0)
    tuned = tune([Family(GreedyValue, grid)], score, refinements=refinements)
    assert isinstance(tuned.parameters, GreedyValue)
    assert abs(tuned.parameters.multiplier - peak) <= 2.0 ** (1 - refinements)
    assert tuned.candidates <= len(grid) + 2 * refinements


def test_of_equal_gains_the_dearer_number_wins() -> None:
    tuned = tune([Family(GreedyValue, (0.0, 1.0, 2.0))], lambda _: (1.0, 1.0), refinements=0)
    assert tuned.parameters == GreedyValue(2.0)


def test_a_budget_not_tuned_for_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(BaselineError, match=r"no baselines for 2\.0 USD; tuned for \[1\.5, 6\.0\]"):
        load_baselines(files, 2.0)


@pytest.mark.parametrize("name", [BASELINES_FILE, FOREST_FILE, TWO_MODEL_FILE.format(arm=2)])
def test_missing_and_broken_files_are_named(files: dict[str, bytes], name: str) -> None:
    with pytest.raises(BaselineError, match="missing"):
        load_baselines({key: files[key] for key in files if key != name}, BUDGETS[0])
    with pytest.raises(BaselineError, match=name.replace(".", r"\.")):
        load_baselines(files | {name: files[name][: len(files[name]) // 2]}, BUDGETS[0])


def test_files_of_other_features_are_refused(files: dict[str, bytes]) -> None:
    table = msgspec.json.decode(files[BASELINES_FILE])
    table["features"] = ["p_churn"]
    with pytest.raises(BaselineError, match="learnt on"):
        load_baselines(files | {BASELINES_FILE: msgspec.json.encode(table)}, BUDGETS[0])


@pytest.mark.parametrize(
    ("field", "value"),
    [("multipliers", [1.0, 0.0]), ("risk_quantiles", [0.5, 0.5]), ("contact_rates", [0.5, 2.0])],
)
def test_grids_out_of_order_or_range_are_refused(field: str, value: list[float]) -> None:
    raw = SPEC.model_dump()
    raw["tuning"][field] = value
    with pytest.raises(ValidationError):
        BaselinesSpec.model_validate(raw)


# The randomised log and what is learnt from it.


def test_the_log_shows_the_effects_that_the_simulator_has() -> None:
    setting = small_setting(400)
    log = randomised_log(setting, 200, seed=3)
    world, cohort = setting.nominal, setting.cohort
    p_accept = first_view(setting).observe(np.zeros(1), np.arange(400)).p_accept[:, 0]
    terms = contact_terms(
        world,
        setting.space.offers_pct,
        p_churn=cohort.p_churn,
        hazard=daily_hazard(world, cohort.p_churn),
        # So that who stays is worth one.
        monthly_charge_usd=np.full(400, 1.0 / world.horizon_months),
        p_accept=p_accept,
        days_left=np.full(400, 30.0),
    )
    stayed = [log.stayed[log.arm == arm].mean() for arm in range(5)]
    size = len(log.arm) / 5
    se = np.sqrt(0.25 / size)
    assert stayed[0] == pytest.approx((1.0 - cohort.p_churn).mean(), abs=4 * se)
    for offer in range(4):
        expected = terms.gain[:, offer].mean()
        assert stayed[offer + 1] - stayed[0] == pytest.approx(expected, abs=4 * np.sqrt(2) * se)
        accepted = log.accepted[log.arm == offer + 1].mean()
        assert accepted == pytest.approx(p_accept[:, offer].mean(), abs=4 * se)
    assert not log.accepted[log.arm == 0].any()


def test_the_log_is_randomised() -> None:
    log = randomised_log(small_setting(500), 20, seed=3)
    share = np.bincount(log.arm) / len(log.arm)
    np.testing.assert_allclose(share, 0.2, atol=0.02)
    for arm in range(5):
        gap = log.matrix[log.arm == arm].mean(axis=0) - log.matrix.mean(axis=0)
        assert (np.abs(gap) < 4 * log.matrix.std(axis=0) / np.sqrt(len(log.arm) / 5)).all()


def test_the_log_begins_on_the_first_contact_day() -> None:
    saturday = small_setting(200, start=date(2026, 6, 6))
    log = randomised_log(saturday, 2, seed=3)
    assert 0 < len(log.arm) < 400  # some left over the weekend
    assert log.accepted.any()
    with pytest.raises(ValueError, match="no contact day"):
        randomised_log(small_setting(200, days=2, start=date(2026, 6, 6)), 2, seed=3)


def test_features_are_what_is_believed(train: Setting) -> None:
    blind = replace(train, believed=train.cohort.without_risk_model())
    risk, charge, accept = customer_features(blind).T
    assert np.ptp(risk) == 0.0
    assert (charge == train.cohort.monthly_charge_usd).all()
    assert (accept == customer_features(train)[:, 2]).all()
    assert np.ptp(customer_features(train)[:, 0]) > 0.5


def test_logged_acceptance_is_near_the_true_one(train: Setting) -> None:
    found = fit_acceptance(randomised_log(train, 30, seed=3)).rates(customer_features(train))
    view = first_view(train)
    true = view.observe(np.zeros(1), np.arange(len(train.cohort))).p_accept[:, 0]
    assert np.abs(found - true).mean() < 0.03
    assert (np.diff(found.mean(axis=0)) > 0).all()


# Agents.


def test_nothing_does_nothing(train: Setting) -> None:
    result = played(NothingAgent(), train)
    assert result.contacts.sum() == result.gain_usd.sum() == result.over_cap.sum() == 0


def test_random_contacts_at_its_rate_with_all_offers(train: Setting) -> None:
    recorder = Recorder(RandomAgent(0.3, seed=1))
    played(recorder, train, np.inf)
    wish, available = recorder.days[0]
    assert (wish.action[available] > 0).mean() == pytest.approx(0.3, abs=0.06)
    assert set(np.unique(wish.action)) == {0, 1, 2, 3, 4}
    again = wishes(RandomAgent(0.3, seed=1), train)
    assert (again[0].action == wish.action).all()


def test_chance_does_not_know_who_is_lucky() -> None:
    """At one seed the simulator, the log, and either agent that draws have their own numbers."""
    streams = [own_stream(42, owner) for owner in ("log", "random", "thompson")]
    drawn = [rng.random(1_000) for rng in (np.random.default_rng(42), *streams)]
    correlation = np.corrcoef(drawn) - np.eye(4)
    assert np.abs(correlation).max() < 4 / np.sqrt(1_000)


@given(threshold=st.floats(0.05, 0.9), offer=st.sampled_from([0, 5, 10, 20]))
def test_propensity_contacts_the_riskiest_first(threshold: float, offer: int) -> None:
    setting = small_setting(80)
    wish = wishes(PropensityAgent(threshold, offer), setting)[0]
    risk = np.tile(setting.cohort.p_churn, 2)
    contacted = wish.action > 0
    assert (contacted == (risk >= threshold)).all()
    assert set(setting.space.offer_pct[wish.action[contacted]]) <= {offer}
    assert (wish.priority[contacted] == risk[contacted]).all()


@pytest.mark.parametrize("multiplier", [0.0, 0.7, 2.0])
def test_greedy_value_is_the_served_policy(train: Setting, multiplier: float) -> None:
    view = first_view(train)
    rows = view.available()
    own = OneStepAgent("greedy_value", multiplier).act(view)
    seen = view.observe(np.full(1, multiplier), rows)
    served = GreedyValuePolicy().probabilities(seen).argmax(axis=1)
    assert (own.action[rows] == served).all()
    assert (served > 0).sum() > 0


def test_a_constant_offer_is_constant(train: Setting) -> None:
    for wish in wishes(OneStepAgent("constant_offer", 0.5, (5,)), train):
        assert set(np.unique(wish.action)) <= {0, train.space.index(5, 0)}


def test_a_dearer_dollar_contacts_a_subset(train: Setting) -> None:
    view = first_view(train)
    cheap, dear = (OneStepAgent("g", price).act(view).action > 0 for price in (0.5, 2.0))
    assert dear.sum() < cheap.sum()
    assert (cheap | ~dear).all()


def test_value_is_bought_in_order_of_its_price(train: Setting) -> None:
    view = first_view(train)
    rows = view.available()[:3]
    net = np.array([[9.0, 12.0, 0.0, 0.0], [4.0, 1.0, 0.0, 0.0], [0.5, 0.2, 0.0, 0.0]])
    cost = np.array([[3.0, 10.0, 9.0, 9.0], [1.0, 1.0, 9.0, 9.0], [1.0, 1.0, 9.0, 9.0]])
    priced = contact_by_value(view, rows, net, cost, ValueRule(1.0, price_offers=True))
    assert priced.action[rows].tolist() == [1, 1, 0]
    assert priced.priority[rows].tolist() == [3.0, 4.0, 0.0]
    dearest = contact_by_value(view, rows, net, cost, ValueRule(1.0, price_offers=False))
    assert dearest.action[rows].tolist() == [2, 1, 0]
    assert dearest.priority[rows].tolist() == [1.2, 4.0, 0.0]


def test_who_is_at_the_cap_is_told_of_and_spared() -> None:
    setting = small_setting(60)
    setting = replace(setting, rules=msgspec.structs.replace(setting.rules, fatigue_cap=2))
    deaf = msgspec.structs.replace(setting.nominal, acceptance_offset=-20.0, hazard_scale=0.01)
    result = play(PropensityAgent(0.2, 10), setting, [deaf], budget_per_customer=np.inf, seed=1)
    share = (setting.cohort.p_churn >= 0.2).mean()
    assert result.contacts[0] == pytest.approx(2 * share)
    assert result.over_cap[0] == pytest.approx(share)


def test_thompson_learns_each_group_by_itself(train: Setting) -> None:
    posterior = warm_up(randomised_log(train, 1, seed=3), THOMPSON)
    agent = ThompsonAgent(posterior, ValueRule(0.0, price_offers=True), seed=1)
    eager, deaf = (
        msgspec.structs.replace(nominal_world(), acceptance_offset=offset) for offset in (3.0, -3.0)
    )
    play(agent, train, [eager, train.nominal, deaf], budget_per_customer=np.inf, seed=1)
    made = agent._counts - np.array([posterior.refused, posterior.accepted])[None]
    rates = made[:, 1].sum(axis=(1, 2)) / made.sum(axis=(1, 2, 3))
    assert rates[0] > 0.9 > rates[1] > 0.2 > rates[2]
    contacts = played(agent, train, np.inf, groups=1).contacts[0] * len(train.cohort)
    made = agent._counts - np.array([posterior.refused, posterior.accepted])[None]
    # The last day's outcomes come after the last decision.
    assert 0.98 * contacts <= made.sum() <= contacts


def test_thompson_turns_from_an_offer_that_nobody_takes(train: Setting) -> None:
    """After enough refusals the offer that the log liked best is played no more."""
    log = randomised_log(train, 5, seed=3)
    soured = replace(log, accepted=log.accepted & (log.arm != 4))
    rule = ValueRule(0.0, price_offers=True)
    view = first_view(train)
    chosen = []
    for one in (log, soured):
        agent = ThompsonAgent(warm_up(one, THOMPSON), rule, seed=1)
        agent.begin(view)
        chosen.append((agent.act(view).action == train.space.index(20, 0)).sum())
    assert chosen[0] > 20
    assert chosen[1] == 0


def test_thompson_explores_more_the_less_it_knows(train: Setting) -> None:
    view = first_view(train)
    spread = []
    for replicates in (1, 40):
        posterior = warm_up(randomised_log(train, replicates, seed=3), THOMPSON)
        drawn = []
        for seed in range(10):
            agent = ThompsonAgent(posterior, ValueRule(0.0, price_offers=True), seed)
            agent.begin(view)
            drawn.append(agent.act(view).action)
        spread.append((np.array(drawn) != drawn[0]).mean())
    assert spread[0] > 1.5 * spread[1] > 0.0


def test_a_warm_up_counts_every_contact_once(train: Setting) -> None:
    log = randomised_log(train, 2, seed=3)
    posterior = warm_up(log, THOMPSON)
    accepted, refused = np.array(posterior.accepted), np.array(posterior.refused)
    assert accepted.shape == refused.shape == (3, 4)
    assert (accepted - 1).sum() == log.accepted.sum()
    assert (accepted + refused - 2).sum() == (log.arm > 0).sum()
    assert len(posterior.edges) == 2


class Known:
    """Retention that depends on the arm alone."""

    def __init__(self, rates: tuple[float, ...]) -> None:
        self._rates = rates

    def rates(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.tile(self._rates, (len(matrix), 1))


def test_uplift_is_worth_the_horizons_revenue_less_cost(train: Setting) -> None:
    acceptance = fit_acceptance(randomised_log(train, 5, seed=3))
    view = first_view(train)
    rows = view.available()
    charge, world = train.cohort.monthly_charge_usd, train.nominal
    model = Known((0.7, 0.7, 0.75, 0.7, 0.7))
    agent = UpliftAgent("uplift_tree", model, acceptance, ValueRule(0.0, price_offers=True))
    agent.begin(view)
    p_accept = acceptance.rates(customer_features(train))[:, 1]
    cost = world.contact_cost_usd + p_accept * charge * world.discount_months * 0.05
    net = 0.05 * charge * world.horizon_months - cost
    wish = agent.act(view)
    assert ((wish.action[rows] == train.space.index(5, 0)) == (net > 0)).all()
    wanted = net > 0
    assert wanted.sum() > 0
    np.testing.assert_allclose(wish.priority[wanted], (net / cost)[wanted])


def test_uplift_falls_with_the_days_left(train: Setting) -> None:
    acceptance = fit_acceptance(randomised_log(train, 5, seed=3))
    model = Known((0.7, 0.7, 0.73, 0.7, 0.7))
    agent = UpliftAgent("uplift_tree", model, acceptance, ValueRule(0.0, price_offers=True))
    recorder = Recorder(agent)
    played(recorder, train, np.inf)
    late = [wish.action.any() for wish, available in recorder.days if len(available)]
    assert late[0]
    assert not late[-1]


def test_an_agent_scores_each_setting_anew(train: Setting, files: dict[str, bytes]) -> None:
    other = small_setting(150, seed=9, start=START)
    agent = next(one for one in load_baselines(files, 6.0) if one.name == "uplift_tree")
    fresh = next(one for one in load_baselines(files, 6.0) if one.name == "uplift_tree")
    played(agent, train)
    assert (played(agent, other).gain_usd == played(fresh, other).gain_usd).all()
