"""The simulator as a Gymnasium environment: one customer, one day a step."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from churnsaver_assets.decision.simulator.environment import Mode, RetentionVectorEnv, Step
from churnsaver_assets.decision.simulator.population import DAYS_A_MONTH, everybody
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.arrays import Bools, Floats32, Ints
from churnsaver_serving.runtime.policies.policy_features import feature_names, policy_features
from churnsaver_serving.runtime.world.assumptions import World

# Features are of order one; none comes near this, whatever the customer.
_FEATURE_BOUND = 100.0
_ROW = np.zeros(1, dtype=np.int64)
_NOBODY = _ROW[:0]
_SEEDS = 2**31


class RetentionEnv(gymnasium.Env[Floats32, Ints]):
    """A customer drawn from a cohort, day by day: `RetentionVectorEnv` with one row.

    Observation: `policy_features` of a contact today, then how near a pending contact is (1 for
    tomorrow, towards 0 for later, 0 for none), float32, shape (F + 1,).

    Action: whether to contact, which offer, after which delay, `MultiDiscrete([2, O, D])`; without
    a contact the other two don't matter. A contact after a delay is made on that day; until then
    nothing else is decided. `info["action_mask"]`, int8 of shape (2, O, D), is 1 for what the rules
    allow. An action that they don't allow is replaced by no contact, and `info["masked"]` is then
    True; so agents that don't use the mask can't break a rule either.

    Reward: the gain of today's contact over no further one, less its cost and the multiplier times
    it, USD; in integrated mode times the probability that the customer is there
    (`info["weight"]`). Discounted daily by gamma (`effects.daily_discount`) the sum is the
    episode's expected value in both modes. The budget enters by the multiplier.

    An episode is terminated when the customer has left (sampled mode; who has left never comes
    back), and truncated when the calendar is over: the customer lives on, so a learner goes on from
    the last observation's value.

    Args:
        setting: Customers, rules and days.
        worlds: True worlds, one drawn for each episode; None for the nominal one.
        mode: Whether leaving is sampled or integrated.
        multiplier: Worth of a dollar of budget, beyond itself.
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
            shape=(len(feature_names(offers)) + 1,),
            dtype=np.float32,
        )
        self._env: RetentionVectorEnv | None = None
        # The day of the contact that is pending, and its offer.
        self._pending: tuple[int, int] | None = None
        self._over = False
        self._happened = ""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats32, dict[str, Any]]:
        """Begin with a customer and a world drawn at random.

        Args:
            seed: Seed for everything drawn from now on; None goes on with the draws before.
            options: Optional `customer`, a position in the cohort, in place of the draw.

        Raises:
            ValueError: An option that isn't known.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        drawn = int(self.np_random.integers(len(self._setting.cohort)))
        customer = int(options.pop("customer", drawn))
        if options:
            raise ValueError(f"options: expected only 'customer', got {sorted(options)} too")
        world = self._worlds[int(self.np_random.integers(len(self._worlds)))]
        age = int(self.np_random.integers(DAYS_A_MONTH))
        self._env = RetentionVectorEnv(
            self._setting,
            everybody(np.array([customer]), np.array([age]), self._setting.calendar.days),
            [world],
            self._mode,
            seed=int(self.np_random.integers(_SEEDS)),
        )
        self._pending, self._over, self._happened = None, False, ""
        return self._features(), self._info()

    def step(self, action: Ints) -> tuple[Floats32, float, bool, bool, dict[str, Any]]:
        """Simulate one day.

        Args:
            action: Contact, offer and delay, as positions.

        Raises:
            ValueError: Called before the first reset or after the end, or an action outside the
                action space.
        """
        env = self._started()
        if self._over:
            raise ValueError("the episode is over; call reset()")
        if not self.action_space.contains(np.asarray(action)):
            raise ValueError(f"action: expected one of {self.action_space}, got {action}")
        contact, offer, delay = (int(part) for part in action)
        masked = bool(contact) and not bool(self._allowed()[delay])
        if contact and not masked:
            self._pending = (env.day + self._setting.space.delays_days[delay], offer)
        weight = float(env.weight[0])
        step = self._play(env)
        gain, cost = weight * float(step.gain.sum()), weight * float(step.cost.sum())
        left = not bool(env.dynamics.there[0])
        if left:
            self._pending = None
        self._over = left or env.done
        info = self._info() | {
            "masked": masked,
            "contacted": len(step.rows) > 0,
            "gain_usd": gain,
            "cost_usd": cost,
        }
        self._happened = self._story(step, left=left)
        reward = gain - (1.0 + float(self._multiplier[0])) * cost
        return self._features(), reward, left, env.done and not left, info

    def render(self) -> str | None:
        """Return the day in one line, where the render mode is "ansi"."""
        if self.render_mode is None:
            return None
        env = self._started()
        customer = self._setting.cohort.customer_id[env.dynamics.customer[0]]
        contacts = int(env.dynamics.contacts_in_window(_ROW)[0])
        return (
            f"day {env.day} of {self._setting.calendar.days}: {customer}, "
            f"there with probability {env.weight[0]:.3f}, "
            f"{contacts} contacts in the window{self._happened}"
        )

    def _started(self) -> RetentionVectorEnv:
        if self._env is None:
            raise ValueError("no episode has begun; call reset()")
        return self._env

    def _play(self, env: RetentionVectorEnv) -> Step:
        """Make the contact that is due today, if one is, and go on to the next day."""
        if self._pending is None or self._pending[0] != env.day:
            return env.step(_NOBODY, _NOBODY)
        offer, self._pending = self._pending[1], None
        return env.step(_ROW, np.array([offer]))

    def _allowed(self) -> Bools:
        """Return whether a contact may be decided on today for after each delay, shape (D,)."""
        env, delays = self._started(), self._setting.space.delays_days
        if self._pending is not None or self._over:
            return np.zeros(len(delays), dtype=np.bool_)
        allowed: Bools = env.allowed(_ROW, delays)[0]
        return allowed

    def _features(self) -> Floats32:
        env = self._started()
        near = 0.0 if self._pending is None else 1.0 / (self._pending[0] - env.day + 1)
        features = policy_features(env.observe(_ROW, self._multiplier))[0]
        return np.append(features, near).astype(np.float32)

    def _info(self) -> dict[str, Any]:
        env, offers = self._started(), len(self._setting.space.offers_pct)
        contact = np.tile(self._allowed(), (offers, 1))
        return {
            "action_mask": np.stack([np.ones_like(contact), contact]).astype(np.int8),
            "customer_id": str(self._setting.cohort.customer_id[env.dynamics.customer[0]]),
            "weight": float(env.weight[0]),
        }

    def _story(self, step: Step, *, left: bool) -> str:
        told = "; contacted yesterday" if len(step.rows) else ""
        told += ", accepted" if step.accepted.any() else ""
        if self._pending is not None:
            day, offer = self._pending
            told += f"; {self._setting.space.offers_pct[offer]} % to be offered on day {day}"
        return told + ("; left" if left else "")
