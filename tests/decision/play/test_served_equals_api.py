"""Served mode against the real server: the same requests, clock and random numbers for a month.

The server is uvicorn with the API as it is deployed, its ledger in SQLite; served mode is the
simulator's. Decision by decision they must agree, and so must the money and the multipliers.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
import uvicorn
from upath import UPath

from churnsaver_assets.decision.customers.offer_response import accept_logits
from churnsaver_assets.decision.play.served import ServedConditions, ServedDay, ServedMode
from churnsaver_assets.decision.simulator.arrivals import Arrival
from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.cohort import AGED_MONTHS, Cohort
from churnsaver_assets.decision.simulator.dynamics import Dynamics
from churnsaver_assets.decision.simulator.population import Population, draw_population
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.app import create_app
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.live.store.schema import migrate
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.customer import ContactHistory, Customer, Profile
from churnsaver_serving.runtime.engine.release import Release, load_release
from churnsaver_serving.runtime.policies.pacing import Pacing, PacingRule, Start
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from churnsaver_serving.runtime.policies.served_policy import ServedPolicy
from churnsaver_serving.settings import Settings
from tests.support.serving.clock import Clock
from tests.support.serving.holidays import holidays
from tests.support.serving.policy import small_policy
from tests.support.serving.profiles import random_profiles
from tests.support.serving.release import (
    RULES,
    SPACE,
    acceptance_model,
    release_files,
    risk_model,
    save_release,
)

_CUSTOMERS = 45
_FIRST, _DAYS = date(2026, 11, 1), 30
_ZONE = "America/Chicago"
# Tight enough to bind: the month's money runs out, and some days are full.
_BUDGET_USD = 9.0


_PACING = PacingRule(
    budgets_usd=(0.0, 20.0),
    start=Start((0.8, 0.0), (0.8, 0.0)),
    step=0.05,
    correction=0.5,
    most_correction=1.5,
    most_overspend=2.0,
    capacity_step_usd=0.5,
    waiting_share=0.1,
    scarce_step=0.1,
)


def _release(policy: ServedPolicy, root: Path) -> Release:
    files = release_files(risk_model(), acceptance_model(), policy=policy, pacing=_PACING)
    return load_release(save_release(UPath(root), files))


def _aged(profile: Profile, months: int) -> Profile:
    return msgspec.structs.replace(
        profile,
        tenure_months=profile.tenure_months + months,
        total_charges_usd=profile.total_charges_usd + months * profile.monthly_charges_usd,
    )


def _cohort(release: Release, profiles: list[Profile]) -> Cohort:
    """Score customers by the release's own models, at every age."""
    customers = [
        Customer(f"C-{at:03d}", profile, "cellular", ContactHistory())
        for at, profile in enumerate(profiles)
    ]
    engine = release.engine()
    risk = [
        engine.risk.probability(
            engine.risk.encoder.encode(
                engine.table(
                    [
                        msgspec.structs.replace(one, profile=_aged(one.profile, months))
                        for one in customers
                    ]
                )
            )
        )
        for months in range(AGED_MONTHS + 1)
    ]
    return Cohort(
        customer_id=np.array([one.customer_id for one in customers], dtype=np.str_),
        risk=np.stack(risk, axis=1).astype(np.float64),
        tenure_months=np.array([one.tenure_months for one in profiles], dtype=np.int64),
        monthly_charge_usd=np.array([one.monthly_charges_usd for one in profiles]),
        accept_logit=accept_logits(release.acceptance, customers, RULES.fatigue_cap),
    )


def _served(release: Release, cohort: Cohort, arrival: Arrival, daily_capacity: int) -> ServedMode:
    rules = msgspec.structs.replace(RULES, customers=_CUSTOMERS, daily_capacity=daily_capacity)
    calendar = Calendar.starting(
        _FIRST, _DAYS + SPACE.delays_days[-1], rules, holidays().national["US"]
    )
    setting = Setting(cohort, SPACE, rules, calendar, release.assumptions.nominal())
    population = draw_population(cohort, calendar, arrival=arrival, new_share=0.0, seed=42)
    return ServedMode(
        Dynamics(setting, population, [setting.nominal], seed=42),
        release.policies[release.default],
        Pacing(release.pacing, _CUSTOMERS),
        ServedConditions(budget_usd=_BUDGET_USD, daily_capacity=daily_capacity),
        seed=42,
    )


class _Uniforms:
    """The source of the server's random numbers: those of the customer who is asked about."""

    value = 0.0

    def __call__(self, count: int) -> Floats:
        assert count == 1
        return np.array([self.value])


@contextmanager
def _server(settings: Settings, clock: Clock, uniforms: _Uniforms) -> Iterator[httpx.Client]:
    app = create_app(settings, clock=clock, uniforms=uniforms)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30.0
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        port = listener.getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0) as client:
            yield client
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    ("arrival", "daily_capacity", "policy"),
    [("daily", 2, OneStepPolicy()), ("monthly", 1, small_policy())],
)
def test_the_server_decides_as_served_mode_does(
    arrival: Arrival, daily_capacity: int, policy: ServedPolicy, tmp_path: Path
) -> None:
    release = _release(policy, tmp_path / "releases")
    profiles = random_profiles(_CUSTOMERS, np.random.default_rng(42))
    cohort = _cohort(release, profiles)
    mode = _served(release, cohort, arrival, daily_capacity)
    clock, uniforms = Clock(), _Uniforms()
    settings = Settings(
        home=tmp_path,
        release=str(release.path),
        database_url=f"sqlite:///{tmp_path}/ledger.db",
        budget_usd=_BUDGET_USD * _CUSTOMERS,
        customers=_CUSTOMERS,
        daily_capacity=daily_capacity,
    )
    database = Database(str(settings.database_url))
    migrate(database)
    contacted, dearest = 0, 0.0
    with _server(settings, clock, uniforms) as client:
        api = _Api(client, clock, uniforms, profiles, mode.dynamics.population)
        for day in range(_DAYS):
            numbers = mode.uniforms()
            months = mode.dynamics.population.months(day, AGED_MONTHS)
            played = mode.play_day()
            contacted += int((played.action > 0).sum())
            api.ask(played, numbers, months)
            multiplier = client.get("/pacing").json()["today"]
            if multiplier is not None and len(played.asked):
                assert multiplier["multiplier"] == pytest.approx(mode.multipliers()[0], rel=1e-6)
                price = multiplier["capacity_price_usd"]
                assert price == pytest.approx(mode.capacity_prices_usd()[0], abs=1e-9)
                dearest = max(dearest, price)
                found = [multiplier["belief"][signal] for signal in multiplier["belief"]]
                assert found == pytest.approx(mode.beliefs()[0].tolist(), abs=1e-6)
            api.report(played)
    with database.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT month, spent_cents, mean_cents, variance, worst_cents FROM accounts"
        ).all()
    database.close()
    stored = {month: tuple(amounts) for month, *amounts in rows}
    played_accounts = {
        f"{month // 12}-{month % 12 + 1:02d}": (
            one.spent_cents,
            one.mean_cents,
            one.variance,
            one.worst_cents,
        )
        for month, one in mode.accounts(0).items()
    }
    assert contacted >= 8
    assert dearest > 0.0
    empty = (0, 0, 0, 0)
    assert {month: played_accounts.get(month, empty) for month in stored} == stored
    assert stored["2026-11"][0] <= _BUDGET_USD * _CUSTOMERS * 100


class _Api:
    """The caller: asks about customers, reports what came of it."""

    def __init__(
        self,
        client: httpx.Client,
        clock: Clock,
        uniforms: _Uniforms,
        profiles: list[Profile],
        population: Population,
    ) -> None:
        self._client, self._clock, self._uniforms = client, clock, uniforms
        self._profiles, self._population = profiles, population
        self._latest: dict[int, str] = {}
        self._contact: dict[int, str] = {}

    def ask(self, played: ServedDay, numbers: Floats, months: np.ndarray) -> None:
        """Ask about the day's customers in order; every answer is what served mode decided."""
        day = _FIRST + timedelta(days=played.day)
        self._clock.now = datetime(day.year, day.month, day.day, 16, tzinfo=UTC)
        for row, action in zip(played.asked.tolist(), played.action.tolist(), strict=True):
            self._uniforms.value = float(numbers[row])
            customer = int(self._population.customer[row])
            answer = self._client.post(
                "/retain",
                json={
                    "customer_id": f"C-{row:03d}",
                    "profile": msgspec.to_builtins(
                        _aged(self._profiles[customer], int(months[row]))
                    ),
                    "channel": "cellular",
                    "message": {"time_zone": _ZONE},
                },
            )
            assert answer.status_code == 200, answer.text
            body = answer.json()
            decided = body["decision"]
            expected = (
                bool(action),
                int(SPACE.offer_pct[action]),
                int(SPACE.delay_days[action]),
            )
            found = (decided["contact"], decided["offer_pct"], decided["delay_days"])
            assert found == expected, (day, row, body["reasons"])
            self._latest[row] = body["decision_id"]
            if action:
                self._contact[row] = body["decision_id"]
                on = day + timedelta(days=expected[2])
                assert decided["contact_on"] == on.isoformat()

    def report(self, played: ServedDay) -> None:
        """Report answers and departures at the end of the day."""
        self._clock.now += timedelta(hours=7)
        for row, accepted in zip(played.rows.tolist(), played.accepted.tolist(), strict=True):
            self._post(self._contact[row], "accepted" if accepted else "refused")
        for row in played.gone.tolist():
            if row in self._latest:
                self._post(self._latest[row], "churned")

    def _post(self, decision_id: str, kind: str) -> None:
        answer = self._client.post("/outcomes", json={"decision_id": decision_id, "kind": kind})
        assert answer.status_code < 300, answer.text
