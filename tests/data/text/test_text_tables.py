"""The two text tables: clean, capped, and split so that no prompt stands on two sides."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.data.errors import DataError
from churnsaver_assets.data.load import load_sources
from churnsaver_assets.data.samples.text import sample_texts
from churnsaver_assets.data.text.completions import Turn
from churnsaver_assets.data.text.schemas import validate_text
from churnsaver_assets.data.text.splits import (
    Sides,
    group_of,
    normal,
    prompt_id,
    straddling_prompts,
)
from churnsaver_assets.data.text.tables import preference_pairs, sft_pairs
from tests.support.data.layouts import dolly_raw, hh, hh_raw, spec

if TYPE_CHECKING:
    import random

    from churnsaver_assets.data.sources.raw import RawSource
    from churnsaver_serving.runtime.manifest import DataLabel

SFT = ("oasst1", "oasst1_inferred", "dolly")
PREFERENCES = ("hh_rlhf", "oasst1_ranks", "qa_feedback")

words = st.sampled_from(["the bread", "the soup", "my garden", "your letter", "a long walk"])
questions = st.tuples(words, words).map(lambda two: f"What about {two[0]} and {two[1]}?")
replies = st.sampled_from(
    ["Yes, of course.", "YES, of course.", "Not at all.", "not  at all.", "Fine."]
)
transcripts = st.lists(
    st.tuples(st.lists(questions, min_size=1, max_size=3), replies, replies), min_size=1
)


def before(turns: list[str]) -> str:
    return "\n\nAssistant: I see.".join(f"\n\nHuman: {turn}" for turn in turns)


def build(rows: list[tuple[list[str], str, str]], seed: int = 42) -> pd.DataFrame:
    raw = hh_raw(hh(before(turns), chosen, rejected) for turns, chosen, rejected in rows)
    return preference_pairs({"hh_rlhf": raw}, spec(), seed)


@pytest.fixture(scope="module")
def real(data_label: DataLabel) -> Mapping[str, RawSource]:
    if data_label == "sample":
        pytest.skip("no local mirror")
    return load_sources([*SFT, *PREFERENCES], mode="real", allow_download=False)


@pytest.fixture(scope="module")
def real_tables(real: Mapping[str, RawSource]) -> tuple[pd.DataFrame, pd.DataFrame]:
    settings = spec(SFT, PREFERENCES)
    return sft_pairs(real, settings, 42), preference_pairs(real, settings, 42)


@given(rows=transcripts, seed=st.integers(0, 5))
def test_nothing_stands_on_two_sides(rows: list[tuple[list[str], str, str]], seed: int) -> None:
    frame = build(rows, seed)
    assert straddling_prompts(frame) == []
    for column in ("prompt_id", "messages_json"):
        assert (frame.groupby(column)["split"].nunique() <= 1).all()
    last = frame["messages_json"].map(lambda text: json.loads(text)[-1]["content"].lower())
    assert (frame["split"].groupby(last).nunique() <= 1).all()


@given(rows=transcripts, order=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(
    rows: list[tuple[list[str], str, str]], order: random.Random
) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)
    pd.testing.assert_frame_equal(build(rows), build(shuffled))


def test_of_copies_the_same_one_stays_in_any_order() -> None:
    rows = [(["How are you?"], reply, "Not well.") for reply in ("fine, THANKS", "Fine,  thanks")]
    assert list(build(rows)["chosen"]) == list(build(rows[::-1])["chosen"]) == ["Fine,  thanks"]


@given(rows=transcripts)
def test_no_row_repeats_or_contradicts_another(rows: list[tuple[list[str], str, str]]) -> None:
    frame = build(rows)
    assert not frame.duplicated(["prompt_id", "chosen", "rejected"]).any()
    pairs = set(zip(frame["prompt_id"], frame["chosen"], frame["rejected"], strict=True))
    assert not pairs & {(prompt, rejected, chosen) for prompt, chosen, rejected in pairs}
    assert frame["pair_id"].is_unique
    parts = json.loads(frame.attrs["parts"])["hh_rlhf"]
    assert parts["kept"] + sum(parts["dropped"].values()) == len(rows)


@given(text=st.text(min_size=1), seed=st.integers())
def test_the_side_depends_on_the_opening_up_to_case_and_space(text: str, seed: int) -> None:
    sides = Sides(seed, 0.3, 0.3)
    spaced = f"  {normal(text)}\n"
    rest = (Turn("assistant", "Yes."), Turn("user", "And then?"))
    place = sides.of((Turn("user", text),))
    assert place == sides.of((Turn("user", spaced),)) == sides.of((Turn("user", text), *rest))
    assert group_of((Turn("user", text),)) == group_of((Turn("user", spaced),))
    assert prompt_id((Turn("user", text),)) == prompt_id((Turn("user", spaced),))


def test_shares_are_as_asked_for_and_the_seed_moves_them() -> None:
    prompts = [(Turn("user", f"question {number}"),) for number in range(4000)]
    sides = [Sides(1, 0.2, 0.25).of(prompt) for prompt in prompts]
    assert abs(sides.count("holdout") / 4000 - 0.2) < 0.03
    assert abs(sides.count("gold") / 4000 - 0.25) < 0.03
    other = [Sides(2, 0.2, 0.25).of(prompt) for prompt in prompts]
    assert sides != other
    # A held-out prompt stays so where there is no judge.
    alone = [Sides(1, 0.2, 0.0).of(prompt) for prompt in prompts]
    assert [one == "holdout" for one in alone] == [one == "holdout" for one in sides]


def test_a_straddling_prompt_is_found() -> None:
    frame = build([([f"What about bread {number}?"], "Yes.", "No.") for number in range(40)])
    assert straddling_prompts(frame) == []
    twin = frame.iloc[[0]].assign(split="gold" if frame["split"].iloc[0] != "gold" else "train")
    twin["prompt_id"] = "0" * 32
    twin["messages_json"] = twin["messages_json"].str.replace("What about", "WHAT  about")
    found = straddling_prompts(pd.concat([frame, twin], ignore_index=True))
    assert any(one.startswith("opening: what about bread") for one in found)


def test_what_is_dropped_is_counted_by_reason() -> None:
    one = "\n\nHuman: How are you?"
    raw = hh_raw(
        [
            hh(one, "Fine.", "Bad."),
            hh(one, "FINE. ", "bad."),
            hh(one, "Same", "same "),
            hh(one, " ", "Bad."),
            hh("\n\nHuman: ", "Fine.", "Bad."),
            hh("\n\nHuman: Wie geht es dir und den Kindern?", "Es ist nicht gut.", "Nein."),
            hh("\n\nHuman: Is it?", "Yes.", "No."),
            hh("\n\nHuman: Is it?", "No.", "Yes."),
        ]
    )
    frame = preference_pairs({"hh_rlhf": raw}, spec(), 42)
    parts = json.loads(frame.attrs["parts"])["hh_rlhf"]
    assert parts["dropped"] == {
        "both replies the same": 1,
        "contradicted by another pair": 2,
        "empty text": 2,
        "not English": 1,
        "repeated": 1,
    }
    assert parts["kept"] == len(frame) == 1


def test_the_cap_keeps_a_choice_that_does_not_depend_on_order() -> None:
    pairs = [(f"What is number {number}?", f"It is {number}.") for number in range(300)]
    whole = sft_pairs({"dolly": dolly_raw(pairs)}, spec(), 42)
    capped = sft_pairs({"dolly": dolly_raw(pairs)}, spec(max_sft_pairs=50), 42)
    turned = sft_pairs({"dolly": dolly_raw(pairs[::-1])}, spec(max_sft_pairs=50), 42)
    pd.testing.assert_frame_equal(capped, turned)
    pd.testing.assert_frame_equal(capped, whole.head(50), check_flags=False)
    assert json.loads(capped.attrs["parts"])["dolly"]["dropped"] == {"over the cap of 50": 250}
    assert capped["split"].nunique() == 2
    other = sft_pairs({"dolly": dolly_raw(pairs)}, spec(max_sft_pairs=50), 43)
    assert set(other["prompt"]) != set(capped["prompt"])


def test_inferred_rows_are_never_measured_on_nor_repeat_what_is() -> None:
    people = [(f"What is number {number}?", f"It is {number}.") for number in range(200)]
    raw = dolly_raw(people)
    held = sft_pairs({"dolly": raw}, spec(), 42).query("split == 'holdout'")
    answers = [f"Also {number}." for number in range(200)]
    inferred = [
        *((prompt.upper(), answer) for (prompt, _), answer in zip(people, answers, strict=True)),
        *((f"Tell me {number}, please.", reply) for number, (_, reply) in enumerate(people)),
    ]
    sources = {"dolly": raw, "oasst1_inferred": _inferred(inferred)}
    frame = sft_pairs(sources, spec(["oasst1_inferred", "dolly"]), 42)
    ours = frame.query("source == 'oasst1_inferred'")
    assert set(ours["split"]) == {"train"}
    assert not set(ours["prompt"].str.lower()) & set(held["prompt"].str.lower())
    assert not set(ours["reply"]) & set(held["reply"])
    assert straddling_prompts(frame) == []
    # And where the people's rows are loaded but not learnt from.
    alone = sft_pairs(sources, spec(["oasst1_inferred"]), 42)
    assert not set(alone["reply"]) & set(held["reply"])


def _inferred(pairs: list[tuple[str, str]]) -> RawSource:
    return dataclasses.replace(dolly_raw(pairs, kind="inferred"), name="oasst1_inferred")


def test_rows_that_people_labelled_win_over_inferred_copies() -> None:
    pairs = [(f"What is number {number}?", f"It is {number}.") for number in range(50)]
    sources = {"oasst1_inferred": _inferred(pairs), "dolly": dolly_raw(pairs)}
    frame = sft_pairs(sources, spec(["oasst1_inferred", "dolly"]), 42)
    assert set(frame["source"]) == {"dolly"}


def test_sources_of_the_other_table_missing_ones_and_mixtures_are_refused() -> None:
    sources = sample_texts()
    with pytest.raises(DataError, match=r"sft_pairs: \['hh_rlhf'\] hold no such rows"):
        sft_pairs(sources, spec(["hh_rlhf"]), 42)
    with pytest.raises(DataError, match=r"expected sources \['shp3'\]"):
        preference_pairs(sources, spec(preferences=["shp3"]), 42)
    mixed = dict(sources) | {"shp2": dataclasses.replace(sources["shp2"], label="real")}
    with pytest.raises(DataError, match=r"all real or all sample, found \['real', 'sample'\]"):
        preference_pairs(mixed, spec(preferences=["hh_rlhf", "shp2"]), 42)


def test_real_rows_are_those_that_the_mirror_holds(
    real: Mapping[str, RawSource], real_tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    sft, preferences = real_tables
    parts = json.loads(sft.attrs["parts"]) | json.loads(preferences.attrs["parts"])
    read = {name: part["kept"] + sum(part["dropped"].values()) for name, part in parts.items()}
    assert read == {name: raw.rows for name, raw in real.items()}
    unsure = "not known to be the best reply in the final release"
    assert read["oasst1"] - parts["oasst1"]["dropped"][unsure] == 681
    assert 675 <= parts["oasst1"]["kept"] <= 681
    assert parts["oasst1_ranks"]["kept"] > 1690
    assert parts["hh_rlhf"]["dropped"]["text before the last reply differs"] == 5
    assert parts["hh_rlhf"]["kept"] > 2250
    assert parts["qa_feedback"]["kept"] == 2616
    assert parts["dolly"]["dropped"]["reply may have been cut"] == 1838
    assert parts["oasst1_inferred"]["kind"] == "inferred"
    assert (sft.attrs["label"], preferences.attrs["label"]) == ("real", "real")


def test_real_tables_fit_their_schemas(real_tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    for name, frame in zip(("sft_pairs", "preference_pairs"), real_tables, strict=True):
        assert validate_text(name, frame, "real").failures.empty
        assert not validate_text(name, frame, "sample").passed


def test_real_trees_stand_on_one_side_in_both_tables(
    real: Mapping[str, RawSource], real_tables: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    sft, preferences = real_tables
    sft = sft.query("source == 'oasst1'")
    (content,) = real["oasst1_ranks"].files.values()
    published = pd.read_parquet(io.BytesIO(content))
    tree_of = dict(zip(published["prompt"], published["message_tree_id"], strict=True))
    ranks = preferences.query("source == 'oasst1_ranks'").copy()
    ranks["prompt"] = ranks["messages_json"].map(lambda text: json.loads(text)[-1]["content"])
    both = pd.concat([sft[["prompt", "split"]], ranks[["prompt", "split"]]])
    both["tree"] = both["prompt"].map(tree_of)
    both["held"] = both["split"] == "holdout"
    unique = both[~both["prompt"].str.lower().isin(["thanks!", "thank you"])].dropna()
    assert unique["tree"].nunique() > 250
    assert (unique.groupby("tree")["held"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"split": "test"}, "isin"),
        ({"chosen": " "}, "str_matches"),
        ({"margin": -1.0}, "greater_than_or_equal_to"),
        ({"messages_json": "[]"}, "ends with the user"),
        ({"prompt_id": "x"}, "str_matches"),
        ({"source": "oasst1"}, "isin"),
    ],
)
def test_a_bad_cell_fails_the_schema(change: dict[str, object], said: str) -> None:
    frame = preference_pairs(sample_texts(), spec(), 42)
    assert validate_text("preference_pairs", frame, "sample").passed
    for column, value in change.items():
        frame.loc[3, column] = value
    report = validate_text("preference_pairs", frame, "sample")
    assert not report.passed
    assert report.failures["check"].str.contains(said).any()


def test_straddling_and_one_sided_tables_fail_the_schema() -> None:
    frame = preference_pairs(sample_texts(), spec(), 42)
    twin = frame.iloc[[0]].assign(pair_id="0" * 32)
    twin["split"] = "gold" if frame["split"].iloc[0] != "gold" else "train"
    both = pd.concat([frame, twin], ignore_index=True)
    both.attrs = dict(frame.attrs)
    failures = validate_text("preference_pairs", both, "sample").failures
    assert list(failures["check"]) == ["no prompt on two sides"]
    alone = frame.query("split == 'train'").reset_index(drop=True)
    failures = validate_text("preference_pairs", alone, "sample").failures
    assert list(failures["check"]) == ["every side is used"]
