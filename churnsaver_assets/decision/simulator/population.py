"""A population that lives: customers of the first day, and an exogenous stream of new ones."""

from dataclasses import dataclass

import numpy as np

from churnsaver_assets.decision.simulator.arrivals import Arrival, asked_days
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.cohort import Cohort
from churnsaver_serving.runtime.arrays import Bools, Floats, Ints

DAYS_A_MONTH = 30
# New customers are like the table's newest: of at most this tenure.
_NEW_MONTHS = 2


@dataclass(frozen=True, slots=True)
class Population:
    """N customers over T days; the same for every policy, whoever they contact.

    Attributes:
        customer: Position of each in the cohort, shape (N,).
        start: Day on which each becomes a customer, shape (N,); 0 for those of the first day.
        age_days: Days since the latest monthly anniversary on that day, shape (N,).
        first: Number of customers of the first day; they come first.
        arrival: The arrival pattern.
        asked: Days on which each is asked about, shape (T, N).
        seed: Seed that the order of requests is drawn from.
    """

    customer: Ints
    start: Ints
    age_days: Ints
    first: int
    arrival: Arrival
    asked: Bools
    seed: int

    def __len__(self) -> int:
        return len(self.customer)

    def months(self, day: int, most: int) -> Ints:
        """Return the anniversaries that each has had by a day, at most `most`, shape (N,)."""
        had: Ints = (day - self.start + self.age_days) // DAYS_A_MONTH
        return had.clip(0, most)

    def risk(self, cohort: Cohort, days: int) -> Floats:
        """Return each one's monthly churn probability on each of some days, shape (days, N)."""
        most = cohort.risk.shape[1] - 1
        return np.stack([cohort.risk[self.customer, self.months(day, most)] for day in range(days)])


def draw_population(
    cohort: Cohort,
    calendar: Calendar,
    *,
    arrival: Arrival,
    new_share: float,
    seed: int,
) -> Population:
    """Draw who joins when, and on which days everyone is asked about.

    Args:
        cohort: The customers; those of the first day, and whom new ones are like.
        calendar: The days.
        arrival: The arrival pattern.
        new_share: New customers a month, as a share of those of the first day.
        seed: Seed for everything drawn.

    Raises:
        ValueError: Nobody in the cohort is new enough to stand for new customers.
    """
    rng = np.random.default_rng([seed, _STREAM])
    n = len(cohort)
    newest = np.flatnonzero(cohort.tenure_months <= _NEW_MONTHS)
    joining = rng.poisson(new_share * n / DAYS_A_MONTH, calendar.days)
    joining[0] = 0
    count = int(joining.sum())
    if count and not len(newest):
        raise ValueError(f"cohort: nobody of {_NEW_MONTHS} months or less to be like new customers")
    new = rng.choice(newest, size=count) if count else np.zeros(0, dtype=np.int64)
    start = np.concatenate(
        [np.zeros(n, dtype=np.int64), np.repeat(np.arange(calendar.days), joining)]
    )
    age = np.concatenate([rng.integers(DAYS_A_MONTH, size=n), np.zeros(count, dtype=np.int64)])
    return Population(
        customer=np.concatenate([np.arange(n), new]),
        start=start,
        age_days=age,
        first=n,
        arrival=arrival,
        asked=asked_days(arrival, calendar, n + count, seed),
        seed=seed,
    )


def everybody(customer: Ints, age_days: Ints, days: int) -> Population:
    """Return customers who are all there from the first day on, asked about daily.

    Args:
        customer: Position of each in the cohort, shape (n,).
        age_days: Days since each one's latest monthly anniversary, shape (n,).
        days: Number of days.
    """
    n = len(customer)
    return Population(
        customer=customer,
        start=np.zeros(n, dtype=np.int64),
        age_days=age_days,
        first=n,
        arrival="daily",
        asked=np.ones((days, n), dtype=np.bool_),
        seed=0,
    )


_STREAM = 11
