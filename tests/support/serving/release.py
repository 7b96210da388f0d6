"""A small but real release: boosters and calibrators fitted on generated rows, written to disk."""

from collections.abc import Mapping
from datetime import date, timedelta
from importlib.metadata import version
from typing import Any, get_args, get_type_hints

import msgspec
import numpy as np
from upath import UPath

from churnsaver_serving.runtime.customer import (
    Channel,
    ContactHistory,
    Customer,
    Outcome,
    Profile,
)
from churnsaver_serving.runtime.engine.decide import DecisionEngine
from churnsaver_serving.runtime.engine.decision import Pace
from churnsaver_serving.runtime.engine.golden import golden_answers
from churnsaver_serving.runtime.engine.release import (
    ACTIONS_FILE,
    ASSUMPTIONS_FILE,
    CHURN_RISK,
    GOLDEN_FILE,
    OFFER_ACCEPTANCE,
    RULES_FILE,
    write_release,
)
from churnsaver_serving.runtime.limits.actions import ActionSpace
from churnsaver_serving.runtime.limits.holidays import HOLIDAYS_FILE
from churnsaver_serving.runtime.limits.rules import WEEKDAYS, Rules
from churnsaver_serving.runtime.manifest import (
    SCHEMA_VERSION,
    CheckRecord,
    DataLabel,
    Dataset,
    Experiment,
    Manifest,
    Upstream,
    file_entries,
)
from churnsaver_serving.runtime.policies.actor import SPEC_FILE
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.pacing import PacingRule
from churnsaver_serving.runtime.policies.policy import OneStepPolicy, PropensityPolicy
from churnsaver_serving.runtime.policies.served_policy import (
    BASELINE_FILE,
    OTHERS_FOLDER,
    PACING_FILE,
    POLICY_FOLDER,
    ServedPolicy,
)
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.calibration import Isotonic, Platt
from churnsaver_serving.runtime.scoring.features import (
    CategoryField,
    EncoderSpec,
    FeatureEncoder,
    Field,
    FlagField,
    NumericField,
)
from churnsaver_serving.runtime.scoring.scores import ScoringModel
from churnsaver_serving.runtime.world.assumptions import Assumption, Assumptions
from tests.support.serving.holidays import holidays
from tests.support.serving.messages import messages
from tests.support.serving.policy import pacing_rule
from tests.support.serving.profiles import AT_RISK, LOYAL, churned, random_profiles

SEED = 42

SPACE = ActionSpace(delays_days=tuple(range(8)))

RULES = Rules(
    cooldown_days=7,
    fatigue_cap=4,
    fatigue_window_days=30,
    contact_weekdays=("mon", "tue", "wed", "thu", "fri"),
    budget_usd=25_000.0,
    customers=1_000,
    daily_capacity=500,
    exploration=0.02,
    exploration_margin_usd=0.5,
    accepted_rest_days=90,
    answer_days=14,
    reserve_deviations=3.0,
)

# For servers on the real clock, whose tests must pass at weekends too.
EVERYDAY = msgspec.structs.replace(RULES, contact_weekdays=WEEKDAYS)


def risk_model(rows: int = 1500, rounds: int = 40, *, permute: bool = False) -> ScoringModel:
    """Churn risk with an isotonic calibrator; `permute` shuffles the labels."""
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(SEED)
    profiles = random_profiles(rows, rng)
    label = churned(profiles, rng)
    if permute:
        label = rng.permutation(label)
    hints = get_type_hints(Profile)
    fields = tuple(_field(name, hints[name]) for name in Profile.__struct_fields__)
    table = {field.name: [getattr(row, field.name) for row in profiles] for field in fields}
    encoder = FeatureEncoder(EncoderSpec(fields))
    booster, margin, held = _train(encoder.encode(table), label, rounds)
    fit = IsotonicRegression(out_of_bounds="clip").fit(margin, label[held])
    calibrator = Isotonic(
        margins=tuple(fit.X_thresholds_.tolist()),
        probabilities=tuple(fit.y_thresholds_.tolist()),
        floor=0.001,
    )
    return ScoringModel(booster, encoder, calibrator)


def acceptance_model(rows: int = 3000, rounds: int = 30, *, flip: bool = False) -> AcceptanceModel:
    """Offer acceptance with Platt scaling; `flip` learns the opposite answer."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(SEED + 1)
    before = rng.integers(0, 4, rows)
    table: dict[str, list[Any]] = {
        "channel": rng.choice(["cellular", "telephone"], rows).tolist(),
        "senior": (rng.random(rows) < 0.1).tolist(),
        "partner": (rng.random(rows) < 0.6).tolist(),
        "contacts_this_campaign": rng.integers(1, 8, rows).tolist(),
        "previous_contacts": before.tolist(),
        "previous_outcome": [
            "nonexistent" if count == 0 else str(rng.choice(["failure", "success"]))
            for count in before
        ],
    }
    margin = (
        -2.0
        + 0.9 * np.array([value == "cellular" for value in table["channel"]])
        + 0.9 * np.array(table["senior"])
        + 1.8 * np.array([value == "success" for value in table["previous_outcome"]])
        - 0.1 * np.array(table["contacts_this_campaign"])
    )
    label = (rng.random(rows) < 1 / (1 + np.exp(-margin))) != flip
    encoder = FeatureEncoder(
        EncoderSpec(
            (
                CategoryField("channel", get_args(Channel)),
                FlagField("senior"),
                FlagField("partner"),
                NumericField("contacts_this_campaign"),
                NumericField("previous_contacts"),
                CategoryField("previous_outcome", get_args(Outcome)),
            )
        )
    )
    booster, held_margin, held = _train(encoder.encode(table), label, rounds)
    fit = LogisticRegression().fit(held_margin[:, None], label[held])
    calibrator = Platt(slope=float(fit.coef_[0, 0]), intercept=float(fit.intercept_[0]))
    return AcceptanceModel(ScoringModel(booster, encoder, calibrator))


def assumptions() -> Assumptions:
    """Return the start values of the experiment file."""

    def fixed(value: float, unit: str) -> Assumption:
        return Assumption(value=value, unit=unit, low=value, high=value, reason="test")

    return Assumptions(
        offer_response=fixed(0.10, "log-odds per point"),
        save_effect=tuple(fixed(value, "multiplier") for value in (0.85, 0.60, 0.45, 0.30)),
        effect_days=fixed(90, "days"),
        refusal_days=fixed(30, "days"),
        recency_penalty=fixed(0.5, "log-odds"),
        recency_decay_days=fixed(7, "days"),
        disturbance=fixed(0.10, "relative"),
        contact_cost_usd=fixed(2.0, "USD"),
        discount_months=fixed(3, "months"),
        horizon_months=fixed(6, "months"),
        period_days=fixed(30, "days"),
        hazard_scale=fixed(1.0, "relative"),
        acceptance_offset=fixed(0.0, "log-odds"),
        contact_fatigue=fixed(0.0, "log-odds"),
        responsiveness=fixed(0.0, "log-odds"),
    )


def release_files(
    risk: ScoringModel,
    acceptance: AcceptanceModel,
    *,
    rules: Rules = RULES,
    policy: ServedPolicy | None = None,
    others: Mapping[str, ServedPolicy] | None = None,
    pacing: PacingRule | None = None,
    bank: bool = True,
) -> dict[str, bytes]:
    """Contents of a release's files, without the manifest; `others` by name beside `policy`."""
    space = SPACE
    today = date(2026, 11, 2)
    served = policy or OneStepPolicy()
    golden = golden_answers(
        DecisionEngine(
            risk=risk,
            acceptance=acceptance,
            policy=served,
            space=space,
            world=assumptions().nominal(),
            rules=rules,
        ),
        customers=(
            Customer("g1", AT_RISK, "cellular", ContactHistory()),
            Customer(
                "g2",
                LOYAL,
                "telephone",
                ContactHistory(
                    last_contact_on=today - timedelta(days=40),
                    previous_contact_on=today - timedelta(days=40),
                    previous_contacts=1,
                    previous_outcome="failure",
                ),
            ),
        ),
        today=today,
        pace=Pace(multiplier=0.5, belief=(0.1, -0.1, 0.2), capacity_price_usd=1.0),
    )
    parts: dict[str, Any] = {
        BASELINE_FILE: PropensityPolicy(threshold=0.5, offer_pct=10),
        ACTIONS_FILE: space,
        ASSUMPTIONS_FILE: assumptions(),
        RULES_FILE: rules,
        HOLIDAYS_FILE: holidays(),
        PACING_FILE: pacing or pacing_rule(),
        GOLDEN_FILE: golden,
    }
    files = {path: msgspec.json.encode(part) for path, part in parts.items()}
    files |= policy_files(served)
    for name, other in (others or {}).items():
        files |= policy_files(other, f"{OTHERS_FOLDER}{name}/")
    files |= messages(bank=bank)
    files |= {f"{CHURN_RISK}/{path}": data for path, data in risk.to_files().items()}
    files |= {
        f"{OFFER_ACCEPTANCE}/{path}": data for path, data in acceptance.model.to_files().items()
    }
    return files


def policy_files(policy: ServedPolicy, folder: str = POLICY_FOLDER) -> dict[str, bytes]:
    """Return a policy's files, by their paths in a release."""
    if isinstance(policy, LearnedPolicy):
        return {f"{folder}{name}": data for name, data in policy.to_files().items()}
    return {f"{folder}{SPEC_FILE}": msgspec.json.encode(policy)}


def save_release(root: UPath, files: dict[str, bytes], *, data: DataLabel = "real") -> UPath:
    """Write the files as a release, with a manifest that describes them."""
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        created_at="2026-11-02T00:00:00Z",
        data=data,
        experiment=Experiment(name="test", sha256="0" * 64),
        datasets=(Dataset(name="t", label=data, sha256="0" * 64, rows=1, licence="none"),),
        upstream={CHURN_RISK: Upstream(run_id="r", data_version="v")},
        checks=(CheckRecord(asset=CHURN_RISK, name="auc", run_id="r"),),
        metrics={CHURN_RISK: {"auc": 0.8}},
        libraries={"xgboost": version("xgboost")},
        files=file_entries(files),
    )
    return write_release(root, files, manifest)


def _train(matrix: np.ndarray, label: np.ndarray, rounds: int) -> tuple[Any, np.ndarray, slice]:
    """Fit a booster on the first two thirds; return it and its margins on the last third."""
    import xgboost

    cut = len(label) * 2 // 3
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "eta": 0.2, "nthread": 1, "seed": SEED},
        xgboost.DMatrix(matrix[:cut], label[:cut]),
        num_boost_round=rounds,
    )
    held = slice(cut, None)
    return booster, booster.inplace_predict(matrix[held], predict_type="margin"), held


def _field(name: str, hint: Any) -> Field:
    if hint is bool:
        return FlagField(name)
    if hint in (int, float):
        return NumericField(name)
    return CategoryField(name, get_args(hint))
