"""Policies fitted from the models: today the propensity baseline's threshold."""

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_assets.experiments.spec import BaselineSpec
from churnsaver_serving.runtime.policy import GreedyValuePolicy, PolicyFile, PropensityPolicy
from churnsaver_serving.runtime.release import BASELINE_FILE, POLICY_FILE


def fit_policies(p_churn: npt.NDArray[np.float64], spec: BaselineSpec) -> dict[str, bytes]:
    """The policy to serve and the baseline, as the files of a release.

    Args:
        p_churn: calibrated out-of-fold churn probabilities of training customers, shape (n,).
        spec: which customers the baseline contacts, and with what.

    Raises:
        ValueError: no probabilities, or one outside (0, 1).
    """
    if p_churn.size == 0 or not ((p_churn > 0) & (p_churn < 1)).all():
        raise ValueError("p_churn: expected probabilities in (0, 1), at least one")
    threshold = float(np.quantile(p_churn, spec.risk_quantile))
    policies: dict[str, PolicyFile] = {
        POLICY_FILE: GreedyValuePolicy(),
        BASELINE_FILE: PropensityPolicy(threshold=threshold, offer_pct=spec.offer_pct),
    }
    return {path: msgspec.json.encode(policy) for path, policy in policies.items()}
