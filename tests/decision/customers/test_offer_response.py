"""What the acceptance model says of each customer is what the simulator has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd

from churnsaver_assets.decision.customers.offer_response import response_files
from churnsaver_assets.decision.customers.population import simulated_customers
from churnsaver_assets.decision.simulator.cohort_files import unpack
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.calibration import Platt, logit
from churnsaver_serving.runtime.scoring.scores import ScoringModel

if TYPE_CHECKING:
    import numpy.typing as npt

CONTACTS = 2


def accept_logit(
    telco: pd.DataFrame, bank: pd.DataFrame, model: AcceptanceModel
) -> npt.NDArray[np.float32]:
    splits = pd.DataFrame({"customer_id": telco["customer_id"], "split": "train"})
    files = response_files(telco, splits, bank, model, contacts=CONTACTS, seed=42)
    table: npt.NDArray[np.float32] = unpack(files)[0]["accept_logit"]
    return table


def test_each_customer_has_the_models_own_score_after_each_number_of_contacts(
    telco: pd.DataFrame, small_bank: pd.DataFrame, acceptance: AcceptanceModel
) -> None:
    rows = telco.iloc[::70].reset_index(drop=True)
    table = accept_logit(rows, small_bank, acceptance)
    for contacts in range(CONTACTS + 1):
        customers = [
            msgspec.structs.replace(
                one, history=msgspec.structs.replace(one.history, contacts_in_window=contacts)
            )
            for one in simulated_customers(rows, small_bank, seed=42)
        ]
        np.testing.assert_allclose(table[:, contacts], logit(acceptance.base(customers)), rtol=1e-5)
    assert (np.diff(table, axis=1) <= 0.0).all()
    assert (np.diff(table, axis=1) < 0.0).any()


def test_another_acceptance_model_gives_other_acceptance(
    telco: pd.DataFrame, small_bank: pd.DataFrame, acceptance: AcceptanceModel
) -> None:
    """One whose odds are e times as high moves every customer's log-odds by one."""
    rows, model = telco.iloc[::70].reset_index(drop=True), acceptance.model
    assert isinstance(model.calibrator, Platt)
    higher = msgspec.structs.replace(model.calibrator, intercept=model.calibrator.intercept + 1.0)
    other = AcceptanceModel(ScoringModel(model.booster, model.encoder, higher))
    before, after = (accept_logit(rows, small_bank, one) for one in (acceptance, other))
    np.testing.assert_allclose(after, before + 1.0, rtol=1e-4)
