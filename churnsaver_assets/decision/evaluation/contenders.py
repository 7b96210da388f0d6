"""Contenders: the policies that are compared, each under the same pacing and rules."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from churnsaver_serving.runtime.policy import Policy

Role = Literal["one_step", "planner", "learned", "baseline", "today"]


@dataclass(frozen=True, slots=True)
class Terms:
    """The conditions that a contender may be tuned to.

    Attributes:
        budget_usd: Budget of a month, USD for each customer.
        daily_contacts: Most contacts a day, as a share of the customers; None for no limit.
        arrival: Name of the arrival pattern.
    """

    budget_usd: float
    daily_contacts: float | None
    arrival: str


class Contender(Protocol):
    """A policy that is compared; sent to other processes, so it can be pickled."""

    @property
    def name(self) -> str:
        """Return the name in tables, pictures and the JSON."""

    @property
    def role(self) -> Role:
        """Return the kind of policy that it is shown as."""

    def prepared(self, terms: Terms, groups: int) -> Policy | Sequence[Policy]:
        """Return the policy under some conditions; one for each group where it learns."""


@dataclass(frozen=True, slots=True)
class Same:
    """A policy that is the same under all conditions.

    Attributes:
        name: Name in tables, pictures and the JSON.
        role: Kind of policy that it is shown as.
        policy: The policy.
    """

    name: str
    role: Role
    policy: Policy

    def prepared(
        self,
        terms: Terms,  # noqa: ARG002 - the protocol's
        groups: int,
    ) -> Policy | Sequence[Policy]:
        """Return the policy; a copy for each group where it learns."""
        if not hasattr(self.policy, "learn"):
            return self.policy
        return [copy.deepcopy(self.policy) for _ in range(groups)]
