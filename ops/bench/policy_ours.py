"""Our own training against the clock, by the same function that the graph trains with."""

from unittest import mock

from churnsaver_assets.decision.ppo import train
from churnsaver_assets.decision.ppo.curves import PolicyProbe
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.policy_spec import PolicySpec, ProbeSpec
from churnsaver_serving.runtime.actor import Actor
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.assumptions import Assumptions
from churnsaver_serving.runtime.learned import choose
from churnsaver_serving.runtime.observation import Observation
from ops.bench.policy_race import Act, Race, Stopwatch


def in_updates(spec: PolicySpec, *, distillation: int, ppo: int) -> PolicySpec:
    """Return the same training in so many updates of each phase."""
    return spec.model_copy(
        update={
            "distillation": spec.distillation.model_copy(update={"updates": distillation}),
            "ppo": spec.ppo.model_copy(update={"updates": ppo}),
        }
    )


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

    def look(actor: Actor, *_: object, **__: object) -> list[PolicyProbe]:
        if race.over(lambda: _greedy(actor)):
            raise _Over
        return []

    every = ProbeSpec(every=1, customers=1, multipliers=(0.0,))
    probed = spec.model_copy(update={"probe": every})
    # Training hands its policy to the probes; here they stop the watch before they look.
    with race.watch.running(), mock.patch.object(train, "probe_policy", look):
        try:
            trained = train.train_policy(setting, assumptions, probed, seed)
        except _Over:
            return
    race.finish(_greedy(trained.actor))


def time_ours(
    setting: Setting, assumptions: Assumptions, spec: PolicySpec, seed: int
) -> tuple[int, Stopwatch]:
    """Train for all updates without probes; return row-days simulated and the time taken."""
    watch = Stopwatch()
    with watch.running(), mock.patch.object(train, "probe_policy", return_value=[]):
        train.train_policy(setting, assumptions, spec, seed)
    rollout = spec.rollout
    rows = rollout.groups * min(rollout.customers, len(setting.cohort))
    updates = spec.distillation.updates + spec.ppo.updates
    return updates * rows * setting.calendar.days, watch


def _greedy(actor: Actor) -> Act:
    def act(observation: Observation, weight: Floats) -> Ints:  # noqa: ARG001 - SB3's has it
        return choose(actor, observation)

    return act
