"""Settings that small baselines are fitted with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.play.pacing_rule import fixed_multiplier
from churnsaver_assets.decision.play.served import ServedConditions, ServedMode
from churnsaver_assets.decision.simulator.observed import observed
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec, ThompsonSpec
from churnsaver_serving.runtime.policies.pacing import Pacing, PacingRule, Start
from churnsaver_serving.runtime.world.belief import SIGNALS
from tests.support.decision.living import living

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting
    from churnsaver_serving.runtime.policies.observation import Observation
    from churnsaver_serving.runtime.policies.policy import Policy

CUSTOMERS = 300
NEW_SHARE = 0.15
DAILY = Conditions("daily", 2.0)
PACING = PacingRule((1.0, 4.0), Start((0.6, 0.1), (0.5, 0.1)), 0.01, 0.5, 1.5, 2.0, 0.5, 0.1, 0.02)
THOMPSON = ThompsonSpec(risk_bands=3, prior_accepted=1, prior_refused=1)
NAMES = [
    "nothing",
    "random",
    "propensity",
    "propensity_tuned_offer",
    "constant_offer",
    "thompson",
    "uplift_tree",
    "two_model_uplift",
    "month_end",
]

SPEC = BaselinesSpec.model_validate(
    {
        "log_replicates": 40,
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
            "customers": 200,
            "replicates": 1,
            "months": 1,
            "multipliers": [0.0, 0.4, 1.0],
            "risk_quantiles": [0.0, 0.5, 0.8],
            "contact_rates": [0.01, 1.0],
            "refinements": 1,
        },
    }
)


def first_day(setting: Setting, multiplier: float = 0.0) -> Observation:
    """Observe everybody on the first day, before any contact."""
    dynamics = living(setting, new_share=0.0)
    rows = np.arange(len(setting.cohort))
    return observed(
        dynamics,
        rows,
        np.zeros(len(rows)),
        multiplier=np.full(len(rows), multiplier),
        belief=np.zeros((len(rows), len(SIGNALS))),
    )


def without_limits(policy: Policy, setting: Setting) -> ServedMode:
    """Put a policy in service where money is free."""
    dynamics = living(setting)
    pacing = Pacing(fixed_multiplier(0.0), dynamics.population.first)
    return ServedMode(dynamics, policy, pacing, ServedConditions(1e6), seed=42)
