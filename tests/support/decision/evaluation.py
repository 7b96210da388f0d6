"""A small evaluation: what it specifies, a policy to evaluate, and the conditions of one trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from churnsaver_assets.decision.play.pacing_table import build_pacing_table

from churnsaver_assets.decision.evaluation.trials import Conditions
from churnsaver_assets.decision.play.agents import ContactRequests, DecisionContext
from churnsaver_serving.runtime.policy import GreedyValuePolicy

if TYPE_CHECKING:
    import numpy.typing as npt

    from churnsaver_assets.decision.simulator.setting import Setting
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


class GreedyMultiplierPolicy:
    """The greedy policy that serving has, at any multiplier."""

    def __init__(self, name: str = "greedy") -> None:
        self.name = name

    def begin(self, context: DecisionContext) -> None:
        pass

    def decide(self, context: DecisionContext, multiplier: Floats) -> ContactRequests:
        requests, rows = ContactRequests.none(context.size), context.available()
        observed = context.observe(multiplier, rows)
        requests.action[rows] = GreedyValuePolicy().probabilities(observed).argmax(axis=1)
        requests.priority[rows] = observed.p_churn
        return requests


def pacing_table(setting: Setting) -> PacingTable:
    return build_pacing_table(
        GreedyMultiplierPolicy(),
        setting,
        multipliers=(0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 9.0),
        switch_days=(0, 1, 4, 7, 8, 14, 21, 28),
        rng=np.random.default_rng(SEED),
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
