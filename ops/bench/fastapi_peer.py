"""The benchmark's peer: FastAPI and uvicorn, pickled scikit-learn wrappers, a commit a request.

It serves the same boosters with the same policy, rules and ledger tables. What differs is what such
services usually do: pydantic bodies, a data frame through a ColumnTransformer into an XGBClassifier
loaded from a pickle, and one transaction for each request (behind a lock, which is faster than
letting the threads fight for SQLite's). It composes, checks and stores the same messages, with the
same composer and shield; nothing of the work is left out.
"""

import gc
import os
import pickle
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import pandas as pd
from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from upath import UPath
from xgboost import DMatrix, XGBClassifier

from churnsaver_serving.live.commands import Retain
from churnsaver_serving.live.decider import Decider
from churnsaver_serving.live.ledger import Ledger
from churnsaver_serving.live.store.database import Database
from churnsaver_serving.runtime.customer import Profile
from churnsaver_serving.runtime.engine.golden import Golden, golden_answers
from churnsaver_serving.runtime.engine.release import GOLDEN_FILE, Release, load_release
from churnsaver_serving.runtime.messages.message import MessageRequest
from churnsaver_serving.runtime.scoring.acceptance import AcceptanceModel
from churnsaver_serving.runtime.scoring.features import CategoryField
from churnsaver_serving.runtime.scoring.scores import ScoringModel
from churnsaver_serving.schemas import RetainRequest
from churnsaver_serving.settings import Settings

Internet = Literal["No", "Yes", "No internet service"]


class ProfileBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    senior_citizen: bool
    partner: bool
    dependents: bool
    tenure_months: Annotated[int, Field(ge=0, le=1200)]
    phone_service: bool
    multiple_lines: Literal["No", "Yes", "No phone service"]
    internet_service: Literal["DSL", "Fiber optic", "No"]
    online_security: Internet
    online_backup: Internet
    device_protection: Internet
    tech_support: Internet
    streaming_tv: Internet
    streaming_movies: Internet
    contract: Literal["Month-to-month", "One year", "Two year"]
    paperless_billing: bool
    payment_method: Literal[
        "Electronic check",
        "Mailed check",
        "Bank transfer (automatic)",
        "Credit card (automatic)",
    ]
    monthly_charges_usd: Annotated[float, Field(ge=0)]
    total_charges_usd: Annotated[float, Field(ge=0)]


class MessageBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    first_name: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    tone: Literal["warm", "plain", "upbeat"] = "warm"
    channel: Literal["email", "sms"] = "email"
    time_zone: Annotated[str, Field(max_length=64)] | None = None
    state: Annotated[str, Field(max_length=64)] | None = None


class RetainBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    customer_id: Annotated[str, Field(min_length=1, max_length=128)]
    profile: ProfileBody
    channel: Literal["cellular", "telephone"] = "cellular"
    message: MessageBody | None = None

    def request(self) -> RetainRequest:
        """Return the body as the decision path takes it."""
        message = self.message and MessageRequest(**self.message.model_dump())
        profile = Profile(**self.profile.model_dump())
        return RetainRequest(self.customer_id, profile, self.channel, message)


def pickle_wrapper(model: ScoringModel) -> bytes:
    """Pickle one of a release's models as a scikit-learn pipeline and its calibrator."""
    fields = model.encoder.spec.fields
    categories = [field for field in fields if isinstance(field, CategoryField)]
    others = [field.name for field in fields if not isinstance(field, CategoryField)]
    one_hot = OneHotEncoder(categories=[list(field.categories) for field in categories])
    encode = ColumnTransformer(
        [
            ("one_hot", one_hot, [field.name for field in categories]),
            ("others", "passthrough", others),
        ],
        sparse_threshold=0,
    )
    # The booster knows its columns by position, in the order of the release's encoder.
    made = [column for field in categories for column in field.columns] + others
    order = [made.index(column) for column in model.encoder.columns]
    classifier = XGBClassifier(n_jobs=1)
    classifier.load_model(bytearray(model.booster.save_raw("ubj")))
    first = {
        field.name: [field.categories[0] if isinstance(field, CategoryField) else 0.0]
        for field in fields
    }
    encode.fit(pd.DataFrame(first))
    arrange = FunctionTransformer(np.take, kw_args={"indices": order, "axis": 1})
    pipeline = Pipeline([("encode", encode), ("arrange", arrange), ("classify", classifier)])
    return pickle.dumps((pipeline, model.calibrator))


class SklearnScoring:
    """A pickled pipeline where the decision path has its `ScoringModel`."""

    def __init__(self, data: bytes, like: ScoringModel) -> None:
        self.pipeline, self.calibrator = pickle.loads(data)
        self.encoder = _FrameEncoder(self.pipeline[:-1], like)
        self._starts = like.encoder.field_starts

    def score(self, table: dict[str, list[Any]]) -> np.ndarray:
        return self.probability(self.encoder.encode(table))

    def probability(self, matrix: np.ndarray) -> np.ndarray:
        raw = self.pipeline["classify"].predict_proba(matrix)[:, 1].astype(np.float64)
        return self.calibrator.transform(np.log(raw) - np.log1p(-raw))

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        booster = self.pipeline["classify"].get_booster()
        by_column = booster.predict(DMatrix(matrix, nthread=1), pred_contribs=True)
        by_field = np.add.reduceat(by_column[:, :-1], self._starts, axis=1)
        return np.concatenate([by_field, by_column[:, -1:]], axis=1)


class _FrameEncoder:
    """The pipeline up to its classifier, fed with data frames."""

    def __init__(self, transformer: Pipeline, like: ScoringModel) -> None:
        self._transformer = transformer
        self.spec = like.encoder.spec
        self.columns = like.encoder.columns

    def encode(self, table: dict[str, list[Any]]) -> np.ndarray:
        frame = pd.DataFrame({field.name: table[field.name] for field in self.spec.fields})
        return np.asarray(self._transformer.transform(frame), dtype=np.float32)


def peer_release(release: Release, pickles: Path) -> Release:
    """Return the release with its models behind wrappers pickled into a folder and loaded back."""
    models = {"risk": release.risk, "acceptance": release.acceptance.model}
    wrapped = {}
    for name, model in models.items():
        (pickles / f"{name}.pkl").write_bytes(pickle_wrapper(model))
        wrapped[name] = SklearnScoring((pickles / f"{name}.pkl").read_bytes(), model)
    acceptance = AcceptanceModel(wrapped["acceptance"])  # type: ignore[arg-type]
    return replace(release, risk=wrapped["risk"], acceptance=acceptance)


def create_app() -> FastAPI:
    """Make the app, from the same environment variables as ours."""
    settings = Settings.from_env(os.environ)
    release = peer_release(load_release(settings.release_directory()), settings.home)
    decider = Decider(
        release,
        overrides={
            "budget_usd": settings.budget_usd,
            "daily_capacity": settings.daily_capacity,
            "exploration": settings.exploration,
        },
    )
    ledger = Ledger(
        Database(settings.ledger_url()),
        clock=lambda: datetime.now(UTC),
        uniforms=np.random.default_rng(42).random,
        decider=decider,
    )
    lock = threading.Lock()
    app = FastAPI()

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/retain")
    def retain(body: RetainBody) -> Response:
        with lock:
            (answer,) = ledger.process([Retain(body.request())])
        if isinstance(answer, Exception):
            raise answer
        return Response(answer, media_type="application/json")

    # As our server does: what lives as long as the process isn't scanned again and again.
    gc.collect()
    gc.freeze()
    return app


def largest_difference(release: Release, other: Release) -> float:
    """Return the largest difference of the two releases' probabilities over golden customers."""
    data = (UPath(release.path) / GOLDEN_FILE).read_bytes()
    golden = msgspec.json.decode(data, type=Golden)
    ours, theirs = (
        golden_answers(
            each.engine(), customers=golden.customers, today=golden.today, pace=golden.pace
        )
        for each in (release, other)
    )
    found = ours.differences(theirs)
    return max(found["p_churn"], found["p_accept"])
