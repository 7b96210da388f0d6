"""The policies that an evaluation compares, built from the values of the assets."""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from churnsaver_assets.decision.baselines.files import load_baselines
from churnsaver_assets.decision.evaluation.evaluated_policies import (
    AgentByBudget,
    EvaluatedPolicy,
    PacedPolicy,
    SingleAgent,
)
from churnsaver_assets.decision.evaluation.variants import TrainedVariant
from churnsaver_assets.decision.planning.bound import upper_bound
from churnsaver_assets.decision.planning.budgets import Budgets
from churnsaver_assets.decision.planning.dynamic_programme import CustomerProgrammes
from churnsaver_assets.decision.planning.planner import AdaptivePlanner, LagrangianPlanner
from churnsaver_assets.decision.play.agents import MultiplierPolicy
from churnsaver_assets.decision.play.paced import FixedMultiplierAgent
from churnsaver_assets.decision.play.pacing_fit import fit_pacing
from churnsaver_assets.decision.ppo.actor_policy import ActorPolicy
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.evaluation_spec import Part
from churnsaver_assets.experiments.pacing_spec import PacingSpec
from churnsaver_serving.runtime.actor import Actor
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.assumptions import Assumptions, World
from churnsaver_serving.runtime.pacing import PacingTable

if TYPE_CHECKING:
    from churnsaver_assets.decision.play.agents import Agent


@dataclass(frozen=True, slots=True)
class ComparedPolicies:
    """The policies that an evaluation compares, each built on demand.

    Attributes:
        training: Training customers, rules and days; pacing tables are simulated with them.
        holdout: Held-out customers, whom the planners' capacity prices are computed for.
        budgets: Budgets that baselines were tuned at, and the one with a daily capacity.
        actor: The learned policy as it is served.
        learned_name: Name of the learned policy in tables.
        baselines: The baselines' files, name to contents, as from `fit_baselines`.
        pacing: Axes of the pacing tables.
        seed: Seed for the noise in the belief.
    """

    training: Setting
    holdout: Setting
    budgets: Budgets
    actor: Actor
    learned_name: str
    baselines: Mapping[str, bytes]
    pacing: PacingSpec
    seed: int

    def brief(self) -> list[EvaluatedPolicy]:
        """Return the learned policy, the nominal planner and every baseline, in that order."""
        return [self.learned(), self.nominal_planner(), *self.tuned_baselines()]

    def learned(self) -> PacedPolicy:
        """Return the served policy under its own pacing."""
        name = self.learned_name
        policy = ActorPolicy(self.actor, name)
        return PacedPolicy(
            name, "learned", policy, self._table(policy), limited=self._limited_table(policy)
        )

    def nominal_planner(self) -> PacedPolicy:
        """Return the planner that takes the nominal world for the true one."""
        return self._planner(None, "planner", self._capacity_prices())

    def planners(self, assumptions: Assumptions) -> list[EvaluatedPolicy]:
        """Return the planner in its three forms: nominal, adaptive and at the priors' mean.

        Args:
            assumptions: The priors.
        """
        prices = self._capacity_prices()
        nominal, name = self._planner(None, "planner", prices), "planner_adaptive"
        adaptive = replace(
            # Before there are outcomes it is the nominal planner, whose tables it goes by.
            nominal,
            name=name,
            policy=AdaptivePlanner(assumptions, name=name),
            under_capacity=AdaptivePlanner(assumptions, capacity_multipliers=prices, name=name),
        )
        prior_mean = self._planner(assumptions.prior_mean(), "planner_prior_mean", prices)
        return [nominal, adaptive, prior_mean]

    def tuned_baselines(self) -> list[EvaluatedPolicy]:
        """Return every baseline, as tuned at each budget without a daily capacity."""
        agents: defaultdict[str, dict[float, Agent]] = defaultdict(dict)
        for budget in self.budgets.plain:
            amount = budget.budget_per_customer
            for agent in load_baselines(self.baselines, amount):
                agents[agent.name][amount] = agent
        return [AgentByBudget(name, "baseline", by_budget) for name, by_budget in agents.items()]

    def _planner(self, world: World | None, name: str, prices: Floats) -> PacedPolicy:
        """Return a planner that believes in a world, None for the nominal one."""
        free = LagrangianPlanner(world, name=name)
        policy = LagrangianPlanner(world, capacity_multipliers=prices, name=name)
        return PacedPolicy(
            name,
            "planner",
            free,
            self._table(free),
            under_capacity=policy,
            limited=self._limited_table(policy),
        )

    def _capacity_prices(self) -> Floats:
        """Return what a contact is worth on each day in the nominal world, shape (T,), USD.

        Of the customers, only what is believed of them is read.
        """
        setting, limited = self.holdout, self.budgets.limited
        cohort = setting.believed or setting.cohort
        return upper_bound(
            CustomerProgrammes(cohort, setting, setting.nominal),
            budget_per_customer=limited.budget_per_customer,
            daily_capacity=float(limited.daily_capacity or 0),
        ).capacity_multipliers

    def _table(self, policy: MultiplierPolicy) -> PacingTable:
        """Simulate what a policy spends without a daily capacity."""
        return self._fit_pacing(policy, None)

    def _limited_table(self, policy: MultiplierPolicy) -> PacingTable:
        """Simulate what a policy spends under the daily capacity."""
        share = (self.budgets.limited.daily_capacity or 0) / self.budgets.customers
        return self._fit_pacing(policy, share)

    def _fit_pacing(
        self, policy: MultiplierPolicy, contacts_per_customer: float | None
    ) -> PacingTable:
        return fit_pacing(
            # A copy, so that what playing it left behind does not go along with the policy.
            copy.deepcopy(policy),
            self.training,
            self.pacing,
            self.seed,
            population=self.budgets.customers,
            contacts_per_customer=contacts_per_customer,
        )


def variants(trained: Sequence[TrainedVariant]) -> list[EvaluatedPolicy]:
    """Return the learned policy trained otherwise; ablations are left out.

    What doesn't see the multiplier has one in its weights, and is played as it was trained for
    each budget.
    """
    result: list[EvaluatedPolicy] = []
    by_budget: defaultdict[str, dict[float, Agent]] = defaultdict(dict)
    for one in trained:
        name, budget = one.variant.name, one.variant.budget_per_customer
        if one.variant.part is not None:
            continue
        policy = ActorPolicy(one.actor, name)
        if one.table is not None:
            result.append(PacedPolicy(name, "variant", policy, one.table))
        elif budget is not None:
            by_budget[name][budget] = FixedMultiplierAgent(policy, 0.0)
    return result + [AgentByBudget(name, "variant", agents) for name, agents in by_budget.items()]


def ablated(whole: PacedPolicy, trained: Sequence[TrainedVariant]) -> dict[Part, EvaluatedPolicy]:
    """Return the learned policy without each of its parts.

    Args:
        whole: The learned policy.
        trained: Variants, of which those without a part are taken.
    """
    result: dict[Part, EvaluatedPolicy] = {"pacing": whole.unpaced()}
    for one in trained:
        if one.variant.part is not None:
            name, policy = one.variant.name, ActorPolicy(one.actor, one.variant.name)
            result[one.variant.part] = (
                SingleAgent(name, "variant", FixedMultiplierAgent(policy, 0.0))
                if one.table is None
                else PacedPolicy(name, "variant", policy, one.table)
            )
    return result
