"""The simulator as Stable-Baselines3 wants it: one environment is one customer's episode.

It is the problem that our own training solves, said in SB3's terms:

- Episodes come from the same `draw_episode`: customers, true worlds, multipliers.
- Rows are integrated and a row goes on with probability `Step.stay`, which differs by state; SB3
  has one constant discount. So each reward carries the row's weight, the product of `stay` so far,
  and the daily discount, and SB3's own is 1: the sum over an episode is the same value.
- SB3's PPO has no action mask: a contact that the rules don't allow is none.
- Days on which nobody may be contacted pass by themselves: nothing is to be learnt from them, and
  SB3 need not pay for them.
- An episode ends with its last day; what would follow counts for ours alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from churnsaver_assets.decision.ppo.episodes import Episode
from churnsaver_assets.decision.simulator.environment import Step
from churnsaver_serving.runtime.arrays import Floats, Floats32, Ints
from churnsaver_serving.runtime.policies.actor import Inputs
from churnsaver_serving.runtime.policies.observation import Observation


def network_inputs(inputs: Inputs, observation: Observation, weight: Floats) -> Floats32:
    """Return our policy's inputs, and the row's weight, without which values can't be predicted."""
    return np.column_stack([inputs.of(observation), weight]).astype(np.float32)


class CustomerVecEnv(VecEnv):
    """Rows of `RetentionVectorEnv`, all in the same episode.

    Args:
        begin: The next episode, always with as many rows.
        inputs: Our policy's, scaled as it scales them.
        value_scale_usd: Rewards are in units of this, and over 1 + multiplier, as ours are.

    Attributes:
        episode: The episode under way.
        row_days: Simulated so far, those that passed by themselves included.
    """

    def __init__(
        self, begin: Callable[[], Episode], inputs: Inputs, value_scale_usd: float
    ) -> None:
        self._begin = begin
        self._inputs = inputs
        self._scale = value_scale_usd
        self.row_days = 0
        self._actions: npt.NDArray[np.int64] | None = None
        self.render_mode = None
        first = self._observe_new()
        env = self.episode.env
        # Nobody reads them, and SB3 wants one for each row and step.
        self._infos: list[dict[str, Any]] = [{} for _ in range(env.size)]
        super().__init__(
            env.size,
            spaces.Box(-np.inf, np.inf, (first.shape[1],), np.float32),
            spaces.Discrete(1 + len(env.setting.space.offers_pct)),
        )

    def reset(self) -> Floats32:
        return self._observe_new()

    def step_async(self, actions: npt.NDArray[np.int64]) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[Floats32, Floats32, npt.NDArray[np.bool_], list[dict[str, Any]]]:
        env = self.episode.env
        if self._actions is None:
            raise RuntimeError("step_wait without step_async")
        rows = env.available()
        rows = rows[self._actions[rows] > 0]
        offer = self._actions[rows] - 1
        self._actions = None
        multiplier = self.episode.multiplier[env.group[rows]]
        weight = env.dynamics.discount**env.day * env.weight[rows]
        step = self._step(rows, offer)
        reward = np.zeros(self.num_envs, dtype=np.float32)
        net = weight * (step.gain - (1.0 + multiplier) * step.cost)
        reward[rows] = net / (1.0 + multiplier) / self._scale
        self._pass_idle_days()
        done = env.done
        observed = self._observe_new() if done else self._observe()
        return observed, reward, np.full(self.num_envs, done), self._infos

    def _observe_new(self) -> Floats32:
        self.episode = self._begin()
        self._pass_idle_days()
        return self._observe()

    def _observe(self) -> Floats32:
        env = self.episode.env
        everyone = np.arange(env.size)
        observation = env.observe(everyone, self.episode.multiplier)
        return network_inputs(self._inputs, observation, env.weight)

    def _pass_idle_days(self) -> None:
        env = self.episode.env
        nobody = np.zeros(0, dtype=np.int64)
        while not env.done and not env.setting.calendar.working[env.day]:
            self._step(nobody, nobody)

    def _step(self, rows: Ints, offer: Ints) -> Step:
        env = self.episode.env
        self.row_days += env.size
        return env.step(rows, offer)

    def close(self) -> None:
        """Nothing to close."""

    # What follows is asked of every VecEnv and means nothing here: rows are no objects.

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[object]:
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: object, indices: VecEnvIndices = None) -> None:
        raise NotImplementedError("rows have no attributes of their own")

    def env_method(
        self, method_name: str, *args: object, indices: VecEnvIndices = None, **kwargs: object
    ) -> list[object]:
        raise NotImplementedError("rows have no methods of their own")

    def env_is_wrapped(
        self,
        wrapper_class: type,  # noqa: ARG002 - rows are never wrapped
        indices: VecEnvIndices = None,
    ) -> list[bool]:
        return [False for _ in self._get_indices(indices)]
