"""Who is compared: the learned policy, the planners, and every baseline, ready to play."""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from churnsaver_assets.decision.baselines.files import load_baselines
from churnsaver_assets.decision.evaluation.contenders import AnyBudget, ByBudget, Contender, Paced
from churnsaver_assets.decision.evaluation.variants import TrainedVariant
from churnsaver_assets.decision.planning.bound import upper_bound
from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes
from churnsaver_assets.decision.planning.planner import AdaptivePlanner, LagrangianPlanner
from churnsaver_assets.decision.play.agents import Priced
from churnsaver_assets.decision.play.paced import FixedAgent
from churnsaver_assets.decision.play.pacing_fit import fit_pacing
from churnsaver_assets.decision.ppo.priced import LearnedPriced
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.evaluation_spec import Part
from churnsaver_assets.experiments.pacing_spec import PacingSpec
from churnsaver_serving.runtime.actor import Actor
from churnsaver_serving.runtime.assumptions import Assumptions
from churnsaver_serving.runtime.pacing import PacingTable

if TYPE_CHECKING:
    from churnsaver_assets.decision.play.agents import Agent


@dataclass(frozen=True, slots=True)
class Tables:
    """Makes pacing tables.

    Attributes:
        training: training customers, rules and days.
        spec: the tables' axes.
        seed: of the noise in the belief.
        population: how many customers are evaluated.
        contacts_per_customer: the evaluated daily capacity over the number of customers.
    """

    training: Setting
    spec: PacingSpec
    seed: int
    population: int
    contacts_per_customer: float

    def of(self, policy: Priced) -> PacingTable:
        """What a policy spends without a daily capacity."""
        # A copy, so that what playing it left behind does not go along with the policy.
        own = copy.deepcopy(policy)
        return fit_pacing(own, self.training, self.spec, self.seed, population=self.population)

    def limited(self, policy: Priced) -> PacingTable:
        """What it spends under the daily capacity."""
        return fit_pacing(
            copy.deepcopy(policy),
            self.training,
            self.spec,
            self.seed,
            population=self.population,
            contacts_per_customer=self.contacts_per_customer,
        )


def learned(actor: Actor, name: str, tables: Tables) -> Paced:
    """The served policy under its own pacing."""
    priced = LearnedPriced(actor, name)
    return Paced(name, "learned", priced, tables.of(priced), limited=tables.limited(priced))


def variants(trained: Sequence[TrainedVariant]) -> list[Contender]:
    """The learned policy trained otherwise; ablations are left out.

    What doesn't see the multiplier has one in its weights, and is played as it was trained for
    each budget.
    """
    result: list[Contender] = []
    by_budget: defaultdict[str, dict[float, Agent]] = defaultdict(dict)
    for one in trained:
        name, budget = one.variant.name, one.variant.budget_per_customer
        if one.variant.part is not None:
            continue
        priced = LearnedPriced(one.actor, name)
        if one.table is not None:
            result.append(Paced(name, "variant", priced, one.table))
        elif budget is not None:
            by_budget[name][budget] = FixedAgent(priced, 0.0)
    return result + [ByBudget(name, "variant", players) for name, players in by_budget.items()]


def ablated(whole: Paced, trained: Sequence[TrainedVariant]) -> dict[Part, Contender]:
    """The learned policy without each of its parts.

    Args:
        whole: the learned policy.
        trained: variants, of which those without a part are taken.
    """
    result: dict[Part, Contender] = {"pacing": whole.unpaced()}
    for one in trained:
        if one.variant.part is not None:
            name, priced = one.variant.name, LearnedPriced(one.actor, one.variant.name)
            result[one.variant.part] = (
                AnyBudget(name, "variant", FixedAgent(priced, 0.0))
                if one.table is None
                else Paced(name, "variant", priced, one.table)
            )
    return result


def capacity_prices(
    setting: Setting, budget_per_customer: float, daily_capacity: int
) -> npt.NDArray[np.float64]:
    """What a contact is worth on each day by the models and the nominal world, shape (T,), USD.

    Args:
        setting: the customers that are planned for; only what is believed of them is read.
        budget_per_customer: USD.
        daily_capacity: most contacts on a day.
    """
    cohort = setting.believed or setting.cohort
    return upper_bound(
        CustomerProgrammes(cohort, setting, setting.nominal),
        budget_per_customer=budget_per_customer,
        daily_capacity=float(daily_capacity),
    ).capacity_multipliers


def nominal_planner(tables: Tables, prices: npt.NDArray[np.float64]) -> Paced:
    """The planner that takes the nominal world for the true one, under its own pacing.

    Args:
        tables: makes the pacing tables.
        prices: of a contact on each day where there is a daily capacity, from `capacity_prices`.
    """
    free = LagrangianPlanner(name="planner")
    priced = LagrangianPlanner(capacity_multipliers=prices, name="planner")
    return Paced(
        "planner",
        "planner",
        free,
        tables.of(free),
        under_capacity=priced,
        limited=tables.limited(priced),
    )


def planners(
    assumptions: Assumptions, tables: Tables, prices: npt.NDArray[np.float64]
) -> list[Contender]:
    """The planner in its three forms: nominal, adaptive, prior mean; arguments as above.

    Args:
        assumptions: the priors.
        tables: makes the pacing tables.
        prices: of a contact on each day.
    """
    nominal, name = nominal_planner(tables, prices), "planner_adaptive"
    adaptive = replace(
        # Before there are outcomes it is the nominal planner, whose tables it goes by.
        nominal,
        name=name,
        policy=AdaptivePlanner(assumptions, name=name),
        under_capacity=AdaptivePlanner(assumptions, capacity_multipliers=prices, name=name),
    )
    mean, name = assumptions.prior_mean(), "planner_prior_mean"
    free = LagrangianPlanner(mean, name=name)
    priced = LagrangianPlanner(mean, capacity_multipliers=prices, name=name)
    prior_mean = replace(
        nominal,
        name=name,
        policy=free,
        table=tables.of(free),
        under_capacity=priced,
        limited=tables.limited(priced),
    )
    return [nominal, adaptive, prior_mean]


def tuned_baselines(
    files: Mapping[str, bytes], budgets_per_customer: Sequence[float]
) -> list[Contender]:
    """Every baseline, as tuned at each budget.

    Args:
        files: as from `fit_baselines`.
        budgets_per_customer: USD, each of them tuned for.
    """
    players: defaultdict[str, dict[float, Agent]] = defaultdict(dict)
    for budget in budgets_per_customer:
        for agent in load_baselines(files, budget):
            players[agent.name][budget] = agent
    return [ByBudget(name, "baseline", by_budget) for name, by_budget in players.items()]
