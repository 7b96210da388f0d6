"""What the API answers with a graph's current release, over the ASGI application."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from graph_harness import Graph
from litestar.testing import TestClient

from churnsaver_serving.app import create_app
from churnsaver_serving.live.database import Database
from churnsaver_serving.live.schema import migrate
from churnsaver_serving.runtime.customer import Profile
from churnsaver_serving.settings import Settings

FRIDAY_NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def answers(graph: Graph, customers: pd.DataFrame, ledger: Path) -> list[dict[str, Any]]:
    """`POST /retain` for each customer, on a fresh ledger, without exploration or scarcity."""
    url = f"sqlite:///{ledger}"
    database = Database(url)
    migrate(database)
    database.close()
    settings = Settings(
        home=graph.home,
        database_url=url,
        allow_sample=True,
        exploration=0.0,
        budget_usd=1e9,
        daily_capacity=10**6,
    )
    app = create_app(
        settings, clock=lambda: FRIDAY_NOON, uniforms=lambda count: np.full(count, 0.5)
    )
    columns = ["customer_id", *Profile.__struct_fields__]
    rows = json.loads(customers[columns].to_json(orient="records"))
    with TestClient(app) as client:
        responses = [
            client.post("/retain", json={"customer_id": row.pop("customer_id"), "profile": row})
            for row in rows
        ]
    assert {response.status_code for response in responses} == {200}
    return [response.json() for response in responses]
