"""Serving asks the acceptance model only for what Bank Marketing has rows of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.tabular.model import fit_model
from churnsaver_serving.runtime.customer import Channel, ContactHistory, Customer, Profile
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.scores import ScoringModel

if TYPE_CHECKING:
    import pandas as pd

    from churnsaver_assets.experiments.spec import Experiment, TemporalSpec
    from churnsaver_serving.runtime.arrays import Floats
    from tests.support.data.small_tables import Small

TODAY = date(2026, 11, 2)
# They grow without bound in serving; trees score a count above the table's largest as that one.
COUNTS = ("contacts_this_campaign", "previous_contacts")


class Recorded(ScoringModel):
    """Keeps the matrix of its latest scores."""

    def score(self, table: Mapping[str, Sequence[Any]]) -> Floats:
        self.matrix = self.encoder.encode(table)
        return self.probability(self.matrix)


@pytest.fixture(scope="module")
def model(small_bank: Small, acceptance_spec: TemporalSpec) -> Recorded:
    fitted = fit_model(small_bank.frame, small_bank.splits, acceptance_spec, 42, "offer_acceptance")
    return Recorded(fitted.model.booster, fitted.model.encoder, fitted.model.calibrator)


@pytest.fixture(scope="module")
def profiles(telco: pd.DataFrame) -> list[Profile]:
    rows = telco[list(Profile.__struct_fields__)].sample(20, random_state=42)
    bodies = rows.to_json(orient="records", double_precision=15)
    return msgspec.json.decode(bodies, type=list[Profile])


def history(days_ago: Sequence[int], accepted: bool, window_days: int) -> ContactHistory:
    """Return the ledger's facts after contacts so many days ago (below 0: still to come)."""
    days = sorted(TODAY - timedelta(days=days) for days in days_ago)
    before = [day for day in days if day <= TODAY - timedelta(days=window_days)]
    return ContactHistory(
        last_contact_on=days[-1] if days else None,
        contacts_in_window=len(days) - len(before),
        previous_contact_on=before[-1] if before else None,
        previous_contacts=len(before),
        previous_outcome=("success" if accepted else "failure") if before else "nonexistent",
    )


@given(
    days_ago=st.lists(st.integers(-7, 2000), max_size=60),
    accepted=st.booleans(),
    person=st.integers(0, 19),
    channel=st.sampled_from(["cellular", "telephone"]),
)
def test_no_history_leaves_the_range_of_training(
    model: Recorded,
    small_bank: Small,
    profiles: list[Profile],
    experiment: Experiment,
    *,
    days_ago: list[int],
    accepted: bool,
    person: int,
    channel: Channel,
) -> None:
    window = experiment.rules.fatigue_window_days
    customer = Customer("c", profiles[person], channel, history(days_ago, accepted, window))
    AcceptanceModel(model).base([customer])
    least, most = small_bank.matrix.min(axis=0), small_bank.matrix.max(axis=0)
    counts = np.isin(model.encoder.columns, COUNTS)
    assert (model.matrix >= least).all()
    assert (model.matrix[:, ~counts] <= most[~counts]).all()
    clipped = np.minimum(model.matrix, most)
    np.testing.assert_array_equal(model.margin(model.matrix), model.margin(clipped))


@pytest.mark.parametrize("outcome", ["failure", "success"])
def test_a_previous_campaign_counts_alike_however_long_ago(
    model: Recorded, profiles: list[Profile], experiment: Experiment, outcome: str
) -> None:
    window = experiment.rules.fatigue_window_days
    base = (
        AcceptanceModel(model)
        .base(
            [
                Customer("c", profile, "cellular", history([days], outcome == "success", window))
                for profile in profiles
                for days in (31, 45, 400)
            ]
        )
        .reshape(len(profiles), 3)
    )
    np.testing.assert_array_equal(base, base[:, :1].repeat(3, axis=1))


def test_a_served_failure_is_scored_as_the_tables_failures_are(
    model: Recorded, small_bank: Small
) -> None:
    """Failures that the table dates and those it does not are one kind of row to the model."""
    frame = small_bank.frame
    rows = frame[frame["previous_outcome"] == "failure"]
    dated = rows.assign(days_since_previous_campaign=3.0)
    undated = rows.assign(days_since_previous_campaign=np.nan)
    scores = [
        model.score({name: table[name].tolist() for name in table}) for table in (dated, undated)
    ]
    np.testing.assert_array_equal(*scores)
    assert scores[0].mean() == pytest.approx(rows["accepted"].mean(), abs=0.03)
