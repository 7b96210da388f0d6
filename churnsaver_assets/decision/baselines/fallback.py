"""The policy that a release falls back to: contact the riskiest, with one fixed offer."""

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_assets.experiments.spec import BaselineSpec
from churnsaver_serving.runtime.policies.policy import PropensityPolicy
from churnsaver_serving.runtime.policies.served_policy import BASELINE_FILE


def fit_fallback(p_churn: npt.NDArray[np.float64], spec: BaselineSpec) -> dict[str, bytes]:
    """Fit the fallback policy and return its file, by its path in the release.

    Args:
        p_churn: Calibrated out-of-fold churn probabilities of training customers, shape (n,).
        spec: The quantile of risk above which customers are contacted, and the offer.

    Raises:
        ValueError: No probabilities, or one outside (0, 1).
    """
    if p_churn.size == 0 or not ((p_churn > 0) & (p_churn < 1)).all():
        raise ValueError("p_churn: expected probabilities in (0, 1), at least one")
    threshold = float(np.quantile(p_churn, spec.risk_quantile))
    policy = PropensityPolicy(threshold=threshold, offer_pct=spec.offer_pct)
    return {BASELINE_FILE: msgspec.json.encode(policy)}


def read_fallback(files: Mapping[str, bytes]) -> PropensityPolicy:
    """Read the policy that `fit_fallback` wrote."""
    return msgspec.json.decode(files[BASELINE_FILE], type=PropensityPolicy)
