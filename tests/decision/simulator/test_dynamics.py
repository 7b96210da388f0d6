"""Dynamics: gains telescope to the value of a path, histories are kept, luck is common."""

import numpy as np

from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.population import draw_population
from churnsaver_serving.runtime.arrays import Floats
from tests.support.decision.cohort import nominal_world, small_setting

_GROUPS, _CUSTOMERS, _DAYS = 400, 60, 120


def _dynamics(groups: int = _GROUPS, *, new_share: float = 0.2, days: int = _DAYS) -> Dynamics:
    setting = small_setting(_CUSTOMERS, days=days)
    population = draw_population(
        setting.cohort, setting.calendar, arrival="daily", new_share=new_share, seed=42
    )
    return Dynamics(setting, population, [nominal_world()] * groups, seed=42)


def test_gains_telescope_to_the_revenue_that_contacts_keep() -> None:
    """Discounted revenue with contacts, less without, is the sum of what contacts were booked at.

    Both are played out day by day and at the end valued by the worth that is left: two estimates of
    one number, which must agree within four standard errors.
    """
    gamma = _dynamics(1).discount
    sums = []
    for contacting in (True, False):
        world = _dynamics()
        revenue, booked = np.zeros(world.groups), np.zeros(world.groups)
        rng = np.random.default_rng(1)
        for day in range(_DAYS):
            accept, leave = world.luck()
            if contacting and day % 9 == 0:
                idle = world.there & (world.offer_ends <= world.day)
                rows = np.flatnonzero(idle & (rng.random(world.size) < 0.5))
                made = world.contact(rows, rng.integers(4, size=len(rows)), accept[rows])
                booked += _by_group(world, rows, gamma**day * made.gain)
            there = np.flatnonzero(world.there)
            revenue += _by_group(world, there, gamma**day * world.charge[there] / 30.0)
            world.pass_day(leave)
        world.day = _DAYS
        there = np.flatnonzero(world.there)
        revenue += _by_group(world, there, gamma**_DAYS * world.worth_now(there))
        sums.append((revenue, booked))
    (touched, booked), (untouched, _) = sums
    found = touched - untouched
    off = found - booked
    assert booked.mean() > 0
    assert abs(off.mean()) < 4.0 * off.std() / np.sqrt(_GROUPS)
    # The claim is sharp enough to fail: the error is a small part of what is claimed.
    assert off.std() / np.sqrt(_GROUPS) < 0.1 * booked.mean()


def _by_group(world: Dynamics, rows: np.ndarray, values: Floats) -> Floats:
    return np.bincount(world.group[rows], weights=values, minlength=world.groups)


def test_luck_is_common_whoever_is_contacted() -> None:
    """The same customers leave on the same days where contacts change nothing for them."""
    alone, beside = _dynamics(2), _dynamics(2)
    for _ in range(30):
        accept, leave = beside.luck()
        rows = np.flatnonzero(beside.there & (beside.member == 0))
        beside.contact(rows, np.zeros(len(rows), dtype=np.int64), accept[rows])
        beside.pass_day(leave)
        alone.pass_day(alone.luck()[1])
    others = alone.member != 0
    assert (alone.left_on[others] == beside.left_on[others]).all()


def test_integrated_leaving_has_the_sampled_expectation() -> None:
    """Weights fall to the share that sampling leaves there, within four standard errors."""
    sampled, integrated = _dynamics(new_share=0.0, days=30), _dynamics(2, new_share=0.0, days=30)
    for _ in range(30):
        sampled.pass_day(sampled.luck()[1])
        integrated.pass_day(None)
    there = sampled.there.reshape(_GROUPS, -1).mean(axis=1)
    expected = integrated.weight[:_CUSTOMERS].mean()
    assert abs(there.mean() - expected) < 4.0 * there.std() / np.sqrt(_GROUPS)


def test_the_window_forgets_and_a_refusal_wears_off() -> None:
    world = _dynamics(1)
    rows = np.array([0])
    world.contact(rows, np.array([0]), np.ones(1))
    untouched = world.worth.hazard[0, :, 0]
    assert world.hazard()[0] > untouched[0]
    for _ in range(29):
        world.pass_day(np.ones(world.size))
    assert world.contacts_in_window(rows).tolist() == [1]
    world.pass_day(np.ones(world.size))
    assert world.contacts_in_window(rows).tolist() == [0]
    assert world.hazard()[0] == untouched[30]


def test_customers_join_on_their_day_and_leave_once() -> None:
    world = _dynamics(1)
    before = world.there.copy()
    for day in range(1, 60):
        world.pass_day(world.luck()[1])
        joining = world.population.start == day
        assert world.there[joining].all()
        gone = world.left_on >= 0
        assert not (world.there & gone).any()
    assert before.sum() == _CUSTOMERS
    assert (world.left_on >= 0).any()
