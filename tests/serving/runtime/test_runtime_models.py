"""Encoder, scores, calibrators, acceptance and reasons."""

from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from churnsaver_serving.runtime.customer import ContactHistory, Customer, Profile
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.calibration import (
    Beta,
    Calibrator,
    Isotonic,
    Platt,
    VennAbers,
    logit,
    sigmoid,
)
from churnsaver_serving.runtime.scoring.features import (
    CategoryField,
    EncoderSpec,
    EncodingError,
    FeatureEncoder,
    FlagField,
    NumericField,
)
from churnsaver_serving.runtime.scoring.reasons import strongest_drivers
from churnsaver_serving.runtime.scoring.scores import (
    CALIBRATOR_FILE,
    ENCODER_FILE,
    MODEL_FILE,
    ModelError,
    ScoringModel,
)
from tests.support.serving.observations import served_observation
from tests.support.serving.profiles import AT_RISK, LOYAL, random_profiles
from tests.support.serving.release import SEED, assumptions

PROFILES = random_profiles(40, np.random.default_rng(SEED))
SPEC = EncoderSpec(
    (
        NumericField("age"),
        NumericField("days", optional=True),
        FlagField("partner"),
        CategoryField("plan", ("basic", "plus", "pro")),
    )
)
ROWS = st.tuples(
    st.floats(-1e6, 1e6),
    st.none() | st.floats(0, 1e4),
    st.booleans(),
    st.sampled_from(["basic", "plus", "pro"]),
)
MARGINS = np.linspace(-6, 6, 101)
TODAY = date(2026, 11, 2)


def table_of(profiles: list[Profile]) -> dict[str, list[Any]]:
    return {name: [getattr(p, name) for p in profiles] for name in Profile.__struct_fields__}


@seed(42)
@given(st.lists(ROWS, min_size=1, max_size=20))
def test_encoding_is_row_by_row(rows: list[tuple[Any, ...]]) -> None:
    encoder = FeatureEncoder(SPEC)
    names = [field.name for field in SPEC.fields]
    columns = [list(column) for column in zip(*rows, strict=True)]
    matrix = encoder.encode(dict(zip(names, columns, strict=True)))
    assert matrix.shape == (len(rows), 6)
    assert matrix.dtype == np.float32
    for row, (age, days, partner, plan) in zip(matrix, rows, strict=True):
        expected = [age, np.nan if days is None else days, partner]
        expected += [plan == category for category in ("basic", "plus", "pro")]
        np.testing.assert_array_equal(row, np.array(expected, dtype=np.float32))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("age", float("nan"), "age: expected a finite number, got nan in row 1"),
        ("age", None, "age: expected a finite number, got None in row 1"),
        ("age", "old", "age: expected numbers"),
        ("days", float("inf"), "days: expected a finite number, got inf in row 1"),
        ("partner", 2, "partner: expected true or false, got 2 in row 1"),
        ("partner", "yes", "partner: expected true or false, got 'yes' in row 1"),
        ("plan", "gold", "plan: expected one of 'basic', 'plus', 'pro', got 'gold' in row 1"),
    ],
)
def test_encoding_names_the_bad_value(column: str, value: Any, message: str) -> None:
    table: dict[str, list[Any]] = {
        "age": [1, 2],
        "days": [None, 3],
        "partner": [True, 0],
        "plan": ["basic", "pro"],
    }
    table[column][1] = value
    with pytest.raises(EncodingError, match=message):
        FeatureEncoder(SPEC).encode(table)


def test_encoding_names_missing_columns() -> None:
    with pytest.raises(EncodingError, match="missing columns: days, plan"):
        FeatureEncoder(SPEC).encode({"age": [1], "partner": [True]})


def test_model_travels_in_its_files(risk: ScoringModel) -> None:
    again = ScoringModel.from_files(risk.to_files())
    table = table_of(PROFILES)
    np.testing.assert_array_equal(again.score(table), risk.score(table))
    assert again.to_files() == risk.to_files()


@pytest.mark.parametrize("name", [MODEL_FILE, CALIBRATOR_FILE, ENCODER_FILE])
def test_broken_model_files_are_named(risk: ScoringModel, name: str) -> None:
    files = risk.to_files()
    with pytest.raises(ModelError, match=name):
        ScoringModel.from_files(files | {name: b"junk"})
    del files[name]
    with pytest.raises(ModelError, match=f"{name} is missing"):
        ScoringModel.from_files(files)


def test_model_and_encoder_must_fit(risk: ScoringModel) -> None:
    other = EncoderSpec(risk.encoder.spec.fields[:-1])
    with pytest.raises(ModelError, match=r"model\.ubj has \d+ features, encoder\.json encodes"):
        ScoringModel.from_files(risk.to_files() | {ENCODER_FILE: msgspec.json.encode(other)})


def test_contributions_add_up_to_the_margin(risk: ScoringModel) -> None:
    matrix = risk.encoder.encode(table_of(PROFILES))
    contributions = risk.contributions(matrix)
    assert contributions.shape == (40, len(risk.encoder.spec.fields) + 1)
    np.testing.assert_allclose(contributions.sum(axis=1), risk.margin(matrix), atol=1e-4)


def test_drivers_are_the_strongest_contributions(risk: ScoringModel) -> None:
    table = table_of([AT_RISK, LOYAL])
    contributions = risk.contributions(risk.encoder.encode(table))
    for row, profile in enumerate((AT_RISK, LOYAL)):
        drivers = strongest_drivers(risk.encoder, table, contributions[row], row)
        own = contributions[row, :-1]
        strongest = sorted(np.abs(own), reverse=True)[:3]
        assert [abs(driver.contribution) for driver in drivers] == pytest.approx(
            strongest, abs=1e-4
        )
        for driver in drivers:
            assert driver.value == getattr(profile, driver.code)
            assert driver.effect == ("raises" if driver.contribution > 0 else "lowers")


CALIBRATORS: list[Calibrator] = [
    Platt(slope=1.3, intercept=-0.2),
    Beta(a=0.8, b=1.4, c=0.1),
    Isotonic(margins=(-2.0, 0.0, 3.0), probabilities=(0.0, 0.4, 1.0), floor=0.01),
    VennAbers(thresholds=(-1.0, 1.0), p0=(0.05, 0.2, 0.6), p1=(0.1, 0.3, 0.8)),
]


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda one: type(one).__name__)
def test_calibrators_rise_between_0_and_1_and_travel_as_json(calibrator: Calibrator) -> None:
    probability = calibrator.transform(MARGINS)
    assert (np.diff(probability) >= 0).all()
    assert (probability > 0).all()
    assert (probability < 1).all()
    again: Calibrator = msgspec.json.decode(msgspec.json.encode(calibrator), type=Calibrator)
    np.testing.assert_array_equal(again.transform(MARGINS), probability)


def test_calibrators_formulas() -> None:
    q = 1 / (1 + np.exp(-MARGINS))
    np.testing.assert_allclose(Platt(1.0, 0.0).transform(MARGINS), q)
    np.testing.assert_allclose(Beta(1.0, 1.0, 0.0).transform(MARGINS), q)
    odds = np.exp(0.1) * q**0.8 / (1 - q) ** 1.4  # Kull et al. 2017, eq. 4
    np.testing.assert_allclose(CALIBRATORS[1].transform(MARGINS), odds / (1 + odds))
    at = np.array([-9.0, -1.0, 1.5, 9.0])
    np.testing.assert_allclose(CALIBRATORS[2].transform(at), [0.01, 0.2, 0.7, 0.99])
    at = np.array([-2.0, 0.0, 2.0])
    expected = [0.1 / (1 - 0.05 + 0.1), 0.3 / (1 - 0.2 + 0.3), 0.8 / (1 - 0.6 + 0.8)]
    np.testing.assert_allclose(CALIBRATORS[3].transform(at), expected)


@seed(42)
@given(st.floats(-700, 700))
def test_sigmoid_never_overflows(margin: float) -> None:
    p = float(sigmoid(np.array(margin)))
    assert 0 <= p <= 1
    if abs(margin) < 15:
        assert logit(np.array(p)) == pytest.approx(margin, abs=1e-7)


def customer(profile: Profile = AT_RISK, **history: Any) -> Customer:
    return Customer("c", profile, "cellular", ContactHistory(**history))


def contacted(day: date) -> Customer:
    return customer(contacts_in_window=1, last_contact_on=day)


def test_acceptance_is_the_models_score_of_the_contact_being_made(
    acceptance: AcceptanceModel,
) -> None:
    one = customer(
        contacts_in_window=2,
        last_contact_on=date(2026, 10, 30),
        previous_contact_on=date(2026, 9, 1),
        previous_contacts=1,
        previous_outcome="success",
    )
    row = {
        "channel": ["cellular"],
        "senior": [AT_RISK.senior_citizen],
        "partner": [AT_RISK.partner],
        "contacts_this_campaign": [3],
        "previous_contacts": [1],
        "previous_outcome": ["success"],
    }
    scores = acceptance.base([one, customer()])
    assert scores[0] == acceptance.model.score(row)[0]
    assert scores[0] > scores[1]


def test_acceptance_adds_the_declared_effects(acceptance: AcceptanceModel) -> None:
    offers, world = (0, 5, 10, 20), assumptions().nominal()
    both = [customer(), contacted(TODAY - timedelta(days=2))]
    base = logit(acceptance.base(both))[:, None] + 0.10 * np.array(offers)
    seen = served_observation(acceptance, both, TODAY, world, offers)
    np.testing.assert_allclose(logit(seen.p_accept)[0], base[0])
    np.testing.assert_allclose(logit(seen.p_accept)[1], base[1] - 0.5 * np.exp(-2 / 7))


def test_waiting_shifts_acceptance_by_recency_alone(acceptance: AcceptanceModel) -> None:
    """Whatever the waiting, one who was never contacted accepts alike; one just asked, later more.

    The months of Bank Marketing are no reason to wait: they were a selection.
    """
    both = [customer(), contacted(TODAY - timedelta(days=1))]
    now, later = (
        served_observation(
            acceptance, both, TODAY, assumptions().nominal(), (0, 20), wait=wait
        ).p_accept
        for wait in (0, 30)
    )
    np.testing.assert_array_equal(now[0], later[0])
    recovered = 0.5 * (np.exp(-1 / 7) - np.exp(-31 / 7))
    np.testing.assert_allclose(logit(later[1]) - logit(now[1]), recovered)


def test_acceptance_of_a_batch_is_that_of_each(acceptance: AcceptanceModel) -> None:
    batch = [customer(profile) for profile in PROFILES]
    together = acceptance.base(batch)
    assert len(set(together.tolist())) > 1
    np.testing.assert_array_equal(together, [acceptance.base([one])[0] for one in batch])


def test_acceptance_refuses_a_model_of_what_no_customer_gives(risk: ScoringModel) -> None:
    with pytest.raises(ModelError, match=r"tenure_months.*: expected only fields among channel, "):
        AcceptanceModel(risk)


def test_a_pending_contact_counts_as_todays(acceptance: AcceptanceModel) -> None:
    three = [customer(), *(contacted(TODAY + timedelta(days=days)) for days in (-5, 5))]
    seen = served_observation(acceptance, three, TODAY, assumptions().nominal(), (0, 20))
    np.testing.assert_array_equal(seen.days_since_contact, [np.inf, 5, 0])
