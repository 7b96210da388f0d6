"""The steps from the models to the simulator's customers, as files."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from churnsaver_assets.decision.customers.ageing import aged_risk
from churnsaver_assets.decision.customers.population import simulated_customers
from churnsaver_assets.decision.simulator.cohort import Cohort
from churnsaver_assets.decision.simulator.cohort_files import Names, cohort_files, pack, unpack
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.calibration import logit
from churnsaver_serving.runtime.scoring.scores import ScoringModel


class PlainAcceptance(Protocol):
    """A model of the acceptance of contacts without a discount."""

    def base(self, customers: Sequence[Customer]) -> Floats:
        """Return p(accept) of a plain contact, shape (n,)."""


def response_files(
    customers: pd.DataFrame,
    splits: pd.DataFrame,
    bank: pd.DataFrame,
    acceptance: AcceptanceModel,
    *,
    contacts: int,
    seed: int,
) -> dict[str, bytes]:
    """Score every customer after each number of contacts by the acceptance model.

    Args:
        customers: Canonical Telco table, n rows.
        splits: `customer_id` and `split` of each.
        bank: Canonical Bank table, which channels and earlier contacts are drawn from.
        acceptance: The offer acceptance model.
        contacts: Most contacts before one (the fatigue cap).
        seed: Seed for the draw.

    Raises:
        KeyError: A customer is in no split.
        ValueError: A customer has no Bank row to be like.
    """
    simulated = simulated_customers(customers, bank, seed)
    ids = [one.customer_id for one in simulated]
    split = splits.set_index("customer_id")["split"].loc[ids]
    return pack(
        {
            "accept_logit": accept_logits(acceptance, simulated, contacts),
            "monthly_charge_usd": np.array([one.profile.monthly_charges_usd for one in simulated]),
        },
        Names(customer_id=tuple(ids), split=tuple(split)),
    )


def environment_files(
    response: Mapping[str, bytes],
    customers: pd.DataFrame,
    p_churn: pd.Series,
    model: ScoringModel,
) -> dict[str, bytes]:
    """Make the simulator's customers: acceptance as in `response`, with their risk of leaving.

    Args:
        response: Files as from `response_files`.
        customers: Canonical Telco table that `response` was made of.
        p_churn: Calibrated out-of-sample probability to leave within a month, by customer_id.
        model: The served risk model, which says how the risk changes with age.

    Raises:
        ValueError: A customer has no probability or several.
        CohortFileError: `response` can't be read.
    """
    numbers, names = unpack(response)
    ids = list(names.customer_id)
    counts = p_churn.index.value_counts().reindex(ids, fill_value=0)
    if (wrong := counts[counts != 1]).size:
        raise ValueError(
            f"p_churn: expected one probability for each customer; {len(wrong)} have another "
            f"number, such as {wrong.index[0]} with {wrong.iloc[0]}"
        )
    profiles = customers.set_index("customer_id").loc[ids]
    cohort = Cohort(
        customer_id=np.array(ids, dtype=np.str_),
        risk=aged_risk(model, profiles, p_churn.loc[ids].to_numpy(dtype=np.float64)),
        tenure_months=profiles["tenure_months"].to_numpy(dtype=np.int64),
        monthly_charge_usd=numbers["monthly_charge_usd"].astype(np.float64),
        accept_logit=numbers["accept_logit"].astype(np.float32),
    )
    return cohort_files(cohort, names.split)


def accept_logits(
    model: PlainAcceptance, customers: Sequence[Customer], contacts: int
) -> npt.NDArray[np.float32]:
    """Score every customer's acceptance after 0..`contacts` contacts.

    Customers who are alike to the acceptance model are scored once.

    Args:
        model: The acceptance model, or what is to be true in its place.
        customers: N customers; their histories' `contacts_in_window` is replaced.
        contacts: Most contacts before the one scored.

    Returns:
        Shape (n, contacts + 1).
    """
    kinds = [_kind(customer) for customer in customers]
    place = {kind: position for position, kind in enumerate(dict.fromkeys(kinds))}
    alike = dict(zip(kinds, customers, strict=True))
    probes = [
        msgspec.structs.replace(
            alike[kind],
            history=msgspec.structs.replace(alike[kind].history, contacts_in_window=count),
        )
        for kind in place
        for count in range(contacts + 1)
    ]
    table = logit(model.base(probes)).reshape(len(place), contacts + 1).astype(np.float32)
    return table[[place[kind] for kind in kinds]]


def _kind(customer: Customer) -> tuple[object, ...]:
    """Return what the acceptance model sees of a customer, apart from the contacts."""
    profile, history = customer.profile, customer.history
    return (
        customer.channel,
        profile.senior_citizen,
        profile.partner,
        history.previous_contacts,
        history.previous_outcome,
    )
