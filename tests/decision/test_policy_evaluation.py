"""The evaluation: intervals, metrics, scenarios, gains, checks, and all of it end to end."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from decision_cohort import packaged_section, small_cohort, small_setting
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.console import Console

from churnsaver_assets.decision.agents import View, Wish
from churnsaver_assets.decision.baselines.rules import (
    NothingAgent,
    OneStepAgent,
    PropensityAgent,
    RandomAgent,
)
from churnsaver_assets.decision.dynamic_programme import CustomerProgrammes
from churnsaver_assets.decision.execution import play
from churnsaver_assets.decision.pacing_table import build_pacing_table
from churnsaver_assets.decision.ppo.curves import Curves
from churnsaver_assets.evaluation.ceilings import ceiling_under
from churnsaver_assets.evaluation.checks import above_the_bound, broken_constraints, headroom
from churnsaver_assets.evaluation.contenders import AnyBudget, ByBudget, Paced
from churnsaver_assets.evaluation.decision_map import decision_map, decision_map_png
from churnsaver_assets.evaluation.estimates import (
    Interval,
    mean_of,
    over_replicates,
    ratio,
    standard_error,
)
from churnsaver_assets.evaluation.field import ablated, variants
from churnsaver_assets.evaluation.figures import (
    above_bound,
    headroom_difference,
    policy_figures,
)
from churnsaver_assets.evaluation.figures import headroom as headroom_of
from churnsaver_assets.evaluation.gains import Point, saving_at_equal_gain, verdict
from churnsaver_assets.evaluation.plots import days_png, gains_png, headroom_png, stress_png
from churnsaver_assets.evaluation.report import print_evaluation
from churnsaver_assets.evaluation.results import decode, encode
from churnsaver_assets.evaluation.run import evaluate
from churnsaver_assets.evaluation.scenarios import true_world, without
from churnsaver_assets.evaluation.trials import (
    Conditions,
    run_trial,
)
from churnsaver_assets.evaluation.variants import (
    TrainedVariant,
    ablation_variants,
    training_variants,
)
from churnsaver_assets.experiments.evaluation_spec import EvaluationSpec, Scenario
from churnsaver_assets.experiments.policy_spec import PolicySpec
from churnsaver_serving.runtime.actor import Actor, LearnedSpec
from churnsaver_serving.runtime.policy import GreedyValuePolicy

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnsaver_assets.decision.setting import Setting
    from churnsaver_assets.evaluation.contenders import Contender
    from churnsaver_assets.evaluation.results import PolicyEvaluation
    from churnsaver_serving.runtime.pacing import PacingTable

    Floats = npt.NDArray[np.float64]

CUSTOMERS, REPLICATES, SEED = 150, 4, 42

SPEC: dict[str, Any] = {
    "start_on": "2026-06-01",
    "replicates": REPLICATES,
    "budget_shares": [0.2, 0.5],
    "capacity": {"budget_share": 0.5, "daily_contacts": 0.03},
    "scenario_shares": [0.5],
    "learned": "greedy",
    "reference": "slow",
    "pacing_compared": ["greedy"],
    "goals": {"nrr_gain": 0.03, "offer_cost_saving": 0.05, "seed_baselines": ["propensity"]},
    "scenarios": [
        {"name": "disturbed", "says": "refusals drive away", "put": {"disturbance": 1.0}},
        {"name": "tight", "says": "half the budget", "budget_scale": 0.5},
    ],
    "ablations": [
        {"part": "risk_model", "scenario": "nominal", "budget_share": 0.5},
        {"part": "pacing", "scenario": "disturbed", "budget_share": 0.5},
    ],
    "pid": {"proportional": 0.1, "integral": 0.01, "derivative": 0.01, "initial": 1.0},
}


class GreedyPriced:
    """The greedy policy that serving has, at any multiplier."""

    def __init__(self, name: str = "greedy") -> None:
        self.name = name

    def begin(self, view: View) -> None:
        pass

    def wish(self, view: View, multiplier: Floats) -> Wish:
        wish, rows = Wish.nothing(view.size), view.available()
        observed = view.observe(multiplier, rows)
        wish.action[rows] = GreedyValuePolicy().probabilities(observed).argmax(axis=1)
        wish.priority[rows] = observed.p_churn
        return wish


@pytest.fixture(scope="module")
def setting() -> Setting:
    return small_setting(CUSTOMERS)


@pytest.fixture(scope="module")
def spend(setting: Setting) -> float:
    """What the best policy spends without a budget."""
    programmes = CustomerProgrammes(setting.cohort, setting, setting.nominal)
    return float(programmes.solve(0.0).flow().spend_usd.sum()) / len(setting.cohort)


def pacing_table(setting: Setting) -> PacingTable:
    return build_pacing_table(
        GreedyPriced(),
        setting,
        multipliers=(0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 9.0),
        switch_days=(0, 1, 4, 7, 8, 14, 21, 28),
        rng=np.random.default_rng(SEED),
    )


@pytest.fixture(scope="module")
def table(setting: Setting) -> PacingTable:
    return pacing_table(setting)


@pytest.fixture(scope="module")
def field(table: PacingTable, spend: float) -> list[Contender]:
    def by_budget(*thresholds: float) -> dict[float, Any]:
        shares = SPEC["budget_shares"]
        return {
            share * spend: PropensityAgent(threshold, 10)
            for share, threshold in zip(shares, thresholds, strict=True)
        }

    return [
        Paced("greedy", "learned", GreedyPriced(), table),
        Paced("slow", "planner", GreedyPriced("slow"), table, heed_acceptance=False),
        ByBudget("propensity", "baseline", by_budget(0.6, 0.3)),
        AnyBudget("nothing", "baseline", NothingAgent()),
    ]


@pytest.fixture(scope="module")
def spec() -> EvaluationSpec:
    return EvaluationSpec.model_validate(SPEC)


@pytest.fixture(scope="module")
def found(
    field: list[Contender], setting: Setting, spec: EvaluationSpec, spend: float
) -> PolicyEvaluation:
    greedy = field[0]
    assert isinstance(greedy, Paced)
    return evaluate(
        field,
        setting,
        spec,
        unconstrained_spend=spend,
        data="sample",
        seed=SEED,
        ablated={"risk_model": replace(greedy, name="blind"), "pacing": greedy.unpaced()},
    )


def conditions(setting: Setting, budget: float, **changes: Any) -> Conditions:
    whole: dict[str, Any] = {
        "setting": setting,
        "world": setting.nominal,
        "planned_usd": budget,
        "budget_usd": budget,
        "daily_capacity": None,
        "replicates": REPLICATES,
        "seed": SEED,
    }
    return Conditions(**{**whole, **changes})


# Intervals


def test_without_luck_the_error_is_the_customers_own() -> None:
    rng = np.random.default_rng(SEED)
    values = rng.normal(3.0, 2.0, 400)
    found = mean_of(np.tile(values, (5, 1)))
    assert found.mean == pytest.approx(values.mean())
    half = 1.966 * values.std(ddof=1) / 20.0  # t with 399 degrees of freedom
    assert found.high - found.mean == pytest.approx(half, rel=1e-3)


def test_a_paired_difference_of_equals_is_exactly_zero() -> None:
    values = np.random.default_rng(SEED).normal(size=(4, 50))
    assert ratio(values - values, np.ones(50)) == Interval(0.0, 0.0, 0.0)


@pytest.mark.parametrize(("who", "luck", "shared"), [(1.0, 3.0, 0.0), (2.0, 0.5, 0.0), (0.5, 1, 1)])
def test_the_error_is_that_of_a_crossed_layout(who: float, luck: float, shared: float) -> None:
    rng = np.random.default_rng(SEED)
    replicates, customers, draws = 8, 60, 600
    means, errors, covered = [], [], []
    for _ in range(draws):
        values = (
            rng.normal(0.0, who, customers)
            + rng.normal(0.0, shared / customers**0.5, (replicates, 1))
            + rng.normal(0.0, luck, (replicates, customers))
        )
        influence = (values - values.mean()) / values.size
        errors.append(standard_error(influence)[0] ** 2)
        found = mean_of(values)
        means.append(found.mean)
        covered.append(found.low <= 0.0 <= found.high)
    assert np.mean(errors) == pytest.approx(np.var(means), rel=0.15)
    assert 0.92 <= np.mean(covered) <= 0.98


@given(
    st.integers(2, 5),
    st.integers(2, 9),
    st.integers(0, 10_000),
    st.floats(0.1, 10.0),
)
def test_intervals_ignore_order_and_follow_units(
    replicates: int, customers: int, seed: int, factor: float
) -> None:
    rng = np.random.default_rng(seed)
    above, below = rng.normal(size=(replicates, customers)), rng.uniform(0.5, 2.0, customers)
    plain = ratio(above, below)
    order = rng.permutation(customers)
    mixed = ratio(above[rng.permutation(replicates)][:, order], below[order])
    scaled = ratio(factor * above, below)
    assert plain.low <= plain.mean <= plain.high
    for one, other in zip(
        msgspec.structs.astuple(plain), msgspec.structs.astuple(mixed), strict=True
    ):
        assert one == pytest.approx(other, abs=1e-9)
    assert scaled.low == pytest.approx(factor * plain.low, abs=1e-9)


def test_one_replicate_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2 replicates"):
        mean_of(np.ones((1, 5)))
    with pytest.raises(ValueError, match="sums to 0"):
        ratio(np.ones((2, 5)), np.zeros(5))


def test_over_replicates_is_the_t_interval() -> None:
    from scipy.stats import t

    values = np.array([1.0, 2.0, 4.0])
    found = over_replicates(values)
    low, high = t.interval(0.95, 2, values.mean(), values.std(ddof=1) / 3**0.5)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


# What is specified


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ({"put": {"hazard": 1.5}}, "hazard can't differ"),
        ({"put": {"contact_cost_usd": 1.0}}, "contact_cost_usd can't differ"),
        ({"put": {"disturbance": 1.0}, "scale": {"disturbance": 2.0}}, "in both put and scale"),
        ({}, "nothing differs"),
        ({"budget_scale": 0.0}, "greater than 0"),
        ({"put": {"disturbance": 1.0}, "budget": 3}, "Extra inputs"),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(scenario: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Scenario(name="odd", says="odd", **scenario)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"budget_shares": [0.5, 0.2]}, "distinct ascending"),
        ({"replicates": 1}, "greater than or equal to 2"),
        ({"scenarios": [{**SPEC["scenarios"][0], "name": "nominal"}]}, "not nominal"),
        (
            {"ablations": [{"part": "pacing", "scenario": "none", "budget_share": 0.5}]},
            "unknown scenario none",
        ),
        ({"ablations": [SPEC["ablations"][0]] * 2}, "parts must be distinct"),
    ],
)
def test_an_evaluation_that_makes_no_sense_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        EvaluationSpec.model_validate({**SPEC, **changes})


def test_scenarios_change_what_they_name_and_nothing_else(setting: Setting) -> None:
    nominal = setting.nominal
    scenario = Scenario(
        name="odd", says="odd", put={"responsiveness": 1.0}, scale={"offer_response": 0.5}
    )
    world = true_world(scenario, nominal)
    assert world == msgspec.structs.replace(
        nominal, responsiveness=1.0, offer_response=nominal.offer_response / 2
    )
    assert true_world(None, nominal) == nominal
    weaker = Scenario(name="weak", says="weak", scale={"save_effect": 1.1})
    assert true_world(weaker, nominal).save_effect == pytest.approx(
        [1.1 * effect for effect in nominal.save_effect]
    )
    wrong = Scenario(name="odd", says="odd", put={"save_effect": 0.5})
    with pytest.raises(msgspec.ValidationError):
        true_world(wrong, nominal)


def test_without_a_model_the_truth_stays_as_it_is(setting: Setting) -> None:
    blind = without("risk_model", setting)
    assert blind.cohort is setting.cohort
    assert blind.believed is not None
    assert np.ptp(blind.believed.p_churn) == 0
    assert without("pacing", setting) is setting


# Trials


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
    setting: Setting, spend: float, table: PacingTable
) -> None:
    given_ = conditions(setting, 0.4 * spend, replicates=200)
    ceiling = ceiling_under(given_)
    trial = run_trial(Paced("greedy", "learned", GreedyPriced(), table), given_)
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


def test_an_unpaced_policy_keeps_its_multiplier(setting: Setting, table: PacingTable) -> None:
    paced = Paced("greedy", "learned", GreedyPriced(), table)
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


# Variants


def test_variants_change_one_thing_each() -> None:
    policy = PolicySpec.model_validate(packaged_section("policy"))
    evaluation = EvaluationSpec.model_validate(packaged_section("evaluation"))
    updates = policy.distillation.updates + policy.ppo.updates
    distilled, scratch, *controlled = training_variants(policy, evaluation.pid, [3.0, 7.0])
    assert distilled.spec.ppo.updates == 0
    assert (scratch.spec.distillation.updates, scratch.spec.ppo.updates) == (0, updates)
    assert [one.budget_per_customer for one in controlled] == [3.0, 7.0]
    assert [one.spec.pid and one.spec.pid.budget_per_customer for one in controlled] == [3.0, 7.0]
    assert not any(one.conditioned for one in controlled)
    lacking = {one.part: one for one in ablation_variants(policy, evaluation.ablations)}
    assert set(lacking) == {part.part for part in evaluation.ablations} - {"pacing"}
    assert lacking["domain_randomisation"].spec.rollout.nominal_share == 1.0
    assert not lacking["multiplier_input"].conditioned
    assert lacking["risk_model"].spec == policy


def test_variants_enter_as_they_were_trained(table: PacingTable) -> None:
    policy = PolicySpec.model_validate(packaged_section("policy"))
    evaluation = EvaluationSpec.model_validate(packaged_section("evaluation"))
    wanted = [
        *training_variants(policy, evaluation.pid, [3.0, 7.0]),
        *ablation_variants(policy, evaluation.ablations),
    ]
    actor = an_actor()
    trained = [
        TrainedVariant(one, actor, table if one.conditioned else None, Curves([], []))
        for one in wanted
    ]
    names = {one.name: one for one in variants(trained)}
    assert set(names) == {"distilled", "from_scratch", "pid"}
    assert isinstance(names["pid"], ByBudget)
    assert set(names["pid"].players) == {3.0, 7.0}
    whole = Paced("ppo", "learned", GreedyPriced(), table)
    without_parts = ablated(whole, trained)
    assert set(without_parts) == {one.part for one in evaluation.ablations}
    assert without_parts["pacing"] == whole.unpaced()
    assert isinstance(without_parts["multiplier_input"], AnyBudget)


def an_actor() -> Actor:
    names = ("risk_logit", "multiplier_log")
    spec = LearnedSpec(
        offers_pct=(0, 5, 10, 20),
        features=names,
        mean=(0.0, 0.0),
        scale=(1.0, 1.0),
        clip=5.0,
        hidden=(3,),
        activation="relu",
    )
    rng = np.random.default_rng(SEED)
    weights = {
        name: rng.normal(size=shape).astype(np.float32) for name, shape in spec.shapes().items()
    }
    return Actor(spec, weights)


# Gains


def flat(gain: float, cost: float, seed: int | None = None) -> Point:
    noise = 0.0 if seed is None else np.random.default_rng(seed).normal(0.0, 0.1, (4, 30))
    return Point(np.full((4, 30), gain) + noise, np.full((4, 30), cost))


def test_the_saving_is_read_off_the_policys_own_curve() -> None:
    curve = [flat(4.0, 2.0), flat(6.0, 4.0)]
    half = saving_at_equal_gain(flat(5.0, 6.0), curve)
    low = saving_at_equal_gain(flat(2.0, 2.0), curve)
    assert half is not None
    assert low is not None
    assert half.mean == pytest.approx(0.5)
    assert low.mean == pytest.approx(0.5)
    assert half.low == pytest.approx(half.high)
    assert saving_at_equal_gain(flat(7.0, 6.0), curve) is None
    assert saving_at_equal_gain(flat(-1.0, 6.0), curve) == Interval(1.0, 1.0, 1.0)


def test_a_policy_saves_nothing_against_itself() -> None:
    curve = [flat(4.0, 2.0, seed=1), flat(6.0, 4.0, seed=2)]
    found = saving_at_equal_gain(curve[1], curve)
    assert found is not None
    assert found.mean == pytest.approx(0.0)
    assert found.high - found.low == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (Interval(0.04, 0.03, 0.05), "met"),
        (Interval(0.03, 0.02, 0.04), "open"),
        (Interval(0.01, 0.0, 0.02), "missed"),
        (None, "missed"),
    ],
)
def test_a_goal_is_met_only_where_the_interval_says_so(
    interval: Interval | None, expected: str
) -> None:
    assert verdict(interval, 0.03) == expected


# All of it


def test_the_json_is_as_promised(found: PolicyEvaluation) -> None:
    written = msgspec.json.decode(encode(found))
    assert written["simulated"] is True
    assert written["data"] == "sample"
    assert written["horizon_months"] == 6.0
    assert set(written) >= {"budgets", "misspecified", "ablations", "stress", "capacity"}
    for case in (*written["budgets"], written["capacity"]):
        assert {"budget_per_customer", "bound", "policies"} <= set(case)
        assert set(case["policies"]) == {"greedy", "slow", "propensity", "nothing"}
        for policy in case["policies"].values():
            assert set(policy["headroom"]) == {"mean", "low", "high"}
            assert set(policy) >= {"headroom", "nrr", "offer_cost", "violations"}
    assert decode(encode(found)) == found


def test_nobody_is_above_the_bound_and_nothing_is_broken(found: PolicyEvaluation) -> None:
    assert above_the_bound(found) == []
    assert broken_constraints(found) == []
    assert min(headroom(found, "greedy").values()) > 0.8


def test_what_is_broken_is_named(found: PolicyEvaluation) -> None:
    case = found.budgets[0]
    figures = case.policies["propensity"]
    bad = msgspec.structs.replace(
        figures,
        above_bound=True,
        violations=msgspec.structs.replace(figures.violations, overspent=2),
    )
    spoilt = msgspec.structs.replace(
        found,
        budgets=(
            msgspec.structs.replace(case, policies={**case.policies, "propensity": bad}),
            *found.budgets[1:],
        ),
    )
    assert [line.split(",")[0] for line in above_the_bound(spoilt)] == ["propensity"]
    assert broken_constraints(spoilt) == ["propensity, budget 20 %: 2 budgets overspent"]


def test_gains_are_the_differences_of_the_policies(found: PolicyEvaluation) -> None:
    for case in found.budgets:
        ours, theirs = case.policies["greedy"], case.policies["propensity"]
        gain = case.gains["propensity"]
        points = 100.0 * (ours.nrr.mean - theirs.nrr.mean)
        assert gain.nrr_points.mean == pytest.approx(points)
        # Paired: much narrower than the two side by side.
        assert gain.nrr_points.high - gain.nrr_points.low < 100 * (ours.nrr.high - ours.nrr.low)
        assert gain.bound_nrr_relative == pytest.approx(case.bound_nrr / theirs.nrr.mean - 1.0)
        assert case.best_baseline == "propensity"
        assert case.gains["nothing"].offer_cost_goal == "impossible"


def test_scenarios_are_in_their_tables(found: PolicyEvaluation) -> None:
    assert [row.scenario for row in found.stress] == ["disturbed", "tight"]
    assert found.stress[1].budget_per_customer == pytest.approx(
        found.budgets[1].budget_per_customer / 2
    )
    (world,) = found.misspecified.worlds
    assert world.scenario == "disturbed"
    assert set(world.ahead_of_reference) == {"greedy", "propensity", "nothing"}
    effect = world.pacing["greedy"]
    assert effect.difference.mean == pytest.approx(100 * (effect.on.mean - effect.off.mean))


def test_ablations_lose_what_they_lack(found: PolicyEvaluation) -> None:
    blind = found.ablations["risk_model"]
    assert blind.loss.low > 0.0
    assert blind.whole.mean == found.budgets[1].policies["greedy"].headroom.mean


def test_the_same_seed_gives_the_same_bytes(
    field: list[Contender], spec: EvaluationSpec, spend: float
) -> None:
    few = small_setting(40)

    def once(seed: int) -> bytes:
        return encode(
            evaluate(field, few, spec.brief(), unconstrained_spend=spend, data="real", seed=seed)
        )

    first = once(SEED)
    assert once(SEED) == first
    other = decode(once(SEED + 1))
    assert other != decode(first)
    assert other.stress == ()


@pytest.mark.parametrize(
    ("drop", "says"), [("slow", "missing \\['slow'\\]"), (None, "names must be distinct")]
)
def test_a_field_that_does_not_fit_is_refused(
    field: list[Contender],
    setting: Setting,
    spec: EvaluationSpec,
    drop: str | None,
    says: str,
) -> None:
    players = [one for one in field if one.name != drop] if drop else [*field, field[0]]
    with pytest.raises(ValueError, match=says):
        evaluate(players, setting, spec, unconstrained_spend=1.0, data="real", seed=SEED)


def test_missing_ablations_are_named(
    field: list[Contender], setting: Setting, spec: EvaluationSpec
) -> None:
    with pytest.raises(ValueError, match=r"ablated: missing \['pacing', 'risk_model'\]"):
        evaluate(field, setting, spec, unconstrained_spend=1.0, data="real", seed=SEED)


def test_pictures_are_drawn_and_repeat(
    found: PolicyEvaluation, setting: Setting, spec: EvaluationSpec
) -> None:
    def draw() -> list[bytes]:
        return [
            headroom_png(found),
            gains_png(found, spec.goals, learned="greedy"),
            days_png(found, ["greedy", "propensity"]),
            stress_png(found, 0.5),
            decision_map_png({"greedy": GreedyValuePolicy()}, setting, [0.5]),
        ]

    pictures = draw()
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert draw() == pictures
    with pytest.raises(ValueError, match="nothing was played"):
        stress_png(found, 0.99)


def test_the_report_prints_every_table(found: PolicyEvaluation) -> None:
    console = Console(record=True, width=190, quiet=False, file=io.StringIO())
    print_evaluation(console, found, learned="greedy")
    text = console.export_text()
    assert "DATA: SAMPLE" in text
    assert "M = 6 months" in text
    for title in ("Budget $", "Stress:", "Misspecified worlds", "Pacing on less off", "Ablations"):
        assert title in text
    assert "No policy is above the bound" in text
    mean = found.budgets[0].policies["greedy"].headroom.mean
    assert f"{100 * mean:.1f} [" in text


def test_the_decision_map_is_the_policys_own(setting: Setting) -> None:
    cheap = decision_map(GreedyValuePolicy(), setting, 0.0, cells=20)
    dear = decision_map(GreedyValuePolicy(), setting, 3.0, cells=20)
    assert cheap.choice.shape == (20, 20)
    assert (cheap.choice > 0).sum() > (dear.choice > 0).sum() > 0
    # More is at stake with more risk and more money: the corner is contacted first.
    assert dear.choice[-1, -5] > 0 == dear.choice[0, 0]


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
