"""Contenders: the policies that are compared, each under the same pacing and rules."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.baselines.files import read_log_models, read_table
from churnsaver_assets.decision.baselines.parameters import LogModels, Nothing
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.planner import StationaryPlanner
from churnsaver_serving.runtime.policies.policy import Policy
from churnsaver_serving.runtime.policies.served_policy import ServedPolicy

Role = Literal["one_step", "planner", "learned", "baseline", "today"]


class Contender(Protocol):
    """A policy that is compared; sent to other processes, so it can be pickled."""

    @property
    def name(self) -> str:
        """Return the name in tables, pictures and the JSON."""

    @property
    def role(self) -> Role:
        """Return the kind of policy that it is shown as."""

    def prepared(self, conditions: Conditions, groups: int) -> Policy | Sequence[Policy]:
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
        conditions: Conditions,  # noqa: ARG002 - the protocol's
        groups: int,  # noqa: ARG002
    ) -> Policy | Sequence[Policy]:
        """Return a copy of the policy: what playing it leaves behind stays there."""
        return copy.deepcopy(self.policy)


class Baselines:
    """The baselines' files, read where they are needed.

    Args:
        files: Files of the baselines, name to contents.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.table = read_table(files)

    def __getstate__(self) -> dict[str, Any]:
        """Return the files alone: boosters are read anew in each process."""
        return {"files": self.files, "table": self.table}

    @cached_property
    def models(self) -> LogModels:
        """Return the models fitted on the randomised log."""
        return read_log_models(self.files)

    def names(self) -> list[str]:
        """Return the names of the baselines that contact anybody."""
        known = self.table.tunings[0].baselines
        return [one.name for one in known if not isinstance(one.parameters, Nothing)]


@dataclass(frozen=True, slots=True)
class Tuned:
    """A baseline, as it was tuned to the conditions that it is played under.

    Attributes:
        name: Name in tables, pictures and the JSON.
        role: Kind of policy that it is shown as.
        baselines: The baselines, all of them.
    """

    name: str
    role: Role
    baselines: Baselines

    def prepared(self, conditions: Conditions, groups: int) -> Policy | Sequence[Policy]:
        """Return the policy tuned to these conditions.

        Raises:
            BaselineError: It was tuned to others.
        """
        tuned = {one.name: one for one in self.baselines.table.tuned(conditions)}
        table = self.baselines.table
        return tuned[self.name].policies(self.baselines.models, groups=groups, seed=table.seed)


def candidates_of(policies: Mapping[str, ServedPolicy]) -> list[Contender]:
    """Return the policies that a release may serve by default."""
    return [Same(name, _role(policy), policy) for name, policy in policies.items()]


def tuned_baselines(files: Mapping[str, bytes], today: str) -> list[Contender]:
    """Return every baseline, as tuned to each condition that it is shown in.

    Args:
        files: Files of the baselines.
        today: Name of the one among them that was served before.
    """
    baselines = Baselines(files)
    return [
        Tuned(name, "today" if name == today else "baseline", baselines)
        for name in baselines.names()
    ]


def _role(policy: ServedPolicy) -> Role:
    if isinstance(policy, LearnedPolicy):
        return "learned"
    return "planner" if isinstance(policy, StationaryPlanner) else "one_step"
