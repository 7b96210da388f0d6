"""Worth by sums: the same as adding the days up, and as the closed forms where nothing ages."""

import numpy as np
import pytest

from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.population import draw_population
from churnsaver_assets.decision.simulator.worth import Worth
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.world.effects import RISK_MONTHS, contact_terms, daily_discount
from tests.support.decision.cohort import at_risk, nominal_world, small_setting

_DAYS, _ROWS, _REFUSALS = 60, 5, 4
_FAR = 4000


@pytest.fixture
def risk() -> Floats:
    """Risks that change from day to day, the last day's for ever."""
    return np.random.default_rng(42).uniform(0.02, 0.7, (_DAYS, _ROWS))


@pytest.fixture
def charge() -> Floats:
    return np.linspace(20.0, 100.0, _ROWS)


def _added_up(worth: Worth, charge: Floats, row: int, levels: list[int]) -> float:
    """Add up the expected discounted revenue of one row, at a level on each day."""
    gamma, revenue = float(daily_discount(nominal_world())), charge[row] / 30.0
    there, total = 1.0, 0.0
    for ahead in range(_FAR):
        day = min(_DAYS - 1, ahead)
        level = levels[ahead] if ahead < len(levels) else 0
        total += there * revenue
        there *= gamma * (1.0 - worth.hazard[level, day, row])
    return total


def test_untouched_is_the_sum_over_days(risk: Floats, charge: Floats) -> None:
    worth = Worth(nominal_world(), risk, charge, _REFUSALS)
    for row in range(_ROWS):
        expected = _added_up(worth, charge, row, [])
        assert worth.untouched[0, row] == pytest.approx(expected, rel=1e-9)


def test_offer_and_refusals_are_the_sums_over_days(risk: Floats, charge: Floats) -> None:
    """An offer binds until its day; each refusal is forgotten on its own."""
    worth = Worth(nominal_world(), risk, charge, _REFUSALS)
    rows: Ints = np.arange(_ROWS)
    for offer in range(worth.offers):
        held = worth.accepted(rows, 0, np.full(_ROWS, offer), np.full(_ROWS, 40))
        expected = [_added_up(worth, charge, row, [1 + offer] * 40) for row in rows]
        assert held == pytest.approx(expected, rel=1e-9)
    forgotten = np.tile([30, 7, 18, -5], (_ROWS, 1))
    counts = [sum(end > day for end in (30, 7, 18)) for day in range(30)]
    levels = [worth.offers + count for count in counts]
    expected = [_added_up(worth, charge, row, levels) for row in rows]
    assert worth.refused(rows, 0, forgotten) == pytest.approx(expected, rel=1e-9)


def test_equals_the_closed_forms_where_nothing_ages() -> None:
    """What the simulator books for a contact is what the decision path reckons."""
    setting = small_setting(50, days=5)
    cohort = setting.cohort
    constant = at_risk(cohort, cohort.p_churn)
    population = draw_population(
        constant, setting.calendar, arrival="daily", new_share=0.0, seed=42
    )
    world = nominal_world()
    plain = type(setting)(constant, setting.space, setting.rules, setting.calendar, world)
    dynamics = Dynamics(plain, population, [world], seed=42)
    rows: Ints = np.arange(50)
    p_accept = dynamics.p_accept(rows)
    terms = contact_terms(
        world,
        setting.space.offers_pct,
        risk=np.tile(constant.p_churn[:, None], (1, len(RISK_MONTHS))),
        monthly_charge_usd=constant.monthly_charge_usd,
        p_accept=p_accept,
    )
    for offer in range(4):
        made = dynamics.copy().contact(rows, np.full(50, offer), np.ones(50))
        assert made.gain == pytest.approx(terms.gain[:, offer], rel=1e-9)
        assert made.cost == pytest.approx(terms.cost[:, offer], rel=1e-9)
