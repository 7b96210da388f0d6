"""Generated Hillstrom customers, raw columns. Rates: the MineThatData test, 64,000 rows."""

import numpy as np
import numpy.typing as npt
import pandas as pd

ROWS = 9_000

SEGMENTS = ("Womens E-Mail", "Mens E-Mail", "No E-Mail")
"""One third each, as randomised upstream (21,387 / 21,307 / 21,306)."""

BOUGHT = {"mens": 0.450, "womens": 0.449, "both": 0.101}
"""Purchases of a customer in the year before."""

# By segment and by what was bought (order of the keys above): share who visited the site.
VISIT_RATES = np.array(
    [(0.1109, 0.1698, 0.2517), (0.1690, 0.1664, 0.3150), (0.0998, 0.0958, 0.1805)]
)
# By months since the last purchase (1 to 12): share of customers; visit rate over the mean rate.
RECENCY_SHARES = (
    0.1399,
    0.1178,
    0.0922,
    0.0793,
    0.0705,
    0.0720,
    0.0637,
    0.0546,
    0.1006,
    0.1182,
    0.0548,
    0.0364,
)
RECENCY_LIFT = (1.31, 1.21, 1.13, 1.01, 0.97, 0.96, 0.91, 0.87, 0.78, 0.77, 0.82, 0.86)
NEWBIE = 0.502
NEWBIE_LIFT = (1.18, 0.82)
"""Visit rate over the mean rate for others / for customers new in the last twelve months."""

# By segment: share of visitors who bought.
CONVERSION_RATES = np.array([0.0584, 0.0686, 0.0539])
# Spend of buyers, USD: 24 % at the minimum, 2 % at the maximum, the rest log-normal.
SPEND_MINIMUM, SPEND_MAXIMUM = 29.99, 499.0
SPEND_AT_MINIMUM = 0.235
SPEND_LOG_MEAN, SPEND_LOG_SPREAD = 4.65, 0.70

# Spend in the year before, USD: lower and upper bound, share of customers.
HISTORY = {
    "1) $0 - $100": (29.99, 99.99, 0.3589),
    "2) $100 - $200": (100.0, 199.98, 0.2227),
    "3) $200 - $350": (200.0, 349.96, 0.1920),
    "4) $350 - $500": (350.01, 499.95, 0.1001),
    "5) $500 - $750": (500.0, 749.79, 0.0767),
    "6) $750 - $1,000": (750.01, 999.75, 0.0290),
    "7) $1,000 +": (1000.15, 3345.93, 0.0204),
}
ZIP_CODES = {"Surburban": 0.450, "Urban": 0.401, "Rural": 0.149}
CHANNELS = {"Web": 0.441, "Phone": 0.438, "Multichannel": 0.121}


def generate(rng: np.random.Generator) -> pd.DataFrame:
    """Draw raw Hillstrom rows. A visit depends on segment, purchases, recency and newness."""
    segment = rng.permutation(np.arange(ROWS) % len(SEGMENTS))
    bought = _codes(rng, list(BOUGHT.values()))
    recency = _codes(rng, list(RECENCY_SHARES))
    newbie = rng.random(ROWS) < NEWBIE
    rate = (
        VISIT_RATES[segment, bought]
        * np.array(RECENCY_LIFT)[recency]
        * np.array(NEWBIE_LIFT)[newbie.astype(int)]
    )
    visit = rng.random(ROWS) < rate
    conversion = visit & (rng.random(ROWS) < CONVERSION_RATES[segment])
    amount = np.exp(rng.normal(SPEND_LOG_MEAN, SPEND_LOG_SPREAD, ROWS))
    amount = np.where(rng.random(ROWS) < SPEND_AT_MINIMUM, SPEND_MINIMUM, amount)
    spend = np.where(conversion, amount.clip(SPEND_MINIMUM, SPEND_MAXIMUM), 0.0)
    band = _codes(rng, [share for _, _, share in HISTORY.values()])
    low, high, _ = np.array(list(HISTORY.values()))[band].T
    return pd.DataFrame(
        {
            "recency": recency + 1,
            "history_segment": np.array(list(HISTORY))[band],
            "history": (low + (high - low) * rng.random(ROWS) ** 1.5).round(2),
            "mens": (bought != list(BOUGHT).index("womens")).astype(int),
            "womens": (bought != list(BOUGHT).index("mens")).astype(int),
            "zip_code": np.array(list(ZIP_CODES))[_codes(rng, list(ZIP_CODES.values()))],
            "newbie": newbie.astype(int),
            "channel": np.array(list(CHANNELS))[_codes(rng, list(CHANNELS.values()))],
            "segment": np.array(SEGMENTS)[segment],
            "visit": visit.astype(int),
            "conversion": conversion.astype(int),
            "spend": spend.round(2),
        }
    )


def _codes(rng: np.random.Generator, shares: list[float]) -> npt.NDArray[np.int64]:
    """Draw ROWS indices with these shares."""
    weights = np.array(shares)
    return rng.choice(len(weights), ROWS, p=weights / weights.sum())
