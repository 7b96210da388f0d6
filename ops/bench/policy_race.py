"""Quality against the clock: what a greedy policy is worth on held-out customers, and when."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from churnsaver_assets.decision.planning.budgets import BudgetBound
from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.observation import Observation

# CPU seconds between two looks: at least so many, and so large a share of the time until then.
_LEAST_PAUSE, _PAUSE = 0.2, 0.05

# From an observation of some rows and their weights to their actions.
Act = Callable[[Observation, Floats], Ints]


class Judge:
    """Percent of headroom of greedy policies: value over doing nothing, over the upper bound's.

    A policy plays one integrated period at each multiplier. Giving each customer one of two
    neighbouring multipliers by lot spends any budget in between, so the gain at a budget is
    interpolated; doing nothing is one of the points.

    Args:
        setting: Held-out customers; the nominal world is the true one.
        bounds: Budgets, each with its upper bound.
        multipliers: Multipliers to play at.
        seed: Seed for the belief's counting noise.
    """

    def __init__(
        self,
        setting: Setting,
        bounds: Sequence[BudgetBound],
        multipliers: Sequence[float],
        seed: int,
    ) -> None:
        self._setting = setting
        self._bounds = bounds
        self._multipliers = np.array(multipliers)
        self._seed = seed

    def headroom(self, act: Act) -> list[float]:
        """Return the share of the bound reached at each budget."""
        groups = len(self._multipliers)
        worlds = [self._setting.nominal] * groups
        rng = np.random.default_rng(self._seed)
        env = RetentionVectorEnv(self._setting, worlds, mode="integrated", rng=rng)
        gain, cost = np.zeros(env.size), np.zeros(env.size)
        while not env.done:
            weight = env.weight
            action = np.full(env.size, NO_CONTACT, dtype=np.int64)
            rows = np.flatnonzero(env.available())
            if len(rows):
                action[rows] = act(env.observe(self._multipliers, rows), weight[rows])
            step = env.step(action)
            gain += weight * step.reward
            cost += weight * step.cost
        spent = np.append(0.0, cost.reshape(groups, -1).mean(axis=1))
        earned = np.append(0.0, gain.reshape(groups, -1).mean(axis=1))
        order = np.argsort(spent)
        return [
            float(np.interp(one.budget_per_customer, spent[order], earned[order]) / one.bound)
            for one in self._bounds
        ]


@dataclass(slots=True)
class Stopwatch:
    """Wall and CPU seconds of this process, those of pauses left out."""

    cpu: float = 0.0
    wall: float = 0.0
    _since: tuple[float, float] | None = None

    def start(self) -> None:
        self._since = time.process_time(), time.perf_counter()

    def stop(self) -> None:
        if self._since is None:
            raise RuntimeError("the watch doesn't run")
        self.cpu += time.process_time() - self._since[0]
        self.wall += time.perf_counter() - self._since[1]
        self._since = None

    @contextmanager
    def running(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            if self._since is not None:
                self.stop()


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a policy in training; seconds are of training alone."""

    cpu_seconds: float
    wall_seconds: float
    headroom: list[float]

    @property
    def mean(self) -> float:
        return float(np.mean(self.headroom))


@dataclass(slots=True)
class Race:
    """A training run that is looked at now and then until it is good enough or time is up.

    Attributes:
        judge: Judge of quality.
        target: Mean headroom over the budgets to reach.
        cap_cpu_seconds: CPU seconds after which training is stopped.
        points: Looks at the policy so far.
        watch: Stopwatch that runs while training does.
    """

    judge: Judge
    target: float
    cap_cpu_seconds: float
    points: list[Look] = field(default_factory=list)
    watch: Stopwatch = field(default_factory=Stopwatch)

    def over(self, act: Callable[[], Act]) -> bool:
        """Look at the policy if it is time to; return whether training is to end.

        Args:
            act: Makes the greedy policy as it is now.
        """
        self.watch.stop()
        late = self.watch.cpu >= self.cap_cpu_seconds
        last = self.points[-1].cpu_seconds if self.points else 0.0
        if late or self.watch.cpu >= last + max(_LEAST_PAUSE, _PAUSE * last):
            self._look(act())
        over = late or self.reached is not None
        if not over:
            self.watch.start()
        return over

    def finish(self, act: Act) -> None:
        """Look at what training ended with, unless it was stopped."""
        if self.watch.cpu < self.cap_cpu_seconds and self.reached is None:
            self._look(act)

    def _look(self, act: Act) -> None:
        self.points.append(Look(self.watch.cpu, self.watch.wall, self.judge.headroom(act)))

    @property
    def reached(self) -> Look | None:
        """Return the first look at a policy that is good enough."""
        return next((point for point in self.points if point.mean >= self.target), None)
