"""Quality against the clock: what a greedy policy is worth on held-out customers, and when."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from churnsaver_assets.decision.simulator.environment import RetentionVectorEnv
from churnsaver_assets.decision.simulator.population import DAYS_A_MONTH, everybody
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.policies.policy import OneStepPolicy

# CPU seconds between two looks: at least so many, and so large a share of the time until then.
_LEAST_PAUSE, _PAUSE = 0.2, 0.05

# From an observation of some rows and their weights to what each prefers: 0 for no contact, else 1
# plus the offer's position.
Act = Callable[[Observation, Floats], Ints]


class Judge:
    """Quality of greedy policies: value net of the price of money, over the reference's.

    A policy plays the nominal world at each multiplier. The reference is the one-step rule that
    reckons in this very world; policies start elsewhere (at the mean of the priors, or at random).

    Args:
        setting: Held-out customers and the days; the nominal world is the true one.
        multipliers: Multipliers to play at.
        seed: Seed for ages, luck and the belief's counting noise.
    """

    def __init__(self, setting: Setting, multipliers: tuple[float, ...], seed: int) -> None:
        self._setting = setting
        self._multipliers = np.array(multipliers)
        self._seed = seed
        informed = OneStepPolicy()
        self.reference = self._net(lambda seen, _: informed.preferences(seen).argmax(axis=1))

    def share(self, act: Act) -> list[float]:
        """Return the share of the reference's net value that is reached at each multiplier."""
        return [float(one) for one in self._net(act) / self.reference]

    def _net(self, act: Act) -> Floats:
        n, groups = len(self._setting.cohort), len(self._multipliers)
        age = np.random.default_rng(self._seed).integers(DAYS_A_MONTH, size=n)
        population = everybody(np.arange(n), age, self._setting.calendar.days)
        worlds = [self._setting.nominal] * groups
        env = RetentionVectorEnv(self._setting, population, worlds, seed=self._seed)
        net = np.zeros(groups)
        while not env.done:
            preferred = rows = env.available()
            if len(rows):
                preferred = act(env.observe(rows, self._multipliers), env.weight[rows])
            rows, offer = rows[preferred > 0], preferred[preferred > 0] - 1
            group = env.group[rows]
            weight = env.dynamics.discount**env.day * env.weight[rows] / n
            step = env.step(rows, offer)
            price = 1.0 + self._multipliers[group]
            net += np.bincount(group, weight * (step.gain - price * step.cost), groups)
        return net


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
    shares: list[float]

    @property
    def mean(self) -> float:
        return float(np.mean(self.shares))


@dataclass(slots=True)
class Race:
    """A training run that is looked at now and then until it is good enough or time is up.

    Attributes:
        judge: Judge of quality.
        target: Mean share of the reference's net value to reach.
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
        self.points.append(Look(self.watch.cpu, self.watch.wall, self.judge.share(act)))

    @property
    def reached(self) -> Look | None:
        """Return the first look at a policy that is good enough."""
        return next((point for point in self.points if point.mean >= self.target), None)
