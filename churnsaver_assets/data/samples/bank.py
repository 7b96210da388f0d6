"""Generated Bank Marketing contacts, raw columns. Rates: UCI bank-additional-full, 41,188 rows."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

ROWS = 12_000


class Month(NamedTuple):
    """One calendar month of the campaigns.

    Attributes:
        month: The month as upstream writes it.
        contacts: Number of rows in the real file.
        log_odds: Log-odds of acceptance for a first call by telephone to a client under 60 whom no
            earlier campaign reached; from the fit described at `EFFECTS`.
        cellular: Share of calls to mobiles.
        failure: Share of clients whom an earlier campaign reached in vain.
        success: Share of clients who accepted in an earlier campaign.
        senior: Share of clients aged 60 or more.
        campaign: Mean number of contacts in this campaign.
        indicators: Medians of emp.var.rate, cons.price.idx, cons.conf.idx, euribor3m, nr.employed.
    """

    month: str
    contacts: int
    log_odds: float
    cellular: float
    failure: float
    success: float
    senior: float
    campaign: float
    indicators: tuple[float, float, float, float, float]


# In date order: May 2008 to November 2010.
MONTHS = (
    Month("may", 7763, -3.34, 0.00, 0.000, 0.000, 0.008, 2.5, (1.1, 93.994, -36.4, 4.857, 5191)),
    Month("jun", 4374, -2.97, 0.00, 0.000, 0.000, 0.008, 3.4, (1.4, 94.465, -41.8, 4.959, 5228.1)),
    Month("jul", 6685, -3.19, 0.85, 0.000, 0.000, 0.006, 3.2, (1.4, 93.918, -42.7, 4.962, 5228.1)),
    Month("aug", 5175, -3.42, 0.97, 0.000, 0.000, 0.008, 2.8, (1.4, 93.444, -36.1, 4.964, 5228.1)),
    Month("oct", 67, 0.67, 0.01, 0.030, 0.000, 0.000, 1.0, (-0.1, 93.798, -40.4, 4.921, 5195.8)),
    Month("nov", 3616, -3.37, 0.90, 0.192, 0.010, 0.000, 1.9, (-0.1, 93.2, -42, 4.120, 5195.8)),
    Month("dec", 10, -0.63, 0.20, 0.100, 0.000, 0.000, 1.0, (-0.2, 92.756, -45.9, 3.526, 5176.3)),
    Month("mar", 282, -0.73, 0.93, 0.067, 0.011, 0.145, 2.5, (-1.8, 92.843, -50, 1.640, 5099.1)),
    Month("apr", 2458, -2.02, 0.93, 0.245, 0.026, 0.047, 1.9, (-1.8, 93.075, -47.1, 1.405, 5099.1)),
    Month("may", 5794, -2.78, 0.92, 0.297, 0.027, 0.008, 2.4, (-1.8, 92.893, -46.2, 1.291, 5099.1)),
    Month("jun", 715, -1.14, 0.92, 0.171, 0.097, 0.029, 1.8, (-2.9, 92.963, -40.8, 1.262, 5076.2)),
    Month("jul", 178, -1.04, 0.86, 0.174, 0.062, 0.051, 2.2, (-2.9, 92.469, -33.6, 1.044, 5076.2)),
    Month("aug", 770, -1.38, 0.91, 0.245, 0.173, 0.195, 1.7, (-2.9, 92.201, -31.4, 0.873, 5076.2)),
    Month("sep", 267, -1.18, 0.89, 0.206, 0.199, 0.262, 1.7, (-3.4, 92.379, -29.8, 0.781, 5017.5)),
    Month("oct", 447, -1.09, 0.87, 0.237, 0.150, 0.242, 1.5, (-3.4, 92.431, -26.9, 0.739, 5017.5)),
    Month("nov", 357, -0.85, 0.87, 0.294, 0.255, 0.199, 1.9, (-3.4, 92.649, -30.1, 0.715, 5017.5)),
    Month("dec", 172, -0.72, 0.85, 0.221, 0.262, 0.262, 2.2, (-3, 92.713, -33, 0.714, 5023.5)),
    Month("mar", 264, -0.44, 0.85, 0.299, 0.295, 0.140, 1.9, (-1.8, 93.369, -34.8, 0.647, 5008.7)),
    Month("apr", 174, -0.51, 0.87, 0.259, 0.270, 0.236, 2.1, (-1.8, 93.749, -34.6, 0.644, 5008.7)),
    Month("may", 212, -0.49, 0.81, 0.283, 0.358, 0.198, 1.9, (-1.8, 93.876, -40, 0.684, 5008.7)),
    Month("jun", 229, -0.89, 0.72, 0.214, 0.328, 0.096, 1.8, (-1.7, 94.055, -39.8, 0.732, 4991.6)),
    Month("jul", 311, -0.43, 0.79, 0.286, 0.312, 0.190, 2.1, (-1.7, 94.215, -40.3, 0.846, 4991.6)),
    Month("aug", 233, -0.66, 0.77, 0.279, 0.309, 0.167, 1.9, (-1.7, 94.027, -38.3, 0.899, 4991.6)),
    Month("sep", 303, -0.77, 0.81, 0.271, 0.314, 0.142, 1.9, (-1.1, 94.199, -37.5, 0.879, 4963.6)),
    Month("oct", 204, -1.04, 0.84, 0.294, 0.338, 0.221, 1.8, (-1.1, 94.601, -49.5, 0.987, 4963.6)),
    Month("nov", 128, -1.00, 0.91, 0.297, 0.305, 0.133, 1.8, (-1.1, 94.767, -50.8, 1.045, 4963.6)),
)

# Log-odds of acceptance beside the month: a logistic regression on the real file with one intercept
# per month and these terms (C = 1000).
EFFECTS = {"cellular": 0.66, "failure": -0.45, "success": 1.29, "senior": 0.26, "campaign": -0.04}

WEEKDAYS = {"mon": 0.207, "tue": 0.196, "wed": 0.197, "thu": 0.209, "fri": 0.191}
MARITAL = {"married": 0.605, "single": 0.281, "divorced": 0.112, "unknown": 0.002}
JOBS = {
    "admin.": 0.253,
    "blue-collar": 0.225,
    "technician": 0.164,
    "services": 0.096,
    "management": 0.071,
    "retired": 0.042,
    "entrepreneur": 0.035,
    "self-employed": 0.035,
    "housemaid": 0.026,
    "unemployed": 0.025,
    "student": 0.020,
    "unknown": 0.008,
}
EDUCATION = {
    "university.degree": 0.295,
    "high.school": 0.231,
    "basic.9y": 0.147,
    "professional.course": 0.127,
    "basic.4y": 0.101,
    "basic.6y": 0.057,
    "unknown": 0.042,
}
DEFAULT = {"no": 0.791, "unknown": 0.209}
HOUSING = {"yes": 0.524, "no": 0.452, "unknown": 0.024}
LOAN = {"no": 0.824, "yes": 0.152, "unknown": 0.024}

PREVIOUS_AFTER_FAILURE = {1: 0.87, 2: 0.10, 3: 0.02, 4: 0.01}
PREVIOUS_AFTER_SUCCESS = {1: 0.63, 2: 0.23, 3: 0.10, 4: 0.03, 5: 0.01}
# Upstream gives `pdays` after all successes and 3.3 % of the failures, else 999.
PDAYS_AFTER_FAILURE = 0.033
PDAYS = {
    2: 0.07,
    3: 0.30,
    4: 0.08,
    5: 0.03,
    6: 0.28,
    7: 0.05,
    9: 0.05,
    10: 0.05,
    12: 0.05,
    15: 0.04,
}

# Mean and standard deviation of ln(1 + seconds) for refused / accepted: why `duration` leaks.
DURATION = ((5.06, 0.88), (6.08, 0.71))

DUPLICATES = (500, 1500, 2500, 3500)
"""Rows repeated in the next row; upstream has a few such, too."""


def generate(rng: np.random.Generator) -> pd.DataFrame:
    """Draw raw Bank rows in date order, all 21 columns."""
    at = np.repeat(np.arange(len(MONTHS)), _rows_per_month())
    cellular = _drawn(rng, [month.cellular for month in MONTHS], at)
    senior = _drawn(rng, [month.senior for month in MONTHS], at)
    success_share = np.array([month.success for month in MONTHS])[at]
    failure_share = np.array([month.failure for month in MONTHS])[at]
    draw = rng.random(ROWS)
    success = draw < success_share
    failure = ~success & (draw < success_share + failure_share)
    mean_contacts = np.array([month.campaign for month in MONTHS])[at]
    campaign = np.minimum(rng.geometric(1.0 / mean_contacts), 40)
    log_odds = (
        np.array([month.log_odds for month in MONTHS])[at]
        + EFFECTS["cellular"] * cellular
        + EFFECTS["failure"] * failure
        + EFFECTS["success"] * success
        + EFFECTS["senior"] * senior
        + EFFECTS["campaign"] * campaign
    )
    accepted = rng.random(ROWS) < 1.0 / (1.0 + np.exp(-log_odds))

    previous = np.select(
        [success, failure],
        [_choice(rng, PREVIOUS_AFTER_SUCCESS), _choice(rng, PREVIOUS_AFTER_FAILURE)],
        default=0,
    )
    dated = success | (failure & (rng.random(ROWS) < PDAYS_AFTER_FAILURE))
    mean, spread = np.array(DURATION)[accepted.astype(int)].T
    age = np.where(
        senior,
        np.minimum(60 + rng.exponential(8.25, ROWS), 98),
        np.clip(rng.normal(39.2, 9.2, ROWS), 18, 59),
    )
    indicators = np.array([month.indicators for month in MONTHS])[at]
    frame = pd.DataFrame(
        {
            "age": age.astype(int),
            "job": _choice(rng, JOBS),
            "marital": _choice(rng, MARITAL),
            "education": _choice(rng, EDUCATION),
            "default": _choice(rng, DEFAULT),
            "housing": _choice(rng, HOUSING),
            "loan": _choice(rng, LOAN),
            "contact": np.where(cellular, "cellular", "telephone"),
            "month": np.array([month.month for month in MONTHS])[at],
            "day_of_week": _choice(rng, WEEKDAYS),
            "duration": np.expm1(rng.normal(mean, spread)).clip(1, 4_900).astype(int),
            "campaign": campaign,
            "pdays": np.where(dated, _choice(rng, PDAYS), 999),
            "previous": previous,
            "poutcome": np.select([success, failure], ["success", "failure"], "nonexistent"),
            "emp.var.rate": indicators[:, 0],
            "cons.price.idx": indicators[:, 1],
            "cons.conf.idx": indicators[:, 2],
            "euribor3m": indicators[:, 3],
            "nr.employed": indicators[:, 4],
            "y": np.where(accepted, "yes", "no"),
        }
    )
    for row in DUPLICATES:
        frame.iloc[row + 1] = frame.iloc[row]
    return frame


def _rows_per_month() -> npt.NDArray[np.int64]:
    """Return ROWS shared out in proportion to the real months, largest remainders rounded up."""
    exact = np.array([month.contacts for month in MONTHS]) / sum(m.contacts for m in MONTHS) * ROWS
    rows = np.floor(exact).astype(np.int64)
    rows[np.argsort(rows - exact, kind="stable")[: ROWS - rows.sum()]] += 1
    return rows


def _drawn(
    rng: np.random.Generator, shares: list[float], at: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    return rng.random(ROWS) < np.array(shares)[at]


def _choice(
    rng: np.random.Generator, shares: dict[str, float] | dict[int, float]
) -> npt.NDArray[Any]:
    values = np.array(list(shares))
    weights = np.array(list(shares.values()))
    return rng.choice(values, ROWS, p=weights / weights.sum())
