"""Reads customers' profiles out of the canonical Telco table."""

from collections.abc import Mapping

import msgspec

from churnsaver_serving.runtime.customer import Profile


def profile_of(row: Mapping[str, object]) -> Profile:
    """Return the profile in a row of the canonical Telco table, validated as the API would."""
    return msgspec.convert({name: row[name] for name in Profile.__struct_fields__}, Profile)
