"""Stable-Baselines3's PPO on our simulator, with its own settings."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from churnsaver_assets.decision.ppo.episodes import draw_episode
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.policy_spec import PolicySpec, RolloutSpec
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.policies.actor import Inputs
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.world.assumptions import Assumptions
from ops.bench.policy_race import Act, Race, Stopwatch
from ops.bench.policy_vecenv import CustomerVecEnv, network_inputs


@dataclass(frozen=True, slots=True)
class SB3Settings:
    """The settings of SB3's PPO that differ from its defaults.

    Attributes:
        groups: Groups of customers; environments are groups x customers.
        customers: Customers in each group.
        n_steps: Contact days of a rollout.
        batch_size: Decisions of a gradient step.
        n_epochs: Passes over each rollout.
        learning_rate: Learning rate at the start; it falls linearly to 0 over `updates`.
        updates: Number of updates.
        gae_lambda: Lambda of generalised advantage estimation.
        ent_coef: Weight of the entropy bonus.
        vf_coef: Weight of the value loss.
        max_grad_norm: Norm that longer gradients are shortened to.
        hidden: Units of each hidden layer, of actor and critic each.
        value_scale_usd: Unit of rewards, USD.
    """

    groups: int
    customers: int
    n_steps: int
    batch_size: int
    n_epochs: int
    learning_rate: float
    updates: int
    gae_lambda: float
    ent_coef: float
    vf_coef: float
    max_grad_norm: float
    hidden: tuple[int, ...]
    value_scale_usd: float

    @property
    def rollout(self) -> int:
        """Return the number of decisions an update learns from."""
        return self.n_steps * self.groups * self.customers


def alike(spec: PolicySpec, other: SB3Settings) -> SB3Settings:
    """SB3 with our own settings, so far as it has them.

    Args:
        spec: The training of our policy.
        other: Settings of SB3 that our training has no counterpart of.
    """
    ppo = spec.ppo
    return replace(
        other,
        groups=spec.rollout.groups,
        customers=spec.rollout.customers,
        batch_size=ppo.minibatch,
        n_epochs=ppo.epochs,
        learning_rate=ppo.learning_rate,
        updates=ppo.updates,
        gae_lambda=ppo.gae_lambda,
        ent_coef=ppo.entropy,
        vf_coef=ppo.value_weight,
        max_grad_norm=ppo.max_grad_norm,
        hidden=spec.network.hidden,
        value_scale_usd=ppo.value_scale_usd,
    )


class _Watcher(BaseCallback):
    """Looks at the policy after each update."""

    def __init__(self, race: Race, act: Act) -> None:
        super().__init__()
        self._race = race
        self._act = act
        self._over = False

    def _on_rollout_start(self) -> None:
        # A rollout starts right after an update, except for the first.
        if self.num_timesteps:
            self._over = self._race.over(lambda: self._act)

    def _on_step(self) -> bool:
        return not self._over


def make_sb3(
    setting: Setting,
    assumptions: Assumptions,
    rollout: RolloutSpec,
    inputs: Inputs,
    *,
    spec: SB3Settings,
    seed: int,
) -> PPO:
    """Make the untrained policy in its environment.

    Args:
        setting: Customers to train on.
        assumptions: The priors that true worlds are drawn from.
        rollout: The episodes drawn; numbers of groups and customers are `spec`'s.
        inputs: Scaling of our policy's inputs.
        spec: Settings of SB3.
        seed: Seed for everything drawn.
    """
    rng = np.random.default_rng(seed)
    drawn = rollout.model_copy(update={"groups": spec.groups, "customers": spec.customers})
    env = CustomerVecEnv(
        lambda: draw_episode(setting, assumptions, drawn, rng), inputs, spec.value_scale_usd
    )
    return PPO(
        "MlpPolicy",
        env,
        learning_rate=lambda left: left * spec.learning_rate,
        n_steps=spec.n_steps,
        batch_size=spec.batch_size,
        n_epochs=spec.n_epochs,
        gamma=1.0,
        gae_lambda=spec.gae_lambda,
        ent_coef=spec.ent_coef,
        vf_coef=spec.vf_coef,
        max_grad_norm=spec.max_grad_norm,
        policy_kwargs={
            "net_arch": {"pi": list(spec.hidden), "vf": list(spec.hidden)},
            "activation_fn": torch.nn.ReLU,
        },
        seed=seed,
        device="cpu",
    )


def greedy(model: PPO, inputs: Inputs) -> Act:
    """Return a function to the most likely action of the model, as trained when it is called."""

    def act(observation: Observation, weight: Floats) -> Ints:
        seen = network_inputs(inputs, observation, weight)
        return np.asarray(model.predict(seen, deterministic=True)[0])

    return act


def race_sb3(model: PPO, inputs: Inputs, spec: SB3Settings, race: Race) -> None:
    """Train until good enough, or time or the planned updates are up."""
    act = greedy(model, inputs)
    with race.watch.running():
        model.learn(_timesteps(spec), callback=_Watcher(race, act))
    race.finish(act)


def time_sb3(model: PPO, spec: SB3Settings) -> tuple[int, Stopwatch]:
    """Train for all updates; return row-days simulated and the time taken."""
    watch = Stopwatch()
    with watch.running():
        model.learn(_timesteps(spec))
    env = model.get_env()
    if not isinstance(env, CustomerVecEnv):
        raise TypeError(f"expected the environment that was given, got {type(env)}")
    return env.row_days, watch


def _timesteps(spec: SB3Settings) -> int:
    return spec.updates * spec.rollout
