"""Pacing tables as an experiment asks for them: for any policy, on training customers."""

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
    """What a policy spends at each multiplier.

    Args:
        policy: at any multiplier.
        setting: training customers, rules and days.
        spec: the table's axes.
        seed: of the noise in the belief.
        population: how many customers the policy will be played with.
        contacts_per_customer: the daily capacity over the number of customers; None for no limit.
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
