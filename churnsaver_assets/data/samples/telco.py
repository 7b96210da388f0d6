"""Generated Telco customers, raw columns. Rates: IBM Telco Customer Churn, 7,032 rows."""

from string import ascii_uppercase

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnsaver_serving.runtime.arrays import Bools

ROWS = 7_043
FIRST_MONTH = 11
"""Customers in their first month: tenure 0, no total yet."""

TENURE_BANDS = ((1, 3), (4, 12), (13, 24), (25, 48), (49, 72))
"""Months, both ends included."""

CONTRACTS = ("Month-to-month", "One year", "Two year")
INTERNET = ("DSL", "Fiber optic", "No")

# By contract (blocks), internet service (lines) and tenure band: share of customers, churn rate.
CELLS = np.array(
    [
        [
            [(0.0512, 0.539), (0.0469, 0.300), (0.0330, 0.237), (0.0323, 0.159), (0.0105, 0.135)],
            [(0.0617, 0.767), (0.0685, 0.643), (0.0604, 0.506), (0.0741, 0.434), (0.0378, 0.293)],
            [(0.0328, 0.294), (0.0223, 0.127), (0.0114, 0.100), (0.0077, 0.037), (0.0003, 0.037)],
        ],
        [
            [(0.0004, 0.179), (0.0055, 0.179), (0.0112, 0.139), (0.0343, 0.091), (0.0296, 0.062)],
            [(0.0000, 0.286), (0.0010, 0.286), (0.0033, 0.174), (0.0219, 0.201), (0.0505, 0.189)],
            [(0.0024, 0.118), (0.0081, 0.035), (0.0135, 0.011), (0.0175, 0.016), (0.0101, 0.028)],
        ],
        [
            [(0.0003, 0.000), (0.0016, 0.000), (0.0036, 0.000), (0.0112, 0.013), (0.0720, 0.022)],
            [(0.0000, 0.086), (0.0000, 0.086), (0.0001, 0.086), (0.0050, 0.086), (0.0559, 0.071)],
            [(0.0006, 0.000), (0.0058, 0.000), (0.0091, 0.000), (0.0228, 0.013), (0.0518, 0.008)],
        ],
    ]
)

PAYMENT_METHODS = (
    "Bank transfer (automatic)",
    "Credit card (automatic)",
    "Electronic check",
    "Mailed check",
)
# By contract (blocks), internet service (lines), stayed / churned: share of each method, in the
# order above. Cells of fewer than 50 churned customers take the shares of those who stayed.
PAYMENT_SHARES = np.array(
    [
        [
            [(0.191, 0.163, 0.340, 0.306), (0.099, 0.127, 0.487, 0.287)],
            [(0.184, 0.177, 0.536, 0.103), (0.128, 0.105, 0.679, 0.088)],
            [(0.122, 0.139, 0.132, 0.607), (0.131, 0.061, 0.131, 0.677)],
        ],
        [
            [(0.259, 0.300, 0.203, 0.238), (0.208, 0.321, 0.208, 0.263)],
            [(0.308, 0.292, 0.333, 0.067), (0.221, 0.221, 0.490, 0.068)],
            [(0.240, 0.212, 0.093, 0.455), (0.240, 0.212, 0.093, 0.455)],
        ],
        [
            [(0.358, 0.378, 0.088, 0.176), (0.358, 0.378, 0.088, 0.176)],
            [(0.369, 0.372, 0.209, 0.050), (0.369, 0.372, 0.209, 0.050)],
            [(0.282, 0.299, 0.029, 0.390), (0.282, 0.299, 0.029, 0.390)],
        ],
    ]
)

# By internet service: shares with phone, with several lines (of those with phone), senior,
# paperless, with dependents if a partner, with dependents if none.
PHONE = np.array([0.719, 1.0, 1.0])
SEVERAL_LINES = np.array([0.397, 0.626, 0.224])
SENIOR = np.array([0.107, 0.268, 0.034])
PAPERLESS = np.array([0.550, 0.774, 0.293])
DEPENDENTS_WITH_PARTNER = np.array([0.558, 0.380, 0.711])
DEPENDENTS_ALONE = np.array([0.120, 0.058, 0.147])
# By internet service (lines) and contract: share with a partner.
PARTNER = np.array([(0.329, 0.546, 0.724), (0.395, 0.633, 0.734), (0.263, 0.488, 0.660)])

# By DSL / fibre (lines) and contract: share that has the extra.
EXTRAS = {
    "OnlineSecurity": np.array([(0.299, 0.579, 0.770), (0.166, 0.412, 0.613), (0, 0, 0)]),
    "OnlineBackup": np.array([(0.303, 0.489, 0.693), (0.325, 0.636, 0.718), (0, 0, 0)]),
    "DeviceProtection": np.array([(0.229, 0.537, 0.762), (0.318, 0.631, 0.793), (0, 0, 0)]),
    "TechSupport": np.array([(0.277, 0.572, 0.817), (0.156, 0.419, 0.718), (0, 0, 0)]),
    "StreamingTV": np.array([(0.244, 0.447, 0.642), (0.470, 0.737, 0.823), (0, 0, 0)]),
    "StreamingMovies": np.array([(0.251, 0.454, 0.665), (0.469, 0.748, 0.818), (0, 0, 0)]),
}

# USD a month; a linear fit of MonthlyCharges on the services has R2 0.999, residual 1.02.
PHONE_USD, SEVERAL_LINES_USD = 20.0, 5.0
INTERNET_USD = np.array([25.0, 50.0, 0.0])
EXTRA_USD = {
    "OnlineSecurity": 5.0,
    "OnlineBackup": 5.0,
    "DeviceProtection": 5.0,
    "TechSupport": 5.0,
    "StreamingTV": 10.0,
    "StreamingMovies": 10.0,
}
TOTAL_SPREAD = 0.05
"""Standard deviation of TotalCharges over tenure x MonthlyCharges."""


def generate(rng: np.random.Generator) -> pd.DataFrame:
    """Draw raw Telco rows, all columns as text or numbers as upstream writes them.

    Churn depends on contract, internet service and tenure; the payment method on contract, internet
    service and churn; all else on contract and internet service only.
    """
    share = CELLS[..., 0].ravel() / CELLS[..., 0].sum()
    contract, internet, band = np.unravel_index(
        rng.choice(share.size, ROWS, p=share), CELLS.shape[:3]
    )
    churned = rng.random(ROWS) < CELLS[contract, internet, band, 1]
    low, high = np.array(TENURE_BANDS)[band].T
    tenure = rng.integers(low, high, endpoint=True)

    # Upstream's customers in their first month have two-year contracts and have not churned.
    candidates = np.flatnonzero((contract == CONTRACTS.index("Two year")) & ~churned)
    new = rng.choice(candidates, FIRST_MONTH, replace=False)
    tenure[new] = 0

    def drawn(probability: npt.NDArray[np.float64]) -> Bools:
        return rng.random(ROWS) < probability

    phone = drawn(PHONE[internet])
    lines = phone & drawn(SEVERAL_LINES[internet])
    partner = drawn(PARTNER[internet, contract])
    dependents = drawn(
        np.where(partner, DEPENDENTS_WITH_PARTNER[internet], DEPENDENTS_ALONE[internet])
    )
    extras = {name: drawn(shares[internet, contract]) for name, shares in EXTRAS.items()}
    monthly = PHONE_USD * phone + SEVERAL_LINES_USD * lines + INTERNET_USD[internet]
    monthly += sum(EXTRA_USD[name] * has for name, has in extras.items())
    monthly = np.round((monthly + rng.uniform(-1.5, 1.5, ROWS)) * 20) / 20  # upstream: 5 cents
    spread = np.where(tenure > 1, rng.normal(1, TOTAL_SPREAD, ROWS).clip(0.8, 1.2), 1.0)
    total = monthly * tenure * spread
    # Inverse-CDF draws: the number of cumulative shares that a uniform draw exceeds.
    cumulative = PAYMENT_SHARES[contract, internet, churned.astype(int)].cumsum(axis=1)
    method = (rng.random((ROWS, 1)) > cumulative[:, :-1]).sum(axis=1)
    online = internet != INTERNET.index("No")
    return pd.DataFrame(
        {
            "customerID": _customer_ids(rng),
            "gender": np.where(rng.random(ROWS) < 0.505, "Male", "Female"),  # noqa: PLR2004
            "SeniorCitizen": drawn(SENIOR[internet]).astype(int),
            "Partner": _yes_no(partner),
            "Dependents": _yes_no(dependents),
            "tenure": tenure,
            "PhoneService": _yes_no(phone),
            "MultipleLines": np.where(phone, _yes_no(lines), "No phone service"),
            "InternetService": np.array(INTERNET)[internet],
            **{
                name: np.where(online, _yes_no(has), "No internet service")
                for name, has in extras.items()
            },
            "Contract": np.array(CONTRACTS)[contract],
            "PaperlessBilling": _yes_no(drawn(PAPERLESS[internet])),
            "PaymentMethod": np.array(PAYMENT_METHODS)[method],
            "MonthlyCharges": [f"{value:.2f}" for value in monthly],
            "TotalCharges": [f"{value:.2f}" if value else " " for value in total],
            "Churn": _yes_no(churned),
        }
    )


def _yes_no(flags: Bools) -> npt.NDArray[np.str_]:
    return np.where(flags, "Yes", "No")


def _customer_ids(rng: np.random.Generator) -> list[str]:
    numbers = rng.choice(10_000, ROWS, replace=False)  # distinct, so the ids are
    letters = rng.choice(list(ascii_uppercase), (ROWS, 5))
    return [f"{number:04d}-{''.join(word)}" for number, word in zip(numbers, letters, strict=True)]
