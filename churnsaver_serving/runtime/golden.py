"""Golden customers: what a release scored when it was made, scored again wherever it loads."""

from datetime import date

import msgspec
import numpy as np

from churnsaver_serving.runtime.acceptance import AcceptanceModel
from churnsaver_serving.runtime.actions import ActionSpace
from churnsaver_serving.runtime.assumptions import Assumptions
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.scores import ScoringModel


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Customers with their scores.

    Attributes:
        today: day of the scoring.
        customers: n customers.
        p_churn: length n.
        p_accept: n x D x O.
    """

    today: date
    customers: tuple[Customer, ...]
    p_churn: tuple[float, ...]
    p_accept: tuple[tuple[tuple[float, ...], ...], ...]

    def differences(self, other: "Golden") -> dict[str, float]:
        """Largest absolute difference of each score, for the same customers on the same day."""
        return {
            name: float(
                np.abs(np.asarray(getattr(self, name)) - np.asarray(getattr(other, name))).max()
            )
            for name in ("p_churn", "p_accept")
        }


def golden_scores(
    risk: ScoringModel,
    acceptance: AcceptanceModel,
    *,
    customers: tuple[Customer, ...],
    today: date,
    space: ActionSpace,
    assumptions: Assumptions,
) -> Golden:
    """Score golden customers."""
    table = {
        field.name: [getattr(customer.profile, field.name) for customer in customers]
        for field in risk.encoder.spec.fields
    }
    accept = acceptance.predict(customers, today, space, assumptions.nominal())
    return Golden(
        today=today,
        customers=customers,
        p_churn=tuple(risk.score(table).tolist()),
        p_accept=tuple(tuple(tuple(offers) for offers in row) for row in accept.tolist()),
    )
