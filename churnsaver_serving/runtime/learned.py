"""The learned policy as it is served: the actor's choice, and the pacing that goes with it."""

from collections.abc import Mapping
from functools import cached_property
from typing import Self

import msgspec
import numpy as np

from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.actor import Actor, LearnedPolicyError, masked_softmax
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.observation import Observation
from churnsaver_serving.runtime.pacing import Pacing, PacingError, PacingTable

PACING_FILE = "pacing.json"


class LearnedPolicy:
    """A policy that decides by a trained actor; implements `policy.Policy`.

    The actor judges contacts on the day they are made. Waiting and then deciding is never worse
    than deciding ahead, so a delay is used only where the days before it are ruled out: each
    customer is judged at the first delay at which any contact is eligible.

    Args:
        actor: The network.
        pacing_table: The spend that this policy comes to at each multiplier.
        name: The policy's name in logs and answers.
    """

    def __init__(self, actor: Actor, pacing_table: PacingTable, name: str = "learned") -> None:
        self.actor = actor
        self.pacing_table = pacing_table
        self.name = name

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build the policy from its files' contents.

        Args:
            files: Contents under `actor.SPEC_FILE`, `actor.WEIGHTS_FILE` and `PACING_FILE`;
                others are ignored.

        Raises:
            LearnedPolicyError: A file is missing, can't be read, or doesn't fit the others.
        """
        if PACING_FILE not in files:
            raise LearnedPolicyError(f"{PACING_FILE} is missing; got {sorted(files)}")
        try:
            table = msgspec.json.decode(files[PACING_FILE], type=PacingTable)
        except (msgspec.MsgspecError, PacingError) as error:
            raise LearnedPolicyError(f"{PACING_FILE} can't be read: {error}") from error
        return cls(Actor.from_files(files), table)

    def to_files(self) -> dict[str, bytes]:
        """Return the policy's files, name to contents. `from_files` of these decides the same."""
        return {**self.actor.to_files(), PACING_FILE: msgspec.json.encode(self.pacing_table)}

    @cached_property
    def pacing(self) -> Pacing:
        """Return what sets the multiplier from what is left of a budget."""
        return Pacing(self.pacing_table)

    def distribution(self, observation: Observation) -> Floats:
        """Return the actor's own probabilities of the joint actions, shape (n, space.size).

        Raises:
            LearnedPolicyError: The observation has other offers than the actor was trained on.
        """
        return distribution(self.actor, observation)

    def probabilities(self, observation: Observation) -> Floats:
        """Return one-hot the most likely action of `distribution`, the first of equals."""
        return np.eye(observation.space.size)[choose(self.actor, observation)]


def distribution(actor: Actor, observation: Observation) -> Floats:
    """Return the probabilities of the joint actions, shape (n, space.size); see `LearnedPolicy`.

    Raises:
        LearnedPolicyError: The observation has other offers than the actor was trained on.
    """
    space, offers = observation.space, len(actor.spec.offers_pct)
    if space.offers_pct != actor.spec.offers_pct:
        raise LearnedPolicyError(
            f"trained on offers {actor.spec.offers_pct}, asked about {space.offers_pct}"
        )
    allowed = observation.eligible[:, 1:].reshape(-1, len(space.delays_days), offers)
    possible = np.logical_or.reduce(allowed, axis=2)
    first = np.where(np.logical_or.reduce(possible, axis=1), possible.argmax(axis=1), -1)
    result = np.zeros((len(first), space.size))
    result[:, NO_CONTACT] = 1.0
    for position in range(len(space.delays_days)):
        rows = np.flatnonzero(first == position)
        if not len(rows):
            continue
        own = observation.rows(rows)
        today = np.column_stack([np.ones(len(rows), dtype=np.bool_), allowed[rows, position]])
        share = masked_softmax(actor.logits(actor.inputs.of(own, position)), today)
        columns = 1 + position * offers + np.arange(offers)
        result[rows, NO_CONTACT] = share[:, 0]
        result[rows[:, None], columns] = share[:, 1:]
    return result


def choose(actor: Actor, observation: Observation) -> Ints:
    """Choose the most likely joint action of each customer, the first of equals, shape (n,)."""
    chosen: Ints = distribution(actor, observation).argmax(axis=1)
    return chosen
