"""Days and histories of the relaxed programmes: how far back they remember contacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_serving.runtime.arrays import Bools, Ints

# Log-odds of acceptance lost to a contact so long ago that it may be forgotten.
_FORGOTTEN_LOG_ODDS = 0.02

# Contacts before the latest that are remembered.
_EARLIER = 3

NOT_ASKED = -1_000_000


@dataclass(frozen=True, slots=True)
class Timing:
    """The days that a programme's states count, the same for every customer.

    The latest contact's day is remembered, and a pattern of earlier ones. Each of these is rounded
    up to a step of days before the latest, so it counts as older than it is, and is forgotten no
    later.

    Attributes:
        first: The first day, days since the calendar's start.
        days: Number of days bounded, H.
        gap: Least number of days between two contacts.
        rest: Least number of days from an accepted offer to the next contact.
        remembered: Days after which a refused contact is forgotten; acceptance and hazard are then
            those of an untouched customer.
        raised: Days for which a refusal raises the hazard.
        window: Days of the fatigue window.
        cap: Most contacts within it.
        lasting: Days for which a contact before the latest is remembered.
        steps: Days before the latest contact at which earlier ones are remembered, ascending.
        patterns: Days of earlier contacts before the latest, ascending, each pattern that may be.
        delays: Days within which a contact follows on a day on which the customer is asked about.
        contact_days: Days that the latest contact may be on, ascending, negative before the first
            day, shape (W,).
        working: Whether contacts are made on each day, shape (H,).
        working_before: The latest working day before each day, -1 for none, shape (H,).
    """

    first: int
    days: int
    gap: int
    rest: int
    remembered: int
    raised: int
    window: int
    cap: int
    lasting: int
    steps: tuple[int, ...]
    patterns: tuple[tuple[int, ...], ...]
    delays: tuple[int, ...]
    contact_days: Ints
    working: Bools
    working_before: Ints

    @classmethod
    def of(cls, dynamics: Dynamics) -> "Timing":
        """Return the timing of a bound from the dynamics' day on."""
        calendar, rules = dynamics.setting.calendar, dynamics.setting.rules
        first = dynamics.day
        remembered = remembered_days(dynamics)
        before = np.unique(dynamics.contact_days[:, 0])
        before = before[before > first - remembered]
        working = calendar.working[first:]
        ahead = np.flatnonzero(working)
        gap, cap = max(rules.cooldown_days, 1), max(rules.fatigue_cap, 1)
        raised = round(dynamics.setting.nominal.refusal_days)
        lasting = min(raised, rules.fatigue_window_days)
        steps = _steps(gap, lasting) if cap > 1 else ()
        return cls(
            first=first,
            days=calendar.days - first,
            gap=gap,
            rest=max(rules.accepted_rest_days, 1),
            remembered=remembered,
            raised=raised,
            window=rules.fatigue_window_days,
            cap=cap,
            lasting=lasting,
            steps=steps,
            patterns=_patterns(steps, gap, min(cap - 1, _EARLIER)),
            delays=dynamics.setting.space.delays_days,
            contact_days=np.union1d(before - first, ahead),
            working=working,
            working_before=np.append(-1, ahead)[ahead.searchsorted(np.arange(len(working)))],
        )

    @property
    def states(self) -> int:
        """Return the number of states: patterns times contact days, and the untouched."""
        return len(self.patterns) * len(self.contact_days) + 1

    @property
    def earlier(self) -> int:
        """Return the most contacts before the latest in a pattern."""
        return max(len(pattern) for pattern in self.patterns)

    def position(self, day: int) -> int:
        """Return the position of the first contact day that is not before `day`."""
        return int(np.searchsorted(self.contact_days, day))

    def pattern(self, gaps: Sequence[int]) -> tuple[int, ...]:
        """Return the pattern of contacts so many days before the latest, each rounded up."""
        return _rounded(self.steps, gaps, self.earlier)

    def after(self, pattern: tuple[int, ...], since: int) -> tuple[int, ...]:
        """Return the pattern after one more refusal so many days after the latest."""
        return self.pattern([since, *(since + gap for gap in pattern)])

    def history(self, days: Sequence[int]) -> tuple[int, ...]:
        """Return the pattern that refusals on some days leave, each day at least a gap apart."""
        pattern: tuple[int, ...] = ()
        for before, day in pairwise(sorted(days)):
            pattern = self.after(pattern, day - before)
        return pattern

    def limit(self, pattern: tuple[int, ...]) -> int:
        """Return the days after the latest contact at which the oldest remembered is forgotten."""
        return self.lasting - pattern[-1] if pattern else self.remembered

    def age(self, since: int, earlier: int) -> int:
        """Return the place in the table of acceptance.

        Args:
            since: Days since the latest contact; `remembered` or more for who remembers none.
            earlier: Number of contacts remembered before it.
        """
        ages = self.remembered - self.gap
        whole = (1 + self.earlier) * ages
        return whole if since >= self.remembered else earlier * ages + since - self.gap


def remembered_days(dynamics: Dynamics) -> int:
    """Return the days after which a refused contact is forgotten.

    By then it raises no hazard, is out of the fatigue window, and takes next to nothing off the
    log-odds to accept.
    """
    rules, delays = dynamics.setting.rules, dynamics.setting.space.delays_days
    fading = [
        world.recency_decay_days * np.log(world.recency_penalty / _FORGOTTEN_LOG_ODDS)
        for world in set(dynamics.worlds)
        if world.recency_penalty > _FORGOTTEN_LOG_ODDS
    ]
    return max(
        rules.fatigue_window_days,
        # Who is asked about when nothing is remembered was out of the cooldown already.
        rules.cooldown_days + max(delays) + 1,
        round(dynamics.setting.nominal.refusal_days),
        *(int(np.ceil(days)) for days in fading),
    )


def _steps(gap: int, lasting: int) -> tuple[int, ...]:
    """Return the days that gaps between contacts are rounded up to: two for each cooldown."""
    halves = {max(round(gap * (1.0 + half / 2.0)), gap) for half in range(2 * _EARLIER + 1)}
    return tuple(sorted(day for day in halves if day < lasting))


def _rounded(steps: tuple[int, ...], gaps: Sequence[int], most: int) -> tuple[int, ...]:
    places = np.searchsorted(steps, sorted(gaps)[:most])
    return tuple(sorted({steps[place] for place in places.tolist() if place < len(steps)}))


def _patterns(steps: tuple[int, ...], gap: int, most: int) -> tuple[tuple[int, ...], ...]:
    """Return the patterns that contacts so many days apart leave, the empty one first."""
    found: list[tuple[int, ...]] = [()]
    for pattern in found:
        for since in range(gap, steps[-1] + 1) if steps else ():
            one = _rounded(steps, [since, *(since + earlier for earlier in pattern)], most)
            # The oldest are forgotten one by one.
            found += [one[:kept] for kept in range(1, len(one) + 1) if one[:kept] not in found]
    return tuple(found)
