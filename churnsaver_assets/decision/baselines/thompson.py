"""Thompson sampling over offers."""

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from churnsaver_assets.decision.baselines.choice import ValueRule, contact_by_value, reviewed
from churnsaver_assets.decision.baselines.log import FEATURES, RandomisedLog
from churnsaver_assets.decision.baselines.rules import believed_terms
from churnsaver_assets.decision.baselines.streams import own_stream
from churnsaver_assets.decision.play.agents import ContactRequests, DecisionContext
from churnsaver_assets.experiments.baselines_spec import ThompsonSpec

if TYPE_CHECKING:
    from churnsaver_serving.runtime.arrays import Ints


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


class ThompsonAgent:
    """An agent that draws each offer's acceptance from its posterior and makes the best offer.

    Thompson 1933; the value of an accepted offer is known (`contact_terms`), only acceptance is
    learnt. Each group is a learner by itself and learns from its own outcomes, a day late.

    Args:
        posterior: Posterior that every period begins with.
        rule: The rule that says when a contact is worth its price.
        seed: Seed for the agent's own draws.
    """

    name = "thompson"

    def __init__(self, posterior: AcceptancePosterior, rule: ValueRule, seed: int) -> None:
        self._edges = np.asarray(posterior.edges)
        # Refused and accepted, as bool indexes: shape (2, B, O).
        self._start = np.array([posterior.refused, posterior.accepted])
        self._rule = rule
        self._seed = seed
        self._rng = own_stream(seed, "thompson")
        self._counts = self._start[None]
        self._band: Ints = np.zeros(0, dtype=np.int64)

    def begin(self, context: DecisionContext) -> None:
        """Return to the posterior after the warm-up, in every group."""
        self._rng = own_stream(self._seed, "thompson")
        self._counts = np.repeat(self._start[None], context.groups, axis=0)
        believed = context.setting.believed or context.setting.cohort
        risk = believed.p_churn[context.customer]
        self._band = np.searchsorted(self._edges, risk, side="right")

    def act(self, context: DecisionContext) -> ContactRequests:
        """Learn from yesterday, draw, and contact where the drawn value is worth the price."""
        self._learn(context)
        rows = reviewed(context)
        beta = self._counts[context.group[rows], :, self._band[rows]]
        p_accept = self._rng.beta(beta[:, 1], beta[:, 0])
        terms = believed_terms(context, rows, p_accept)
        return contact_by_value(context, rows, terms.net, terms.cost, self._rule)

    def _learn(self, context: DecisionContext) -> None:
        if context.last is None or context.last_action is None:
            return
        rows = np.flatnonzero(context.last.contacted)
        space = context.setting.space
        offer = context.last_action[rows] - space.index(space.offers_pct[0], 0)
        outcome = context.last.accepted[rows].astype(np.int64)
        np.add.at(self._counts, (context.group[rows], outcome, self._band[rows], offer), 1.0)
