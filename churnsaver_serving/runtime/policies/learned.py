"""The learned policy as it is served: the actor's logits as preferences."""

from collections.abc import Mapping
from typing import Self

from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.policies.actor import Actor, LearnedPolicyError
from churnsaver_serving.runtime.policies.observation import Observation


class LearnedPolicy:
    """A policy that decides by a trained actor; implements `policy.Policy`.

    Args:
        actor: The network.
        name: The policy's name in logs and answers.
    """

    def __init__(self, actor: Actor, name: str = "ppo") -> None:
        self.actor = actor
        self.name = name

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Build the policy from its files' contents.

        Args:
            files: Contents under `actor.SPEC_FILE` and `actor.WEIGHTS_FILE`; others are ignored.

        Raises:
            LearnedPolicyError: A file is missing, can't be read, or doesn't fit the other.
        """
        return cls(Actor.from_files(files))

    def to_files(self) -> dict[str, bytes]:
        """Return the policy's files, name to contents. `from_files` of these decides the same."""
        return self.actor.to_files()

    def preferences(self, observation: Observation) -> Floats:
        """Return the actor's logits of no contact and of each offer, shape (n, 1 + O).

        Raises:
            LearnedPolicyError: The observation has other offers than the actor was trained on.
        """
        if observation.offers_pct != self.actor.spec.offers_pct:
            raise LearnedPolicyError(
                f"trained on offers {self.actor.spec.offers_pct}, "
                f"asked about {observation.offers_pct}"
            )
        return self.actor.preferences(observation)
