"""Customers: two that contrast, and generated ones."""

from collections.abc import Sequence
from typing import Any, get_args, get_type_hints

import numpy as np

from churnsaver_serving.runtime.customer import INTERNET_EXTRAS, Profile

AT_RISK = Profile(
    senior_citizen=True,
    partner=False,
    dependents=False,
    tenure_months=2,
    phone_service=True,
    multiple_lines="No",
    internet_service="Fiber optic",
    online_security="No",
    online_backup="No",
    device_protection="No",
    tech_support="No",
    streaming_tv="Yes",
    streaming_movies="Yes",
    contract="Month-to-month",
    paperless_billing=True,
    payment_method="Electronic check",
    monthly_charges_usd=95.5,
    total_charges_usd=191.0,
)
LOYAL = Profile(
    senior_citizen=False,
    partner=True,
    dependents=True,
    tenure_months=70,
    phone_service=True,
    multiple_lines="No",
    internet_service="No",
    online_security="No internet service",
    online_backup="No internet service",
    device_protection="No internet service",
    tech_support="No internet service",
    streaming_tv="No internet service",
    streaming_movies="No internet service",
    contract="Two year",
    paperless_billing=False,
    payment_method="Credit card (automatic)",
    monthly_charges_usd=20.0,
    total_charges_usd=1400.0,
)


def random_profiles(count: int, rng: np.random.Generator) -> list[Profile]:
    """Profiles without contradictions, with every category among them."""

    def pick(name: str) -> Any:
        return rng.choice([value for value in _choices(name) if "service" not in value]).item()

    profiles = []
    for _ in range(count):
        internet = pick("internet_service")
        phone = bool(rng.random() < 0.9)
        tenure = int(rng.integers(0, 73))
        charge = round(float(rng.uniform(18, 120)), 2)
        profiles.append(
            Profile(
                senior_citizen=bool(rng.random() < 0.16),
                partner=bool(rng.random() < 0.5),
                dependents=bool(rng.random() < 0.3),
                tenure_months=tenure,
                phone_service=phone,
                multiple_lines=pick("multiple_lines") if phone else "No phone service",
                internet_service=internet,
                **{
                    name: "No internet service" if internet == "No" else pick(name)
                    for name in INTERNET_EXTRAS
                },
                contract=pick("contract"),
                paperless_billing=bool(rng.random() < 0.6),
                payment_method=pick("payment_method"),
                monthly_charges_usd=charge,
                total_charges_usd=round(charge * tenure, 2),
            )
        )
    return profiles


def churned(profiles: Sequence[Profile], rng: np.random.Generator) -> np.ndarray:
    """Churn labels with the directions of the real table: short tenure and monthly contracts.

    Nobody leaves for certain: who does within days isn't worth a discount of three months.
    """
    margin = np.array(
        [
            -1.2
            + 1.6 * (profile.contract == "Month-to-month")
            + 0.8 * (profile.internet_service == "Fiber optic")
            + 0.5 * (profile.payment_method == "Electronic check")
            - 0.05 * profile.tenure_months
            for profile in profiles
        ]
    )
    return rng.random(len(profiles)) < 0.8 / (1 + np.exp(-margin))


def _choices(name: str) -> tuple[str, ...]:
    return get_args(get_type_hints(Profile)[name])
