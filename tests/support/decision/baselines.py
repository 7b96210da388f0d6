"""Settings that small baselines are fitted with, and shortcuts to watch an agent play."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.decision.play.agents import ContactRequests, DecisionContext
from churnsaver_assets.decision.play.execution import PeriodResult, play
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec, ThompsonSpec

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnsaver_assets.decision.play.agents import Agent
    from churnsaver_assets.decision.simulator.setting import Setting

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


class Recorder:
    """Passes an agent's requests on and keeps them, with the rows available on each day."""

    def __init__(self, agent: Agent) -> None:
        self.name = agent.name
        self._agent = agent
        self.days: list[tuple[ContactRequests, npt.NDArray[np.int64]]] = []

    def begin(self, context: DecisionContext) -> None:
        self._agent.begin(context)

    def act(self, context: DecisionContext) -> ContactRequests:
        requests = self._agent.act(context)
        self.days.append((requests, context.available()))
        return requests


def played(agent: Agent, setting: Setting, budget: float = 3.0, groups: int = 2) -> PeriodResult:
    return play(agent, setting, [setting.nominal] * groups, budget_per_customer=budget, seed=42)


def daily_requests(agent: Agent, setting: Setting, budget: float = np.inf) -> list[ContactRequests]:
    recorder = Recorder(agent)
    played(recorder, setting, budget)
    return [requests for requests, _ in recorder.days]


def first_context(setting: Setting) -> DecisionContext:
    rng = np.random.default_rng(0)
    return DecisionContext(
        RetentionVectorEnv(setting, [setting.nominal], mode="sampled", rng=rng), None, None
    )
