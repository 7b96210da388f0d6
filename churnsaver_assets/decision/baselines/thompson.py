"""Thompson sampling over offers."""

from dataclasses import replace
from datetime import date

import msgspec
import numpy as np

from churnsaver_assets.decision.baselines.log import FEATURES, RandomisedLog
from churnsaver_assets.decision.baselines.rules import at_price
from churnsaver_assets.decision.baselines.streams import own_stream
from churnsaver_assets.experiments.baselines_spec import ThompsonSpec
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.value import one_step_value


class AcceptancePosterior(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Beta posteriors on the acceptance of each offer within each band of churn risk.

    Attributes:
        edges: Risks between the bands, ascending, B - 1 of them.
        accepted: First parameters of the Beta distributions, B x O.
        refused: Second parameters of the Beta distributions, B x O.
    """

    edges: tuple[float, ...]
    accepted: tuple[tuple[float, ...], ...]
    refused: tuple[tuple[float, ...], ...]


def warm_up(log: RandomisedLog, spec: ThompsonSpec) -> AcceptancePosterior:
    """Compute posteriors after a log, for risk bands of equally many of its customers."""
    risk = log.matrix[:, FEATURES.index("p_churn")]
    edges = np.quantile(risk, np.arange(1, spec.risk_bands) / spec.risk_bands)
    offers = int(log.arm.max())
    contacted = log.arm > 0
    counts = np.zeros((2, spec.risk_bands, offers))
    band = np.searchsorted(edges, risk[contacted], side="right")
    outcome = log.accepted[contacted].astype(np.int64)
    np.add.at(counts, (outcome, band, log.arm[contacted] - 1), 1.0)
    return AcceptancePosterior(
        edges=tuple(edges.tolist()),
        accepted=tuple(map(tuple, (counts[1] + spec.prior_accepted).tolist())),
        refused=tuple(map(tuple, (counts[0] + spec.prior_refused).tolist())),
    )


class ThompsonPolicy:
    """Draws each offer's acceptance from its posterior each day, and makes the best offer.

    Thompson 1933; the value of an accepted offer is known (`contact_terms`), only acceptance is
    learnt, from the answers as they come.

    Args:
        posterior: Posterior to begin with.
        price: Value that a dollar must bring beyond itself; None for the multiplier told.
        seed: Seed for the policy's own draws, one stream for each day and learner.
        learner: Number of the learner, where several learn side by side.
    """

    name = "thompson"

    def __init__(
        self, posterior: AcceptancePosterior, price: float | None, *, seed: int, learner: int = 0
    ) -> None:
        self._edges = np.asarray(posterior.edges)
        # Refused and accepted, as bool indexes: shape (2, B, O).
        self.counts: Floats = np.array([posterior.refused, posterior.accepted])
        self._price = price
        self._seed, self._learner = seed, learner
        self._rates: Floats = self.counts[1] / self.counts.sum(axis=0)

    def begin_day(self, day: date) -> None:
        """Draw the day's acceptances, one for each band and offer."""
        rng = own_stream(self._seed, "thompson", self._learner, day.toordinal())
        self._rates = rng.beta(self.counts[1], self.counts[0])

    def preferences(self, observation: Observation) -> Floats:
        """Return the value of no contact, 0, and of each offer at the drawn acceptances, USD."""
        band = np.searchsorted(self._edges, observation.p_churn, side="right")
        drawn = replace(observation, p_accept=self._rates[band])
        return one_step_value(at_price(drawn, self._price))

    def learn(self, p_churn: float, offer: int, *, accepted: bool) -> None:
        """Count an answer.

        Args:
            p_churn: Churn risk of who answered.
            offer: Position of the offer.
            accepted: Whether it was accepted.
        """
        band = int(np.searchsorted(self._edges, p_churn, side="right"))
        self.counts[int(accepted), band, offer] += 1.0
