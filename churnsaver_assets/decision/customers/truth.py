"""Truth: what customers really do, as another family of models says than the one policies see.

A policy judged in a world made of its own scores is never wrong about a customer. The truth is
logistic regression where the policies' models are boosted trees, fitted on the same tables.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from churnsaver_assets.data.tables.splits import join_splits
from churnsaver_assets.decision.customers.ageing import aged
from churnsaver_assets.decision.customers.offer_response import accept_logits
from churnsaver_assets.decision.customers.population import simulated_customers
from churnsaver_assets.decision.simulator.cohort import AGED_MONTHS, Cohort
from churnsaver_assets.decision.simulator.cohort_files import cohort_files, unpack
from churnsaver_assets.tabular.families import logistic_family
from churnsaver_assets.tabular.features import encode_frame
from churnsaver_assets.tabular.tasks import TASKS, ModelKind
from churnsaver_serving.runtime.arrays import Bools, Floats, Floats32
from churnsaver_serving.runtime.customer import Customer
from churnsaver_serving.runtime.scoring.acceptance import shared_features
from churnsaver_serving.runtime.scoring.calibration import sigmoid
from churnsaver_serving.runtime.scoring.features import FeatureEncoder, NumericField


class TrueAcceptance:
    """The true probability to accept a plain contact: a logistic regression on Bank Marketing.

    Fatigue is what the regression finds for each contact of a campaign.

    Args:
        bank: Canonical Bank table.
    """

    def __init__(self, bank: pd.DataFrame) -> None:
        task = TASKS["offer_acceptance"]
        labels = bank[task.label].to_numpy(dtype=np.bool_)
        self._score = _fitted(FeatureEncoder(task.encoder(bank)), bank, labels)

    def base(self, customers: Sequence[Customer]) -> Floats:
        """Return the true p(accept) of a plain contact, shape (n,)."""
        return self._score(pd.DataFrame(shared_features(customers)))


def cross_fitted(
    kind: ModelKind,
    frame: pd.DataFrame,
    splits: pd.DataFrame,
    views: Sequence[pd.DataFrame],
) -> Floats:
    """Score each row by a logistic regression on the other folds, which never saw it.

    Args:
        kind: The task.
        frame: The task's table, n rows.
        splits: The table's `fold` by key.
        views: The table again with other values, such as those of later months: V tables of the
            same rows in the same order, scored by each row's own regression.

    Returns:
        Probabilities, shape (n, V).

    Raises:
        DataError: Frame and splits hold different keys.
    """
    task = TASKS[kind]
    encoder = FeatureEncoder(task.encoder(frame))
    labels = frame[task.label].to_numpy(dtype=np.bool_)
    folds = join_splits(frame, splits[[task.key, "fold"]])["fold"].to_numpy(dtype=np.int64)
    result = np.full((len(frame), len(views)), np.nan)
    for fold in np.unique(folds):
        test = folds == fold
        score = _fitted(encoder, frame[~test], labels[~test])
        for column, view in enumerate(views):
            result[test, column] = score(view[test])
    return result


def truth_files(
    environment: Mapping[str, bytes],
    customers: pd.DataFrame,
    splits: pd.DataFrame,
    bank: pd.DataFrame,
    *,
    seed: int,
) -> dict[str, bytes]:
    """Score the environment's customers anew: the same people in the same order, as they truly are.

    Args:
        environment: Files as from `environment_files`.
        customers: Canonical Telco table that they were made of.
        splits: The table's `fold` by `customer_id`.
        bank: Canonical Bank table that they were made of.
        seed: Seed with which their channels and earlier contacts were drawn.

    Raises:
        CohortFileError: `environment` can't be read.
        ValueError: The environment has other customers.
    """
    numbers, names = unpack(environment)
    simulated = simulated_customers(customers, bank, seed)
    if tuple(one.customer_id for one in simulated) != names.customer_id:
        raise ValueError(
            f"the environment's {len(names.customer_id):,} customers are not the table's "
            f"{len(simulated):,}, or stand in another order; make it anew from this table"
        )
    contacts = numbers["accept_logit"].shape[1] - 1
    later = [aged(customers, months) for months in range(AGED_MONTHS + 1)]
    truth = Cohort(
        customer_id=np.array(names.customer_id, dtype=np.str_),
        risk=cross_fitted("churn_risk", customers, splits, later),
        tenure_months=numbers["tenure_months"].astype(np.int64),
        monthly_charge_usd=numbers["monthly_charge_usd"].astype(np.float64),
        accept_logit=accept_logits(TrueAcceptance(bank), simulated, contacts),
    )
    return cohort_files(truth, names.split)


def _fitted(
    encoder: FeatureEncoder, frame: pd.DataFrame, labels: Bools
) -> Callable[[pd.DataFrame], Floats]:
    """Fit a logistic regression; return the function that scores further rows."""
    log_odds = logistic_family()(_design(encoder, frame), labels)
    return lambda rows: sigmoid(log_odds(_design(encoder, rows)))


def _design(encoder: FeatureEncoder, frame: pd.DataFrame) -> Floats32:
    """Encode a table, and put the logarithm of each number beside it.

    By months alone a regression has new customers leave far too seldom: 48 % of those in their
    first month for 62 % observed.
    """
    matrix = encode_frame(encoder, frame)
    numbers = [
        encoder.columns.index(field.name)
        for field in encoder.spec.fields
        if isinstance(field, NumericField)
    ]
    return np.column_stack([matrix, np.log1p(matrix[:, numbers])])
