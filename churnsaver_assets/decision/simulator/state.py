"""The state of a simulated period: open cases, past contacts, and the actions allowed today."""

from collections.abc import Sequence

import numpy as np

from churnsaver_assets.decision.simulator.probabilities import History, Probabilities
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.decision.simulator.worlds import Worlds
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints
from churnsaver_serving.runtime.assumptions import CONTRACT_TERMS, World


class State:
    """The state of R = groups * n rows: a group's rows side by side, each the same n customers.

    Attributes:
        group: Group of each row, shape (R,).
        worlds: True world of each row.
        p_churn: Churn probability by the risk model, shape (R,); `believed_p` is the one that
            policies are told.
        charge: Monthly charge, USD, shape (R,).
        day: Days since the period began.
        open: True for rows that have neither left nor accepted an offer, shape (R,).
        left: True for rows that have left, shape (R,).
        contacts: Number of contacts in the window, shape (R,).
        refusals: Number of refusals in the period, shape (R,).
        days_since: Days since the latest contact, infinity for never, shape (R,).
        weight: Probability of the row's being an open case; in sampled mode 1 or 0, shape (R,).
        pending: Action decided on and still to come, or no contact, shape (R,).
        pending_in: Days until that action, shape (R,).
        responsiveness: Acceptance log-odds that no model knows of, shape (R,).
    """

    def __init__(self, setting: Setting, worlds: Sequence[World]) -> None:
        _check_worlds(setting, worlds)
        n, groups = len(setting.cohort), len(worlds)
        self.setting = setting
        self.groups = groups
        self.size = groups * n
        self.group = np.repeat(np.arange(groups), n)
        self.customer = np.tile(np.arange(n), groups)
        self.worlds = Worlds.of_groups(worlds, n)
        offers = setting.space.offers_pct
        believed = setting.believed or setting.cohort
        # One world for all is plain numbers: quicker than a row's own looked up each time.
        effects = worlds[0] if len(set(worlds)) == 1 else self.worlds
        self._true = Probabilities(effects, setting.cohort, self.customer, offers)
        self._believed = Probabilities(setting.nominal, believed, self.customer, offers)
        self.p_churn, self.believed_p = self._true.p_churn, self._believed.p_churn
        self.charge = setting.cohort.monthly_charge_usd[self.customer]

    def _begin(self, contacts: Floats | None, days_since: Floats | None, spread: Floats) -> None:
        """Begin with everybody there and these contacts before; `spread` is standard normal."""
        self.day = 0
        self.open = np.ones(self.size, dtype=np.bool_)
        self.left = np.zeros(self.size, dtype=np.bool_)
        self.contacts = np.zeros(self.size) if contacts is None else contacts.astype(np.float64)
        self.refusals = np.zeros(self.size)
        self.days_since = np.full(self.size, np.inf) if days_since is None else days_since.copy()
        self.weight = np.ones(self.size)
        self.pending = np.full(self.size, NO_CONTACT, dtype=np.int64)
        self.pending_in = np.zeros(self.size, dtype=np.int64)
        self.responsiveness = spread * self.worlds.responsiveness
        self._true.begin(self.responsiveness)
        self._believed.begin()
        self._eligible: Bools | None = None

    @property
    def done(self) -> bool:
        """Return whether the period is over."""
        return self.day >= self.setting.calendar.days

    @property
    def days_left(self) -> int:
        """Return the days left of the period, today included."""
        return self.setting.calendar.days - self.day

    def hazard(self) -> Floats:
        """Return the true probability to leave today without a contact, shape (R,)."""
        return self._true.hazard.copy()

    def p_accept(self, rows: Ints | None = None) -> Floats:
        """Return the true probability to accept each offer today, shape (len(rows), O)."""
        return self._acceptance(self._true, self._rows(rows), 0)

    def believed_p_accept(self, rows: Ints | None = None, delay: int = 0) -> Floats:
        """Return the acceptance that policies believe in, `delay` days from now."""
        return self._acceptance(self._believed, self._rows(rows), delay)

    def eligible(self) -> Bools:
        """Return joint actions that the rules allow today, shape (R, size)."""
        if self._eligible is None:
            self._eligible = self._allowed(self.contacts < self.setting.rules.fatigue_cap)
        return self._eligible.copy()

    def available(self) -> Bools:
        """Return rows that may be contacted today, shape (R,)."""
        return self._today(self.eligible())

    def at_cap(self) -> Bools:
        """Return rows that could be contacted today but for the fatigue cap, shape (R,)."""
        return self._today(self._allowed(self.contacts >= self.setting.rules.fatigue_cap))

    def _rows(self, rows: Ints | None) -> Ints:
        return np.arange(self.size) if rows is None else rows

    def _acceptance(self, probabilities: Probabilities, rows: Ints, delay: int) -> Floats:
        history = History(self.days_since[rows] + delay, self.contacts[rows])
        return probabilities.p_accept(rows, history)

    def _allowed(self, among: Bools) -> Bools:
        """Return joint actions that all rules but the fatigue cap allow to the rows `among`."""
        space, rules, calendar = self.setting.space, self.setting.rules, self.setting.calendar
        free = self.open & (self.pending == NO_CONTACT) & among
        result = np.zeros((self.size, space.size), dtype=np.bool_)
        result[:, NO_CONTACT] = True
        offers = len(space.offers_pct)
        for position, delay in enumerate(space.delays_days):
            day = self.day + delay
            if day < calendar.days and calendar.working[day]:
                rested = self.days_since + delay >= rules.cooldown_days
                start = 1 + position * offers
                result[:, start : start + offers] = (free & rested)[:, None]
        return result

    def _today(self, allowed: Bools) -> Bools:
        """Return the rows with a contact today among joint actions, shape (R, size)."""
        if self.setting.space.delays_days[0] > 0:
            return np.zeros(self.size, dtype=np.bool_)
        first: Bools = allowed[:, 1]
        return first


def _check_worlds(setting: Setting, worlds: Sequence[World]) -> None:
    if not worlds:
        raise ValueError("worlds: expected one for each group, got none")
    for world in worlds:
        for name in sorted(CONTRACT_TERMS):
            if getattr(world, name) != getattr(setting.nominal, name):
                raise ValueError(
                    f"worlds: {name} is {getattr(world, name)}, the nominal world's "
                    f"{getattr(setting.nominal, name)}; contract terms can't be wrong"
                )
        if len(world.save_effect) != len(setting.space.offers_pct):
            raise ValueError(f"worlds: save_effect has {len(world.save_effect)} numbers")
