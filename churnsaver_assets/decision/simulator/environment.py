"""The array mode, for training: daily reviews, answers at once, no shared limits.

One dynamics serves this and the served mode. Acceptance is sampled; leaving is sampled too, or
*integrated*: nobody leaves, and a row's weight falls by its true hazard, so that a row goes on to
teach whatever its risk. Both are the same in expectation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from churnsaver_assets.decision.simulator.counting import OutcomeCounter
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.observed import believed_risk, observed
from churnsaver_assets.decision.simulator.population import Population
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.limits.constraints import allowed_days
from churnsaver_serving.runtime.limits.standing import NEVER, Standing
from churnsaver_serving.runtime.policies.observation import Observation
from churnsaver_serving.runtime.world.assumptions import World
from churnsaver_serving.runtime.world.belief import Tally
from churnsaver_serving.runtime.world.effects import daily_hazard, disturbed_hazard

Mode = Literal["sampled", "integrated"]

_NOISE_STREAM = 17


@dataclass(frozen=True, slots=True)
class Step:
    """One day: the contacts made with k rows, and who goes on.

    Attributes:
        rows: Rows contacted, shape (k,).
        accepted: Whether each accepted, shape (k,).
        gain: Expected change in worth, given the state, USD, shape (k,).
        cost: Expected cost, USD, shape (k,).
        stay: Probability of every row to be there tomorrow, shape (R,); 0 or 1 where sampled.
    """

    rows: Ints
    accepted: Bools
    gain: Floats
    cost: Floats
    stay: Floats


class RetentionVectorEnv:
    """Groups of the same N customers over T days; R = G * N rows, a group's rows side by side.

    Args:
        setting: Customers, rules and days.
        population: Who joins when; the same N in every group.
        worlds: True world of each group, G of them.
        mode: Whether leaving is sampled or integrated.
        seed: Seed for luck, and for the belief's counting noise where leaving is integrated.
        counted: Number of customers that a group stands for in the belief's counts; None for its
            own. Integrated mode only.

    Attributes:
        dynamics: The customers as they truly are.
        mode: As given.

    Raises:
        ValueError: An argument that doesn't fit the others; names it.
    """

    def __init__(
        self,
        setting: Setting,
        population: Population,
        worlds: Sequence[World],
        mode: Mode = "integrated",
        *,
        seed: int,
        counted: int | None = None,
    ) -> None:
        if mode == "sampled" and counted is not None:
            raise ValueError("counted: sampled customers stand for themselves; use none")
        self.dynamics = Dynamics(setting, population, worlds, seed=seed)
        self.mode = mode
        noise = None if mode == "sampled" else np.random.default_rng([seed, _NOISE_STREAM])
        n = len(population)
        self._counter = OutcomeCounter(
            len(worlds), customers_per_row=(counted or n) / n, noise=noise
        )
        self._months = setting.calendar.months
        self._before = Tally.empty(len(worlds))
        self._rows: Ints | None = None

    @property
    def setting(self) -> Setting:
        """Return customers, rules and days."""
        return self.dynamics.setting

    @property
    def day(self) -> int:
        """Return the days since the start."""
        return self.dynamics.day

    @property
    def done(self) -> bool:
        """Return whether the calendar is over."""
        return self.day >= self.setting.calendar.days

    @property
    def size(self) -> int:
        """Return the number of rows, R."""
        return self.dynamics.size

    @property
    def group(self) -> Ints:
        """Return each row's group, shape (R,)."""
        return self.dynamics.group

    @property
    def weight(self) -> Floats:
        """Return each row's probability to be there now, given how it was treated, shape (R,)."""
        return np.where(self.dynamics.there, self.dynamics.weight, 0.0)

    @property
    def tally(self) -> Tally:
        """Return counts of this calendar month and the one before, by group, as a ledger has."""
        now = self._counter.tally
        return Tally(self._before.observed + now.observed, self._before.expected + now.expected)

    def allowed(self, rows: Ints, delays_days: tuple[int, ...]) -> Bools:
        """Return whether the rules allow a contact with rows after each delay, shape (k, D)."""
        world, day = self.dynamics, self.day
        open_days = self.setting.calendar.open_days(day, delays_days)
        # The rules look at differences of days alone, so days may count from the start.
        standing = Standing(
            last_contact=world.contact_days[rows, 0],
            contacts_in_window=world.contacts_in_window(rows),
            last_accepted=world.accepted_on[rows],
            waiting=np.zeros(len(rows), dtype=np.bool_),
            opted_out=np.zeros(len(rows), dtype=np.bool_),
            churned=~world.there[rows],
        )
        masks = allowed_days(
            standing,
            np.full(len(rows), day),
            np.broadcast_to(open_days, (len(rows), len(delays_days))),
            delays_days,
            self.setting.rules,
        )
        allowed: Bools = np.logical_and.reduce(list(masks.values()))
        return allowed

    def available(self) -> Ints:
        """Return the rows that may be contacted today, ascending."""
        if self._rows is None:
            rows = np.flatnonzero(self.dynamics.there)
            if not self.setting.calendar.open_days(self.day, (0,))[0]:
                rows = rows[:0]
            self._rows = rows[self.allowed(rows, (0,))[:, 0]]
        return self._rows

    def next_chance(self) -> Floats:
        """Return the days until each row may next be contacted, if it is then there, shape (R,).

        Cooldown, rest and the fatigue cap alone: days on which nobody is contacted are left out.
        """
        world, rules = self.dynamics, self.setting.rules
        free = np.max(
            [
                world.contact_days[:, 0] + rules.cooldown_days,
                world.accepted_on + rules.accepted_rest_days,
                world.contact_days[:, rules.fatigue_cap - 1] + rules.fatigue_window_days,
            ],
            axis=0,
        )
        days: Floats = np.maximum(free - self.day, 0).astype(np.float64)
        return days

    def observe(
        self, rows: Ints, multiplier: Floats, wait_days: Floats | None = None
    ) -> Observation:
        """Return the policies' observation of rows.

        Args:
            rows: k rows.
            multiplier: Multiplier of each group, shape (G,), or of each row, shape (R,).
            wait_days: Days until the possible contact, shape (k,); none where left out.

        Raises:
            ValueError: Multipliers of another shape.
        """
        group = self.group[rows]
        if multiplier.shape not in {(self.dynamics.groups,), (self.size,)}:
            raise ValueError(f"multiplier: shape {multiplier.shape} fits neither groups nor rows")
        return observed(
            self.dynamics,
            rows,
            np.zeros(len(rows)) if wait_days is None else wait_days,
            multiplier=multiplier[rows if len(multiplier) == self.size else group],
            belief=self.tally.belief()[group],
        )

    def step(self, rows: Ints, offer: Ints) -> Step:
        """Make contacts today and go on to the next day.

        Args:
            rows: k distinct rows among `available()`.
            offer: Position of the offer made to each, shape (k,).

        Raises:
            ValueError: A contact that the rules don't allow, or a step after the last day.
        """
        self._check(rows, offer)
        world = self.dynamics
        luck, leave = world.luck()
        expected_yes = np.zeros(self.size)
        expected_yes[rows] = self.observe(rows, np.zeros(world.groups)).p_accept[
            np.arange(len(rows)), offer
        ]
        made = world.contact(rows, offer, luck[rows])
        yes = np.zeros(self.size)
        yes[rows] = made.p_accept if self.mode == "integrated" else made.accepted
        weight = self.weight
        self._counter.add("acceptance", weight * yes, weight * expected_yes)
        exposed, leaving = self._exposed(weight), world.hazard()
        gone = world.pass_day(leave if self.mode == "sampled" else None)
        if self.mode == "sampled":
            leaving = np.zeros(self.size)
            leaving[gone] = 1.0
        for signal, (counted, expected) in exposed.items():
            self._counter.add(signal, counted * leaving, counted * expected)
        self._turn_month()
        self._rows = None
        return Step(rows, made.accepted, made.gain, made.cost, 1.0 - leaving)

    def _check(self, rows: Ints, offer: Ints) -> None:
        if self.done:
            raise ValueError(f"the {self.day} days are over")
        offers = len(self.setting.space.offers_pct)
        if offer.shape != rows.shape or ((offer < 0) | (offer >= offers)).any():
            raise ValueError(f"offer: expected {len(rows)} positions below {offers}")
        if len(np.unique(rows)) != len(rows):
            raise ValueError("rows: a row is contacted twice")
        if len(wrong := np.setdiff1d(rows, self.available())):
            raise ValueError(f"row {int(wrong[0])}: no contact is allowed on day {self.day}")

    def _exposed(self, weight: Floats) -> dict[str, tuple[Floats, Floats]]:
        """Return who may leave today, and the hazard that is expected, for each signal, by row."""
        world, nominal = self.dynamics, self.setting.nominal
        p_churn = believed_risk(world, np.arange(self.size))
        hazard = daily_hazard(nominal, p_churn)
        once = disturbed_hazard(nominal, hazard, p_churn, np.ones_like(hazard))
        refused = (world.refusal_ends > self.day).any(axis=1)
        untouched = world.contact_days[:, 0] == NEVER
        return {
            "churn_after_refusal": (weight * refused, once),
            "churn_untouched": (weight * untouched, hazard),
        }

    def _turn_month(self) -> None:
        if not self.done and self._months[self.day] != self._months[self.day - 1]:
            self._before = self._counter.tally
            self._counter.reset()
