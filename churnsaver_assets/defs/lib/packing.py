"""Packs artefacts into the files of a release and chooses its golden customers. No Dagster here."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import msgspec
import pandas as pd

from churnsaver_assets.common.libraries import library_versions
from churnsaver_assets.data.profiles import profile_of
from churnsaver_assets.experiments.spec import Experiment
from churnsaver_serving.runtime.customer import ContactHistory, Customer
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
)
from churnsaver_serving.runtime.limits.holidays import HOLIDAYS_FILE
from churnsaver_serving.runtime.manifest import (
    SCHEMA_VERSION,
    CheckRecord,
    DataLabel,
    Dataset,
    Manifest,
    MessageSource,
    Upstream,
    file_entries,
)
from churnsaver_serving.runtime.manifest import Experiment as ExperimentEntry
from churnsaver_serving.runtime.policies.actor import SPEC_FILE
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.served_policy import (
    BASELINE_FILE,
    OTHERS_FOLDER,
    PACING_FILE,
    POLICY_FOLDER,
    ServedPolicy,
    read_policies,
)
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.scores import ScoringModel

# Any fixed working day and pace: golden answers must not depend on when a release is made.
_GOLDEN_DAY = date(2024, 5, 15)
_GOLDEN_PACE = Pace(multiplier=0.5, belief=(0.1, -0.1, 0.2), capacity_price_usd=1.0)
_GOLDEN_CUSTOMERS = 32


def release_files(
    *,
    risk: Mapping[str, bytes],
    acceptance: Mapping[str, bytes],
    policy: Mapping[str, bytes],
    messages: Mapping[str, bytes],
    holidays: bytes,
    experiment: Experiment,
    customers: pd.DataFrame,
) -> dict[str, bytes]:
    """Return every file of a release but its manifest.

    Args:
        risk: The churn risk model's files.
        acceptance: The offer acceptance model's files.
        policy: The policies' files, by their paths in the release.
        messages: Messages to customers, by path in the release.
        holidays: `Holidays` as JSON.
        experiment: The experiment, which gives actions, assumptions and rules.
        customers: The canonical Telco table; golden customers are taken from it.
    """
    files = {f"{CHURN_RISK}/{name}": data for name, data in risk.items()}
    files |= {f"{OFFER_ACCEPTANCE}/{name}": data for name, data in acceptance.items()}
    files |= policy
    files |= messages
    files[ACTIONS_FILE] = msgspec.json.encode(experiment.actions)
    files[ASSUMPTIONS_FILE] = msgspec.json.encode(experiment.assumptions)
    files[RULES_FILE] = msgspec.json.encode(experiment.rules)
    files[HOLIDAYS_FILE] = holidays
    policies = read_policies(files)
    engine = DecisionEngine(
        risk=ScoringModel.from_files(risk),
        acceptance=AcceptanceModel(ScoringModel.from_files(acceptance)),
        policy=policies.by_name[policies.default],
        space=experiment.actions,
        world=experiment.assumptions.nominal(),
        rules=experiment.rules,
    )
    files[GOLDEN_FILE] = msgspec.json.encode(
        golden_answers(
            engine, customers=golden_customers(customers), today=_GOLDEN_DAY, pace=_GOLDEN_PACE
        )
    )
    return files


def policy_files(
    policies: Mapping[str, ServedPolicy], default: str, pacing: bytes, fallback: bytes
) -> dict[str, bytes]:
    """Return a release's policies by their paths in it.

    Args:
        policies: The candidates by name.
        default: Name of the one to serve; the others travel with it.
        pacing: The `PacingRule` of all of them, as JSON.
        fallback: The policy to fall back to, as JSON.

    Raises:
        KeyError: No candidate has the default's name.
    """
    files = {PACING_FILE: pacing, BASELINE_FILE: fallback}
    files |= _files_of(policies[default], POLICY_FOLDER)
    for name, policy in policies.items():
        if name != default:
            files |= _files_of(policy, f"{OTHERS_FOLDER}{name}/")
    return files


def _files_of(policy: ServedPolicy, folder: str) -> dict[str, bytes]:
    own = (
        policy.to_files()
        if isinstance(policy, LearnedPolicy)
        else {SPEC_FILE: msgspec.json.encode(policy)}
    )
    return {f"{folder}{name}": data for name, data in own.items()}


def golden_customers(customers: pd.DataFrame) -> tuple[Customer, ...]:
    """Choose customers spread over the table, with contact histories of every kind between them.

    Args:
        customers: The canonical Telco table.
    """
    step = max(len(customers) // _GOLDEN_CUSTOMERS, 1)
    chosen = customers.sort_values("customer_id").iloc[::step].head(_GOLDEN_CUSTOMERS)
    histories = (
        ContactHistory(),
        ContactHistory(last_contact_on=_GOLDEN_DAY - timedelta(days=3), contacts_in_window=1),
        ContactHistory(
            last_contact_on=_GOLDEN_DAY - timedelta(days=60),
            previous_contact_on=_GOLDEN_DAY - timedelta(days=60),
            previous_contacts=2,
            previous_outcome="failure",
        ),
        ContactHistory(
            last_contact_on=_GOLDEN_DAY - timedelta(days=8),
            contacts_in_window=2,
            previous_contact_on=_GOLDEN_DAY - timedelta(days=45),
            previous_contacts=1,
            previous_outcome="success",
            last_accepted_on=_GOLDEN_DAY - timedelta(days=44),
        ),
    )
    return tuple(
        Customer(
            customer_id=str(row["customer_id"]),
            profile=profile_of(row),
            channel="cellular" if position % 2 else "telephone",
            history=histories[position % len(histories)],
        )
        for position, row in enumerate(chosen.to_dict("records"))
    )


def build_manifest(
    files: dict[str, bytes],
    *,
    label: DataLabel,
    experiment: ExperimentEntry,
    datasets: tuple[Dataset, ...],
    upstream: dict[str, Upstream],
    checks: tuple[CheckRecord, ...],
    metrics: dict[str, dict[str, float]],
    messages: MessageSource,
) -> Manifest:
    """Return the manifest of these files, stamped with the time and the libraries' versions."""
    return Manifest(
        schema_version=SCHEMA_VERSION,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        data=label,
        experiment=experiment,
        datasets=datasets,
        upstream=upstream,
        checks=checks,
        metrics=metrics,
        libraries=library_versions(),
        files=file_entries(files),
        messages=messages,
    )
