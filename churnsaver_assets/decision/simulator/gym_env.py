"""The simulator as a Gymnasium environment: one customer, one day a step."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.outcomes import Mode, Step
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.arrays import Floats32, Ints
from churnsaver_serving.runtime.assumptions import World
from churnsaver_serving.runtime.observation import Observation
from churnsaver_serving.runtime.policy_features import feature_names, policy_features

# Floats32 are of order one; none comes near this, whatever the customer.
_FEATURE_BOUND = 100.0


class RetentionEnv(gymnasium.Env[Floats32, Ints]):
    """A customer drawn from a cohort, over one budget period: `RetentionVectorEnv` with one row.

    Observation: `policy_features` as of a contact after each delay in turn, float32, (D * F,).

    Action: whether to contact, which offer, after which delay, `MultiDiscrete([2, O, D])`; without
    a contact the other two don't matter. `info["action_mask"]`, int8 of shape (2, O, D), is 1 for
    what the rules allow today. An action that they don't allow is replaced by no contact, and
    `info["masked"]` is then True; so agents that don't use the mask can't break a rule either.

    Reward: the contact's value over doing nothing, less the multiplier times its cost, USD; in
    integrated mode times the probability of its being made (`info["weight"]`), so that the
    undiscounted sum is an episode's expected value in both modes. The budget enters by the
    multiplier; who shares it is not in here.

    An episode is terminated when the case is closed (sampled mode: the customer has left or
    accepted) or the period is over, whose days left are in the observation. It is never truncated.

    Args:
        setting: Customers, rules and days.
        worlds: True worlds, one drawn for each episode; None for the nominal one.
        mode: Sampled or integrated.
        multiplier: Price of a dollar of budget, dollars.
        render_mode: None or "ansi".

    Raises:
        ValueError: No worlds, or a render mode that isn't known.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 - Gymnasium's

    def __init__(
        self,
        setting: Setting,
        worlds: Sequence[World] | None = None,
        *,
        mode: Mode = "integrated",
        multiplier: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in {None, *self.metadata["render_modes"]}:
            raise ValueError(f"render_mode: expected None or 'ansi', got {render_mode!r}")
        self._setting = setting
        self._worlds = (setting.nominal,) if worlds is None else tuple(worlds)
        if not self._worlds:
            raise ValueError("worlds: expected at least one, got none")
        self._mode: Mode = mode
        self._multiplier = np.array([multiplier])
        self.render_mode = render_mode
        offers, delays = setting.space.offers_pct, setting.space.delays_days
        self.action_space = spaces.MultiDiscrete([2, len(offers), len(delays)])
        self.observation_space = spaces.Box(
            -_FEATURE_BOUND,
            _FEATURE_BOUND,
            shape=(len(delays) * len(feature_names(offers)),),
            dtype=np.float32,
        )
        self._env: RetentionVectorEnv | None = None
        self._happened = ""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats32, dict[str, Any]]:
        """Begin a period with a customer and a world drawn at random.

        Args:
            seed: Seed for everything drawn from now on; None goes on with the draws before.
            options: Optional `customer`, a position in the cohort, in place of the draw.

        Raises:
            ValueError: An option that isn't known.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        drawn = int(self.np_random.integers(len(self._setting.cohort)))
        customer = np.array([int(options.pop("customer", drawn))])
        if options:
            raise ValueError(f"options: expected only 'customer', got {sorted(options)} too")
        world = self._worlds[int(self.np_random.integers(len(self._worlds)))]
        believed = self._setting.believed
        setting = replace(
            self._setting,
            cohort=self._setting.cohort.rows(customer),
            believed=None if believed is None else believed.rows(customer),
        )
        self._env = RetentionVectorEnv(setting, [world], mode=self._mode, rng=self.np_random)
        self._happened = ""
        observation = self._env.observe(self._multiplier)
        return _features(observation), self._info(observation)

    def step(self, action: Ints) -> tuple[Floats32, float, bool, bool, dict[str, Any]]:
        """Simulate one day.

        Args:
            action: Contact, offer and delay, as positions.

        Raises:
            ValueError: Called before the first reset or after the end, or an action outside the
                action space.
        """
        env = self._started()
        if not self.action_space.contains(np.asarray(action)):
            raise ValueError(f"action: expected one of {self.action_space}, got {action}")
        contact, offer, delay = (int(part) for part in action)
        wanted = 1 + delay * len(self._setting.space.offers_pct) + offer if contact else NO_CONTACT
        taken = wanted if env.eligible()[0, wanted] else NO_CONTACT
        weight = float(env.weight[0])
        step = env.step(np.array([taken], dtype=np.int64))
        reward = weight * float(step.gain[0] - (1.0 + self._multiplier[0]) * step.cost[0])
        closed = not env.open[0]
        self._happened = self._story(taken, step)
        observation = env.observe(self._multiplier)
        info = self._info(observation) | {
            "masked": taken != wanted,
            "contacted": bool(step.contacted[0]),
            "gain_usd": weight * float(step.gain[0]),
            "cost_usd": weight * float(step.cost[0]),
        }
        return _features(observation), reward, bool(env.done or closed), False, info

    def render(self) -> str | None:
        """Return the day in one line, where the render mode is "ansi"."""
        if self.render_mode is None:
            return None
        env = self._started()
        days = self._setting.calendar.days
        return (
            f"day {env.day} of {days}: {env.setting.cohort.customer_id[0]}, "
            f"still open with probability {env.weight[0]:.3f}, "
            f"{int(env.contacts[0])} contacts{self._happened}"
        )

    def _started(self) -> RetentionVectorEnv:
        if self._env is None:
            raise ValueError("no period has begun; call reset()")
        return self._env

    def _info(self, observation: Observation) -> dict[str, Any]:
        env = self._started()
        space = self._setting.space
        by_contact = observation.eligible[0, 1:].reshape(len(space.delays_days), -1).T
        return {
            "action_mask": np.stack([np.ones_like(by_contact), by_contact]).astype(np.int8),
            "customer_id": str(env.setting.cohort.customer_id[0]),
            "weight": float(env.weight[0]),
        }

    def _story(self, action: int, step: Step) -> str:
        space = self._setting.space
        told = "; contacted yesterday" if step.contacted[0] else ""
        if action != NO_CONTACT:
            offer, delay = space.offer_pct[action], space.delay_days[action]
            told += f"; decided on {offer} % after {delay} days"
        return told + ("; accepted" if step.accepted[0] else "")


def _features(observation: Observation) -> Floats32:
    delays = range(len(observation.space.delays_days))
    row = np.concatenate([policy_features(observation, delay)[0] for delay in delays])
    return row.astype(np.float32)
