"""The baselines' asset: what it is made of, told by changing each input in turn."""

from typing import Any

import msgspec
import numpy as np
import pytest
import yaml

from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.baselines.fallback import read_fallback
from churnsaver_assets.decision.baselines.files import FOREST_FILE, read_table
from churnsaver_assets.decision.simulator.cohort import synthetic_cohort
from churnsaver_assets.decision.simulator.cohort_files import Names, pack
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.policy import baseline_policies
from churnsaver_assets.defs.settings.assets import slice_of, stage_files
from churnsaver_assets.defs.settings.decision import BaselinesSettings
from churnsaver_assets.experiments.spec import experiment_source, parse_experiment
from churnsaver_serving.runtime.policies.pacing import PACING_FILE, PacingRule, Start
from churnsaver_serving.runtime.policies.served_policy import BASELINE_FILE

_SMALL: dict[str, Any] = {
    "baselines__log_replicates": 4,
    "baselines__uplift__forest__trees": 2,
    "baselines__uplift__two_model__rounds": 10,
    "baselines__tuning": {
        "customers": 120,
        "replicates": 1,
        "months": 1,
        "multipliers": [0.0, 0.5],
        "risk_quantiles": [0.3, 0.8],
        "contact_rates": [0.01, 0.1],
        "refinements": 0,
    },
}


def _settings(**changes: Any) -> Files:
    content = yaml.safe_load(experiment_source())
    for path, value in (_SMALL | changes).items():
        *parents, last = path.split("__")
        at = content
        for parent in parents:
            at = at[parent]
        at[last] = value
    experiment = parse_experiment(yaml.safe_dump(content).encode())
    return stage_files(slice_of(experiment, BaselinesSettings))


def _environment() -> Files:
    cohort = synthetic_cohort(400, 4, 42)
    numbers = {
        name: getattr(cohort, name)
        for name in ("risk", "tenure_months", "monthly_charge_usd", "accept_logit")
    }
    half = len(cohort) // 2
    names = Names(tuple(cohort.customer_id.tolist()), ("train",) * half + ("holdout",) * half)
    return pack(numbers, names)


def _pacing(multiplier: float) -> Files:
    starts = (multiplier, multiplier / 2)
    rule = PacingRule((1.0, 4.0), Start(starts, starts), 0.01, 0.5, 1.5, 2.0, 0.5, 0.1, 0.02)
    return {PACING_FILE: msgspec.json.encode(rule)}


def _made(environment: Files, pacing: Files, settings: Files) -> Files:
    found = baseline_policies(environment, pacing, settings).value
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def made() -> Files:
    return _made(_environment(), _pacing(0.4), _settings())


def test_baselines_are_tuned_at_the_rules_own_budget_and_capacity(made: Files) -> None:
    rules = parse_experiment(experiment_source()).rules
    (tuning,) = read_table(made).tunings
    assert tuning.conditions == Conditions.of("daily", rules)
    assert tuning.conditions.budget_usd * rules.customers == pytest.approx(rules.budget_usd)
    gains = {one.name: one.gain_usd for one in tuning.baselines}
    assert gains["nothing"] == 0.0
    assert gains["constant_offer"] > 0.0


def test_same_inputs_same_bytes(made: Files) -> None:
    assert _made(_environment(), _pacing(0.4), _settings()) == made


def test_each_input_counts(made: Files) -> None:
    """Another pacing, budget or inflow tunes anew, on what was learnt before."""
    learnt, tuned = made[FOREST_FILE], read_table(made).tunings
    for pacing, changes in (
        (5.0, {}),
        (0.4, {"rules__budget_usd": 5_000}),
        (0.4, {"evaluation__new_share": 0.9}),
    ):
        other = _made(_environment(), _pacing(pacing), _settings(**changes))
        assert read_table(other).tunings != tuned
        assert other[FOREST_FILE] == learnt


def test_the_fallback_contacts_the_share_it_is_told(made: Files) -> None:
    p_churn = synthetic_cohort(400, 4, 42).p_churn[:200]
    assert BASELINE_FILE in made
    assert read_fallback(made).threshold == pytest.approx(np.quantile(p_churn, 0.8))
