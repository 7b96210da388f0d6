"""Encoders: what a table row and the same customer over the API are encoded to is one and equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import msgspec
import numpy as np
import pytest

from churnsaver_assets.data.tables.schemas import MONTHS
from churnsaver_assets.experiments.spec import experiment_source, parse_experiment
from churnsaver_assets.tabular.features import (
    LeakedColumnError,
    acceptance_with_month_encoder,
    assert_no_leak,
    churn_risk_encoder,
    encode_frame,
    offer_acceptance_encoder,
)
from churnsaver_serving.runtime.customer import Profile
from churnsaver_serving.runtime.scoring.features import (
    CategoryField,
    EncoderSpec,
    EncodingError,
    FeatureEncoder,
    NumericField,
)

if TYPE_CHECKING:
    import pandas as pd


def test_churn_risk_has_the_fields_of_a_profile_and_no_other(telco: pd.DataFrame) -> None:
    names = [field.name for field in churn_risk_encoder(telco).fields]
    assert names == list(Profile.__struct_fields__)
    assert not {"gender", "customer_id", "churned"} & set(names)


def test_categories_stand_in_the_order_of_the_type(telco: pd.DataFrame) -> None:
    hints = get_type_hints(Profile)
    categories = [f for f in churn_risk_encoder(telco).fields if isinstance(f, CategoryField)]
    assert len(categories) == 10
    for field in categories:
        assert field.categories == get_args(hints[field.name])


def test_a_row_and_the_same_customer_over_the_api_encode_alike(telco: pd.DataFrame) -> None:
    encoder = FeatureEncoder(churn_risk_encoder(telco))
    rows = telco.sample(200, random_state=42)
    bodies = rows[list(Profile.__struct_fields__)].to_json(orient="records", double_precision=15)
    profiles = msgspec.json.decode(bodies, type=list[Profile])
    over_api = encoder.encode(
        {name: [getattr(p, name) for p in profiles] for name in Profile.__struct_fields__}
    )
    np.testing.assert_array_equal(over_api, encode_frame(encoder, rows))


def test_one_hot_columns_say_their_category(telco: pd.DataFrame) -> None:
    encoder = FeatureEncoder(churn_risk_encoder(telco))
    matrix = encode_frame(encoder, telco)
    column = matrix[:, encoder.columns.index("contract=Two year")]
    np.testing.assert_array_equal(column == 1, telco["contract"] == "Two year")
    assert set(np.unique(column)) == {0.0, 1.0}


def test_offer_acceptance_has_no_feature_that_serving_cannot_match(bank: pd.DataFrame) -> None:
    spec = offer_acceptance_encoder(bank)
    assert [field.name for field in spec.fields] == [
        "channel",
        "senior",
        "partner",
        "contacts_this_campaign",
        "previous_contacts",
        "previous_outcome",
    ]
    with_month = acceptance_with_month_encoder(bank).fields
    assert with_month[:-1] == spec.fields
    assert with_month[-1].columns == tuple(
        f"contact_month={month}" for month in MONTHS if (bank["contact_month"] == month).any()
    )
    # Why the days since the previous campaign are out: in training never a fatigue window or more.
    days = bank["days_since_previous_campaign"].dropna()
    assert days.max() < parse_experiment(experiment_source()).rules.fatigue_window_days


def test_a_missing_optional_number_is_missing_not_zero(bank: pd.DataFrame) -> None:
    name = "days_since_previous_campaign"
    encoder = FeatureEncoder(EncoderSpec((NumericField(name, optional=True),)))
    column = encode_frame(encoder, bank)[:, 0]
    np.testing.assert_array_equal(np.isnan(column), bank[name].isna().to_numpy())
    assert np.isnan(column).any()


def test_the_spec_survives_json(telco: pd.DataFrame, bank: pd.DataFrame) -> None:
    for spec in (churn_risk_encoder(telco), offer_acceptance_encoder(bank)):
        assert msgspec.json.decode(msgspec.json.encode(spec), type=EncoderSpec) == spec


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("contract", "Three year", "contract: expected one of 'Month-to-month'"),
        ("monthly_charges_usd", float("nan"), "monthly_charges_usd: expected a finite number"),
        ("monthly_charges_usd", None, "monthly_charges_usd: expected a finite number"),
        ("total_charges_usd", float("inf"), "total_charges_usd: expected a finite number"),
        ("partner", "yes", "partner: expected true or false, got 'yes'"),
    ],
)
def test_a_bad_value_names_its_field(
    telco: pd.DataFrame, name: str, value: Any, message: str
) -> None:
    encoder = FeatureEncoder(churn_risk_encoder(telco))
    table = {column: telco[column].tolist()[:3] for column in Profile.__struct_fields__}
    table[name][1] = value
    with pytest.raises(EncodingError, match=message):
        encoder.encode(table)


def test_a_missing_column_is_named(telco: pd.DataFrame) -> None:
    with pytest.raises(EncodingError, match="missing columns: tenure_months"):
        churn_risk_encoder(telco.drop(columns="tenure_months"))
    encoder = FeatureEncoder(churn_risk_encoder(telco))
    with pytest.raises(EncodingError, match="missing columns: contract"):
        encode_frame(encoder, telco.drop(columns="contract"))


def test_a_category_that_training_never_sees_is_refused(
    telco: pd.DataFrame, bank: pd.DataFrame
) -> None:
    with pytest.raises(EncodingError, match=r"contract: .*never shown: 'Two year'"):
        churn_risk_encoder(telco[telco["contract"] != "Two year"])
    with pytest.raises(EncodingError, match=r"channel: .*unknown: 'fax'"):
        offer_acceptance_encoder(bank.assign(channel="fax"))


@pytest.mark.parametrize("name", ["duration", "churned", "accepted", "customer_id", "fold"])
def test_a_leaked_column_is_refused_by_name(bank: pd.DataFrame, name: str) -> None:
    spec = offer_acceptance_encoder(bank)
    assert_no_leak(spec)
    with pytest.raises(LeakedColumnError, match=name):
        assert_no_leak(EncoderSpec((*spec.fields, NumericField(name))))
