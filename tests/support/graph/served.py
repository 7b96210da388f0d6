"""Answers of the API with a graph's current release, over the ASGI application."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from litestar.testing import TestClient

from churnsaver_serving.app import create_app
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.schema import migrate
from churnsaver_serving.runtime.customer import Profile
from churnsaver_serving.settings import Settings
from tests.support.graph.harness import Graph

Answers = list[dict[str, Any]]
Ask = Callable[..., Answers]

WEDNESDAY = datetime(2026, 11, 18, 15, tzinfo=UTC)


@dataclass
class Clock:
    """Stands still until it is set."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Api:
    """A running API, asked in process."""

    client: TestClient[Any]
    clock: Clock

    def retain(self, customers: pd.DataFrame) -> Answers:
        """`POST /retain` for each row of the canonical Telco table."""
        columns = ["customer_id", *Profile.__struct_fields__]
        rows = json.loads(customers[columns].to_json(orient="records"))
        return [
            self._post("/retain", {"customer_id": row.pop("customer_id"), "profile": row})
            for row in rows
        ]

    def observe(self, answer: dict[str, Any], kind: str) -> None:
        """`POST /outcomes` of a decision."""
        self._post("/outcomes", {"decision_id": answer["decision_id"], "kind": kind})

    def records(self, answers: Answers) -> Answers:
        """`GET /decisions/{id}` of each decision."""
        found = [self.client.get(f"/decisions/{one['decision_id']}") for one in answers]
        assert {response.status_code for response in found} == {200}
        return [response.json() for response in found]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = self.client.post(path, json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


@contextmanager
def running_api(
    graph: Graph, ledger: Path, *, now: datetime = WEDNESDAY, **settings: Any
) -> Iterator[Api]:
    """The API on a fresh ledger, without exploration."""
    url = f"sqlite:///{ledger}"
    database = Database(url)
    migrate(database)
    database.close()
    chosen = Settings(
        home=graph.home, database_url=url, allow_sample=True, exploration=0.0, **settings
    )
    clock = Clock(now)
    app = create_app(chosen, clock=clock, uniforms=lambda count: np.full(count, 0.5))
    with TestClient(app) as client:
        yield Api(client, clock)


def answers(graph: Graph, customers: pd.DataFrame, ledger: Path, **settings: Any) -> Answers:
    """`POST /retain` for each customer, on a fresh ledger, without exploration or scarcity."""
    with running_api(graph, ledger, budget_usd=1e9, daily_capacity=10**6, **settings) as api:
        return api.retain(customers)


def decisions(answered: Answers) -> list[tuple[bool, int, int]]:
    """Contact, offer and delay of each answer."""
    return [
        (one["decision"]["contact"], one["decision"]["offer_pct"], one["decision"]["delay_days"])
        for one in answered
    ]


def p_churn(answered: Answers) -> list[float]:
    """Of each answer."""
    return [one["scores"]["p_churn"] for one in answered]


def p_accept(answered: Answers, offer: int) -> list[float]:
    """Of that offer, of each answer."""
    return [one["scores"]["p_accept"][str(offer)] for one in answered]
