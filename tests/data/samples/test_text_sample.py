"""The generated sample of the text sources: labelled, deterministic, learnable, not by length."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from churnsaver_assets.data.load import load_sources
from churnsaver_assets.data.samples.text import sample_texts
from churnsaver_assets.data.sources.registry_texts import TEXT_SOURCES
from churnsaver_assets.data.text.schemas import validate_text
from churnsaver_assets.data.text.tables import preference_pairs, sft_pairs
from tests.support.data.layouts import spec

if TYPE_CHECKING:
    from churnsaver_assets.data.sources.raw import RawSource

SFT = ("oasst1", "oasst1_inferred", "dolly")
PREFERENCES = ("hh_rlhf", "oasst1_ranks", "qa_feedback", "shp2")


@pytest.fixture(scope="module")
def sources() -> Mapping[str, RawSource]:
    return load_sources(TEXT_SOURCES, mode="sample")


@pytest.fixture(scope="module")
def preferences(sources: Mapping[str, RawSource]) -> pd.DataFrame:
    return preference_pairs(sources, spec(SFT, PREFERENCES), 42)


def test_one_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = sample_texts(), sample_texts(), sample_texts(43)
    assert first == again
    assert set(first) == set(TEXT_SOURCES)
    for name, raw in first.items():
        assert raw.sha256 != other[name].sha256


def test_it_is_quick() -> None:
    start = time.process_time()
    sample_texts()
    assert time.process_time() - start < 2.0


def test_everything_about_it_says_sample(
    sources: Mapping[str, RawSource], preferences: pd.DataFrame
) -> None:
    for raw in sources.values():
        assert raw.label == raw.origin == "sample"
        assert raw.part == "generated sample"
        assert raw.licence == "MIT, as this repository"
    assert preferences.attrs["label"] == "sample"
    assert {part["part"] for part in json.loads(preferences.attrs["parts"]).values()} == {
        "generated sample"
    }


def test_the_variable_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURNSAVER_DATA", "sample")
    assert load_sources(["hh_rlhf"])["hh_rlhf"].label == "sample"


def test_its_tables_fit_the_schemas(
    sources: Mapping[str, RawSource], preferences: pd.DataFrame
) -> None:
    sft = sft_pairs(sources, spec(SFT, PREFERENCES), 42)
    assert validate_text("sft_pairs", sft, "sample").failures.empty
    assert validate_text("preference_pairs", preferences, "sample").failures.empty
    assert set(sft["source"]) == set(SFT)
    assert set(preferences["source"]) == set(PREFERENCES)
    assert (preferences["source"].value_counts() > 150).all()
    assert (preferences["margin"] > 0).equals(preferences["source"] == "shp2")


def test_some_of_it_is_there_to_be_dropped(preferences: pd.DataFrame) -> None:
    parts = json.loads(preferences.attrs["parts"])
    assert parts["hh_rlhf"]["dropped"]["not English"] == 1
    assert parts["hh_rlhf"]["dropped"]["text before the last reply differs"] == 3
    assert parts["shp2"]["dropped"]["score ratio below 2"] > 50
    assert parts["qa_feedback"]["dropped"]["tie"] > 20


def test_length_says_little_and_words_say_much(preferences: pd.DataFrame) -> None:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    longer = preferences["chosen"].str.len() - preferences["rejected"].str.len()
    length_only = float((longer > 0).mean() + (longer == 0).mean() / 2)
    assert 0.4 < length_only < 0.6
    train = preferences["split"] == "train"
    words = CountVectorizer().fit(preferences["chosen"][train] + preferences["rejected"][train])
    differences = (
        words.transform(preferences["chosen"]) - words.transform(preferences["rejected"])
    ).toarray()
    signs = np.where(np.arange(len(preferences)) % 2, 1, -1)
    model = LogisticRegression(fit_intercept=False, max_iter=1000)
    model.fit(differences[train] * signs[train][:, None], signs[train])
    held = preferences["split"] == "holdout"
    accuracy = float((differences[held] @ model.coef_[0] > 0).mean())
    assert accuracy > 0.85


def test_prompts_vary(preferences: pd.DataFrame) -> None:
    openings = preferences["messages_json"].map(lambda text: json.loads(text)[0]["content"])
    assert openings.nunique() > 500
    assert preferences["chosen"].nunique() > 0.7 * len(preferences)
