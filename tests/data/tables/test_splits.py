"""Splits: disjoint, balanced, the same whatever the order of the rows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnsaver_assets.data.errors import DataError
from churnsaver_assets.data.tables.splits import (
    FOLDS,
    RULES,
    SplitRule,
    join_splits,
    make_splits,
    straddling_groups,
)

if TYPE_CHECKING:
    from churnsaver_serving.runtime.manifest import DataLabel

RULE = SplitRule(key="key", group="group", strata=("label", "arm"), holdout=0.2)

GOLDEN = {
    "telco_customers": "fe58ec21ac537b64",
    "bank_contacts": "878c880849006535",
    "hillstrom_emails": "1e967929ca5212c0",
}


@pytest.fixture(scope="module")
def tables(
    telco: pd.DataFrame, bank: pd.DataFrame, hillstrom: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    return {"telco_customers": telco, "bank_contacts": bank, "hillstrom_emails": hillstrom}


@pytest.fixture(scope="module")
def splits(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {name: make_splits(table, RULES[name]) for name, table in tables.items()}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Draw groups of one to three rows; a group has one label and one arm."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=60))
    rows = []
    for group, size in enumerate(sizes):
        label, arm = draw(st.booleans()), draw(st.sampled_from("ab"))
        rows += [{"group": f"g{group}", "label": label, "arm": arm}] * size
    return pd.DataFrame(rows).rename_axis("key").reset_index()


@given(frame=frames(), order=st.randoms(use_true_random=False), seed=st.integers(0, 2**32))
def test_the_order_of_the_rows_changes_nothing(
    frame: pd.DataFrame, order: object, seed: int
) -> None:
    positions = list(range(len(frame)))
    order.shuffle(positions)  # type: ignore[attr-defined]
    shuffled = frame.iloc[positions]
    assert make_splits(frame, RULE, seed=seed).equals(make_splits(shuffled, RULE, seed=seed))


@given(frame=frames())
def test_a_group_has_one_place_and_a_stratum_its_share(frame: pd.DataFrame) -> None:
    splits = make_splits(frame, RULE)
    assert straddling_groups(frame, splits, RULE) == []
    groups = join_splits(frame, splits).drop_duplicates("group")
    for _, stratum in groups.groupby(["label", "arm"]):
        assert abs((stratum["split"] == "holdout").sum() - 0.2 * len(stratum)) <= 0.5
    for _, cell in groups.groupby(["split", "label", "arm"]):
        counts = cell["fold"].value_counts().reindex(range(FOLDS), fill_value=0)
        assert counts.max() - counts.min() <= 1


@given(frame=frames())
def test_every_row_is_placed_once(frame: pd.DataFrame) -> None:
    splits = make_splits(frame, RULE)
    assert splits["key"].tolist() == sorted(frame["key"])
    assert set(splits["fold"]) <= set(range(FOLDS))
    assert set(splits["split"]) <= {"train", "holdout"}


def test_the_tables_are_split_disjointly_and_evenly(
    tables: dict[str, pd.DataFrame], splits: dict[str, pd.DataFrame]
) -> None:
    for name, table in tables.items():
        rule = RULES[name]
        assert straddling_groups(table, splits[name], rule) == []
        joined = join_splits(table, splits[name])
        assert (joined["split"] == "holdout").mean() == pytest.approx(rule.holdout, abs=5e-4)
        label = rule.strata[-1]
        for column in ("fold", "split"):
            rates = joined.groupby(column)[label].mean()
            assert rates.max() - rates.min() < 2e-3


def test_hillstrom_is_halved_within_each_segment(
    hillstrom: pd.DataFrame, splits: dict[str, pd.DataFrame]
) -> None:
    joined = join_splits(hillstrom, splits["hillstrom_emails"])
    for _, segment in joined.groupby("segment"):
        assert abs((segment["split"] == "holdout").sum() - len(segment) / 2) <= 1


def test_a_shuffled_table_is_split_alike(
    tables: dict[str, pd.DataFrame], splits: dict[str, pd.DataFrame]
) -> None:
    for name, table in tables.items():
        shuffled = table.sample(frac=1.0, random_state=7)
        assert make_splits(shuffled, RULES[name]).equals(splits[name])


def test_another_seed_is_another_split(
    telco: pd.DataFrame, splits: dict[str, pd.DataFrame]
) -> None:
    other = make_splits(telco, RULES["telco_customers"], seed=43)
    same = (other["fold"] == splits["telco_customers"]["fold"]).mean()
    assert same == pytest.approx(1 / FOLDS, abs=0.03)


def test_folds_say_nothing_about_the_date(splits: dict[str, pd.DataFrame]) -> None:
    """Random folds mix the months of Bank: each takes a fifth of every tenth of the file."""
    bank = splits["bank_contacts"]
    tenth = bank["row"] * 10 // len(bank)
    shares = pd.crosstab(tenth, bank["fold"], normalize="index")
    assert (shares - 1 / FOLDS).abs().to_numpy().max() < 0.05


def test_the_split_of_the_real_tables_is_pinned(
    splits: dict[str, pd.DataFrame], data_label: DataLabel
) -> None:
    if data_label == "sample":
        pytest.skip("no local mirror")
    found = {
        name: hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()[:16]
        for name, table in splits.items()
    }
    assert found == GOLDEN


def test_rows_on_both_sides_are_found(bank: pd.DataFrame, splits: dict[str, pd.DataFrame]) -> None:
    group = bank["group"][bank["group"].duplicated()].iloc[0]
    first = bank["row"][bank["group"] == group].iloc[0]
    torn = splits["bank_contacts"].copy()
    at = torn["row"] == first
    torn.loc[at, "split"] = torn.loc[at, "split"].map({"train": "holdout", "holdout": "train"})
    assert straddling_groups(bank, torn, RULES["bank_contacts"]) == [group]


def test_repeated_keys_are_refused(telco: pd.DataFrame) -> None:
    twice = pd.concat([telco, telco.iloc[:1]])
    with pytest.raises(DataError, match=r"customer_id: expected unique keys, found '"):
        make_splits(twice, RULES["telco_customers"])


def test_a_group_with_two_labels_is_refused(bank: pd.DataFrame) -> None:
    torn = bank.assign(group="same")
    with pytest.raises(DataError, match="group: the rows of 'same' differ in accepted"):
        make_splits(torn, RULES["bank_contacts"])


def test_splits_of_another_table_are_refused(
    telco: pd.DataFrame, splits: dict[str, pd.DataFrame]
) -> None:
    with pytest.raises(DataError, match="hold different keys"):
        join_splits(telco.iloc[1:], splits["telco_customers"])
