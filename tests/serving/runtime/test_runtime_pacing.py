"""Pacing by a table: the multiplier fits the spend still to come to what is left."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from churnsaver_serving.runtime.pacing import Pacing, PacingError, PacingTable

MULTIPLIERS = (0.0, 0.5, 2.0, 10.0)
DAYS = (0, 3, 10)


def table(contacts: np.ndarray, discounts: np.ndarray) -> PacingTable:
    def nested(values: np.ndarray) -> tuple:
        return tuple(tuple(tuple(row) for row in level) for level in values.tolist())

    return PacingTable(MULTIPLIERS, DAYS, nested(contacts), nested(discounts))


def falling(rng: np.random.Generator) -> np.ndarray:
    """Spend that falls with the multiplier from now on, as simulated spend does."""
    shape = (len(MULTIPLIERS) + 1, len(MULTIPLIERS), len(DAYS))
    return np.sort(rng.uniform(0.1, 5.0, shape), axis=1)[:, ::-1]


def made(number: int) -> Pacing:
    rng = np.random.default_rng(number)
    return Pacing(table(falling(rng), falling(rng)))


numbers = st.integers(0, 1000)
days = st.integers(0, 40)
money = st.floats(0, 20_000)
least = st.one_of(st.none(), st.floats(0, 20))
ratios = st.floats(0.1, 5)
people = st.integers(0, 2000).map(float)


@seed(42)
@given(
    number=numbers,
    day=days,
    less=money,
    more=money,
    decided=people,
    undecided=people,
    before=least,
    ratio=ratios,
)
def test_falls_with_money_and_stays_in_range(
    *,
    number: int,
    day: int,
    less: float,
    more: float,
    decided: float,
    undecided: float,
    before: float | None,
    ratio: float,
) -> None:
    pacing = made(number)
    less, more = sorted((less, more))
    poor, rich = (
        pacing.multiplier(
            day,
            remaining,
            customers=decided,
            undecided=undecided,
            least_before=before,
            acceptance_ratio=ratio,
        )
        for remaining in (less, more)
    )
    assert 0.0 <= rich <= poor <= MULTIPLIERS[-1]


@seed(42)
@given(
    number=numbers,
    day=days,
    remaining=money,
    customers=people,
    before=least,
    low=ratios,
    high=ratios,
)
def test_rises_with_acceptance(
    *,
    number: int,
    day: int,
    remaining: float,
    customers: float,
    before: float | None,
    low: float,
    high: float,
) -> None:
    pacing = made(number)
    low, high = sorted((low, high))
    seldom, often = (
        pacing.multiplier(
            day, remaining, customers=customers, least_before=before, acceptance_ratio=ratio
        )
        for ratio in (low, high)
    )
    assert seldom <= often + 1e-9


@seed(42)
@given(
    number=numbers,
    day=days,
    remaining=st.floats(1, 20_000),
    customers=st.floats(1, 1000),
    factor=st.floats(1, 3),
    before=least,
)
def test_rises_with_customers(
    *,
    number: int,
    day: int,
    remaining: float,
    customers: float,
    factor: float,
    before: float | None,
) -> None:
    pacing = made(number)
    few, many = (
        pacing.multiplier(day, remaining, customers=count, least_before=before)
        for count in (customers, customers * factor)
    )
    assert few <= many + 1e-9


@seed(42)
@given(
    number=numbers,
    day=days,
    decided=people,
    undecided=people,
    before=least,
    ratio=ratios,
    share=st.floats(0, 1),
)
def test_uses_up_what_is_left(
    *,
    number: int,
    day: int,
    decided: float,
    undecided: float,
    before: float | None,
    ratio: float,
    share: float,
) -> None:
    """At the multiplier set, the spend forecast is the money that is left."""
    pacing = made(number)
    spend = undecided * pacing.forecast(day, least_before=None, acceptance_ratio=ratio)
    spend += decided * pacing.forecast(day, least_before=before, acceptance_ratio=ratio)
    remaining = float(spend[-1] + share * (spend[0] - spend[-1]))
    multiplier = pacing.multiplier(
        day,
        remaining,
        customers=decided,
        undecided=undecided,
        least_before=before,
        acceptance_ratio=ratio,
    )
    found = np.interp(np.log1p(multiplier), np.log1p(MULTIPLIERS), spend)
    assert found == pytest.approx(remaining, rel=1e-6, abs=1e-6)


@seed(42)
@given(numbers, days, least, ratios)
def test_forecast_never_rises_with_the_multiplier(
    number: int, day: int, before: float | None, ratio: float
) -> None:
    rng = np.random.default_rng(number)
    shape = (len(MULTIPLIERS) + 1, len(MULTIPLIERS), len(DAYS))
    noisy = Pacing(table(rng.uniform(0, 5, shape), rng.uniform(0, 5, shape)))
    forecast = noisy.forecast(day, least_before=before, acceptance_ratio=ratio)
    assert (np.diff(forecast) <= 0).all()


def test_reads_the_table_where_it_has_entries() -> None:
    rng = np.random.default_rng(42)
    contacts, discounts = falling(rng), falling(rng)
    pacing = Pacing(table(contacts, discounts))
    for row, before in enumerate((*MULTIPLIERS, None)):
        for column, day in enumerate(DAYS):
            forecast = pacing.forecast(day, least_before=before, acceptance_ratio=2.0)
            expected = contacts[row, :, column] + 2.0 * discounts[row, :, column]
            assert forecast == pytest.approx(expected)


def test_interpolates_between_days_and_multipliers() -> None:
    contacts = np.zeros((5, 4, 3))
    contacts[1, 0], contacts[2, 0] = [8.0, 4.0, 4.0], [2.0, 1.0, 1.0]
    pacing = Pacing(table(contacts, np.zeros_like(contacts)))
    middle = float(np.expm1((np.log1p(0.5) + np.log1p(2.0)) / 2.0))
    forecast = pacing.forecast(1, least_before=middle, acceptance_ratio=1.0)
    assert forecast[0] == pytest.approx((8.0 + 2.0) / 2.0 * 2 / 3 + (4.0 + 1.0) / 2.0 / 3)


def test_money_for_everything_is_worth_nothing_more() -> None:
    pacing = made(1)
    assert pacing.multiplier(0, np.inf, customers=100.0) == 0.0
    assert pacing.multiplier(0, 0.0, customers=100.0) == pytest.approx(MULTIPLIERS[-1])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("multipliers", (0.0, 2.0, 0.5, 10.0)),
        ("multipliers", (0.1, 0.5, 2.0, 10.0)),
        ("multipliers", (0.0, 0.5, 0.5, 10.0)),
        ("multipliers", (0.0,)),
        ("switch_days", (1, 3, 10)),
        ("switch_days", (0, 10, 3)),
        ("contacts_usd", ()),
        ("discounts_usd", (((1.0,),),)),
    ],
)
def test_refuses_tables_that_contradict_themselves(field: str, value: tuple) -> None:
    with pytest.raises(PacingError, match=field):
        msgspec.structs.replace(made(1).table, **{field: value})


def test_survives_json() -> None:
    before = made(1).table
    assert msgspec.json.decode(msgspec.json.encode(before), type=PacingTable) == before
