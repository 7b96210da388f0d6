"""Encoders of the two tabular models, and the guard that keeps leaked columns out of them.

Encoding itself is the runtime's `FeatureEncoder`: one for training and serving.
"""

from typing import Any, Literal, get_args, get_origin, get_type_hints

import pandas as pd

from churnsaver_assets.data.tables.leaks import leaked_columns
from churnsaver_assets.data.tables.schemas import MONTHS
from churnsaver_serving.runtime.arrays import Floats32
from churnsaver_serving.runtime.customer import Channel, Outcome, Profile
from churnsaver_serving.runtime.scoring.features import (
    CategoryField,
    EncoderSpec,
    EncodingError,
    FeatureEncoder,
    Field,
    FlagField,
    NumericField,
)


class LeakedColumnError(ValueError):
    """An encoder uses a column that isn't known when a decision is made."""


def churn_risk_encoder(telco: pd.DataFrame) -> EncoderSpec:
    """Return the fields of churn risk: those of `Profile`, so that the API can send each of them.

    Args:
        telco: The table `telco_customers`.

    Raises:
        EncodingError: The table lacks a field, or its values of one aren't those `Profile` allows.
            A category that the table never shows would be answered by an untrained column.
    """
    fields = []
    for name, kind in get_type_hints(Profile).items():
        field = _field(name, kind)
        if isinstance(field, CategoryField):
            _check_categories(telco, field)
        fields.append(field)
    return _require_columns(EncoderSpec(tuple(fields)), telco)


def offer_acceptance_encoder(bank: pd.DataFrame) -> EncoderSpec:
    """Return the fields of offer acceptance: those that Bank Marketing and our customers share.

    Month and weekday are left out: the few calls of March, September, October and December were
    chosen late in the campaign and accepted eight times as often as May's. That is selection, worth
    AUC on random folds and nothing on later rows (ADR 3).

    `days_since_previous_campaign` is left out: the table has 0 to 27 days or none, while a previous
    campaign of ours lies at least a fatigue window (30 days) back, where the table has no row.

    Args:
        bank: The table `bank_contacts`.

    Raises:
        EncodingError: The table lacks a field, or has a value that no field knows.
    """
    spec = EncoderSpec(
        (
            CategoryField("channel", get_args(Channel)),
            FlagField("senior"),
            FlagField("partner"),
            NumericField("contacts_this_campaign"),
            NumericField("previous_contacts"),
            CategoryField("previous_outcome", get_args(Outcome)),
        )
    )
    for field in spec.fields:
        if isinstance(field, CategoryField):
            _check_categories(bank, field)
    return _require_columns(spec, bank)


def acceptance_with_month_encoder(bank: pd.DataFrame) -> EncoderSpec:
    """Return the fields of offer acceptance and the month of the contact: for comparison alone.

    Args:
        bank: The table `bank_contacts`.

    Raises:
        EncodingError: As `offer_acceptance_encoder`; or there is no month.
    """
    spec = offer_acceptance_encoder(bank)
    seen = set(bank["contact_month"]) if "contact_month" in bank else set()
    month = CategoryField("contact_month", tuple(name for name in MONTHS if name in seen))
    return _require_columns(EncoderSpec((*spec.fields, month)), bank)


def encode_frame(encoder: FeatureEncoder, frame: pd.DataFrame) -> Floats32:
    """Encode a table as a matrix, shape (rows, columns), by the encoder that serving uses.

    Raises:
        EncodingError: A column is missing or a value is not of its field's kind.
    """
    names = [field.name for field in encoder.spec.fields if field.name in frame]
    return encoder.encode({name: frame[name].tolist() for name in names})


def assert_no_leak(encoder: EncoderSpec) -> None:
    """Refuse an encoder with a field that tells the outcome or the row.

    Raises:
        LeakedColumnError: The encoder has such fields; each is named with the reason.
    """
    leaks = leaked_columns(field.name for field in encoder.fields)
    if leaks:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in leaks.items())
        raise LeakedColumnError(f"the encoder must not have: {reasons}; take them out")


def _field(name: str, kind: Any) -> Field:  # noqa: ANN401 - a type annotation
    """Return the encoder's field for an annotation of `Profile`."""
    if get_origin(kind) is Literal:
        return CategoryField(name, get_args(kind))
    if kind is bool:
        return FlagField(name)
    if kind in {int, float}:
        return NumericField(name)
    raise TypeError(f"Profile.{name}: no encoding for {kind}; expected bool, int, float or Literal")


def _check_categories(frame: pd.DataFrame, field: CategoryField) -> None:
    if field.name not in frame:
        raise EncodingError(f"missing columns: {field.name}")
    found = set(frame[field.name].unique().tolist())
    if found != set(field.categories):
        unknown = sorted(map(repr, found - set(field.categories)))
        absent = sorted(map(repr, set(field.categories) - found))
        raise EncodingError(
            f"{field.name}: the table must show exactly the values that a decision may have; "
            f"unknown: {', '.join(unknown) or 'none'}; never shown: {', '.join(absent) or 'none'}"
        )


def _require_columns(spec: EncoderSpec, frame: pd.DataFrame) -> EncoderSpec:
    missing = [field.name for field in spec.fields if field.name not in frame]
    if missing:
        raise EncodingError(f"missing columns: {', '.join(missing)}")
    return spec
