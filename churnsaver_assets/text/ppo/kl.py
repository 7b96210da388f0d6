"""How far a policy is from another in KL, and the controller that keeps it near a target."""

import math
from dataclasses import dataclass

from torch import Tensor

from churnsaver_assets.experiments.text_spec import KlSpec

# Ziegler et al. 2019, section 2.2: the proportional error is kept within these bounds.
_ERROR_CLIP = 0.2


def k1(logprobs: Tensor, reference: Tensor) -> Tensor:
    """Terms log(p / q) at samples of p: unbiased for KL(p, q), of either sign."""
    return logprobs - reference


def k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    """Terms q / p - 1 - log(q / p) at samples of p: unbiased for KL(p, q), never negative.

    John Schulman, "Approximating KL divergence", 2020.
    """
    difference = reference - logprobs
    return difference.expm1() - difference


@dataclass(frozen=True, slots=True)
class AdaptiveKl:
    """Adaptive KL penalty (Ziegler et al. 2019, section 2.2).

    Attributes:
        beta: weight of the penalty.
    """

    beta: float

    @classmethod
    def start(cls, spec: KlSpec) -> "AdaptiveKl":
        """At the start."""
        return cls(spec.beta)

    def after(self, kl: float, spec: KlSpec) -> "AdaptiveKl":
        """After an iteration: beta * exp(error / horizon), error = kl / target - 1 within +-0.2.

        Ziegler et al. have 1 + K error, which is this to first order; the exponential undoes an
        error with its opposite exactly.

        Args:
            kl: the iteration's, nats per token.
            spec: target and horizon.
        """
        error = min(max(kl / spec.target - 1.0, -_ERROR_CLIP), _ERROR_CLIP)
        return AdaptiveKl(self.beta * math.exp(error / spec.horizon))
