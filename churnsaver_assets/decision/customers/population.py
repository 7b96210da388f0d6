"""The simulator's customers from the tables: Telco customers with a Bank row's history."""

import numpy as np
import pandas as pd

from churnsaver_assets.data.profiles import profile_of
from churnsaver_serving.runtime.customer import ContactHistory, Customer


def simulated_customers(customers: pd.DataFrame, bank: pd.DataFrame, seed: int) -> list[Customer]:
    """Give each Telco customer the channel and contact history of a Bank row.

    The Telco table has neither. Each customer takes both from one Bank Marketing row, drawn among
    those of the same age band and marital status, so their joint distribution is Bank's. Nobody
    has been contacted in the current window.

    Args:
        customers: Canonical Telco table, n rows.
        bank: Canonical Bank table.
        seed: Seed for the draw.

    Raises:
        ValueError: The Bank table has nobody of some customer's age band and marital status.
    """
    rng = np.random.default_rng(seed)
    donors = {
        key: rows.to_dict("records")
        for key, rows in bank[
            ["senior", "partner", "channel", "previous_contacts", "previous_outcome"]
        ].groupby(["senior", "partner"])
    }
    drawn = rng.random(len(customers))
    result = []
    for row, uniform in zip(customers.to_dict("records"), drawn, strict=True):
        senior, partner = bool(row["senior_citizen"]), bool(row["partner"])
        if (senior, partner) not in donors:
            raise ValueError(
                f"customer {row['customer_id']}: no Bank Marketing row with senior={senior} and "
                f"partner={partner} to take a channel and history from"
            )
        pool = donors[senior, partner]
        donor = pool[int(uniform * len(pool))]
        result.append(
            Customer(
                customer_id=str(row["customer_id"]),
                profile=profile_of(row),
                channel=donor["channel"],
                history=ContactHistory(
                    previous_contacts=int(donor["previous_contacts"]),
                    previous_outcome=donor["previous_outcome"],
                ),
            )
        )
    return result
