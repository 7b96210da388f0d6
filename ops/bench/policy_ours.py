"""Our own training against the clock, by the same function that the graph trains with."""

from unittest import mock

from churnsaver_assets.decision.ppo import train
from churnsaver_assets.decision.ppo.curves import PolicyProbe
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.policy_spec import PolicySpec, ProbeSpec
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.policy import Policy
from churnsaver_serving.runtime.world.assumptions import Assumptions
from ops.bench.policy_race import Act, Race, Stopwatch


def in_updates(spec: PolicySpec, *, warm_up: int, ppo: int) -> PolicySpec:
    """Return the same training in so many updates of each phase."""
    return spec.model_copy(
        update={
            "warm_up": spec.warm_up.model_copy(update={"updates": warm_up}),
            "ppo": spec.ppo.model_copy(update={"updates": ppo}),
        }
    )


def one_world(spec: PolicySpec, multiplier: float) -> PolicySpec:
    """Return the training in the nominal world, at multipliers up to one, without a history."""
    multipliers = spec.rollout.multipliers.model_copy(update={"high": multiplier})
    changed = {"nominal_share": 1.0, "history_days": 0, "multipliers": multipliers}
    return spec.model_copy(update={"rollout": spec.rollout.model_copy(update=changed)})


def from_scratch(spec: PolicySpec) -> PolicySpec:
    """Return the training in as many updates, all of PPO, without a base."""
    updates = spec.warm_up.updates + spec.ppo.updates
    alone = spec.model_copy(update={"network": spec.network.model_copy(update={"base": None})})
    return in_updates(alone, warm_up=0, ppo=updates)


class _Over(Exception):
    """The race is over."""


def race_ours(
    setting: Setting, assumptions: Assumptions, spec: PolicySpec, seed: int, race: Race
) -> None:
    """Train until good enough, or time or the planned updates are up.

    Args:
        setting: Customers to train on.
        assumptions: The priors that true worlds are drawn from.
        spec: Hyperparameters; the probes are left out, the race looks in their place.
        seed: Seed for everything drawn.
        race: The race, which looks at the policy after each update.
    """

    def look(policy: Policy, *_: object, **__: object) -> list[PolicyProbe]:
        if race.over(lambda: _greedy(policy)):
            raise _Over
        return []

    every = ProbeSpec(every=1, customers=1, days=7, multipliers=(0.0,))
    probed = spec.model_copy(update={"probe": every})
    # Training hands its policy to the probes; here they stop the watch before they look.
    with race.watch.running(), mock.patch.object(train, "probe_policy", look):
        try:
            trained = train.train_policy(setting, assumptions, probed, seed)
        except _Over:
            return
    race.finish(_greedy(LearnedPolicy(trained.actor)))


def time_ours(
    setting: Setting, assumptions: Assumptions, spec: PolicySpec, seed: int
) -> tuple[int, Stopwatch]:
    """Train for all updates without probes; return row-days simulated and the time taken."""
    watch = Stopwatch()
    with watch.running(), mock.patch.object(train, "probe_policy", return_value=[]):
        train.train_policy(setting, assumptions, spec, seed)
    rollout = spec.rollout
    rows = rollout.groups * min(rollout.customers, len(setting.cohort))
    updates = spec.warm_up.updates + spec.ppo.updates
    return updates * rows * rollout.part_days, watch


def _greedy(policy: Policy) -> Act:
    def act(observation: Observation, weight: Floats) -> Ints:  # noqa: ARG001 - SB3's has it
        return policy.preferences(observation).argmax(axis=1)

    return act
