"""Fitting of pacing tables with an experiment's axes, for any policy, on training customers."""

from dataclasses import replace

import numpy as np

from churnsaver_assets.decision.play.agents import MultiplierPolicy
from churnsaver_assets.decision.play.pacing_table import build_pacing_table, representatives
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.pacing_spec import PacingSpec
from churnsaver_serving.runtime.pacing import PacingTable


def fit_pacing(
    policy: MultiplierPolicy,
    setting: Setting,
    spec: PacingSpec,
    seed: int,
    *,
    population: int,
    contacts_per_customer: float | None = None,
) -> PacingTable:
    """Fit the pacing table of a policy: its spend at each multiplier.

    Args:
        policy: The policy, which decides at any multiplier.
        setting: Training customers, rules and days.
        spec: Axes of the table.
        seed: Seed for the noise in the belief.
        population: Number of customers that the policy will be played with.
        contacts_per_customer: Daily capacity over the number of customers; None for no limit.
    """
    at = representatives(setting.cohort, spec.customers)
    some = replace(
        setting,
        cohort=setting.cohort.rows(at),
        believed=None if setting.believed is None else setting.believed.rows(at),
    )
    return build_pacing_table(
        policy,
        some,
        multipliers=spec.multipliers,
        switch_days=spec.switch_days,
        rng=np.random.default_rng(seed),
        capacity_per_customer=contacts_per_customer,
        population=population,
    )
