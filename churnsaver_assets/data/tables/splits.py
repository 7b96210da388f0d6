"""Folds and holdout that depend on the rows' keys only, not on their order. No models here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from churnsaver_assets.data.errors import DataError

SEED = 42
FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRule:
    """A rule for splitting one canonical table.

    Attributes:
        key: Column that identifies a row.
        group: Column whose equal values stay together; often the key.
        strata: Columns whose joint values are spread evenly.
        holdout: Share of the groups on the holdout side, which policies are compared on. Only
            policies leave it out: the tabular models are cross-fitted and trained on all rows, so
            for them `probability` of the `*_predictions` tables alone is out of sample.
    """

    key: str
    group: str
    strata: tuple[str, ...]
    holdout: float


RULES: Mapping[str, SplitRule] = MappingProxyType(
    {
        "telco_customers": SplitRule(
            key="customer_id", group="customer_id", strata=("churned",), holdout=0.2
        ),
        # Equal rows may be one client twice, so they never stand on both sides.
        "bank_contacts": SplitRule(key="row", group="group", strata=("accepted",), holdout=0.2),
        "hillstrom_emails": SplitRule(
            key="customer", group="customer", strata=("segment", "visit"), holdout=0.5
        ),
    }
)


def make_splits(frame: pd.DataFrame, rule: SplitRule, *, seed: int = SEED) -> pd.DataFrame:
    """Assign each row a fold and a side.

    Groups are put in the order of a keyed hash; within each stratum the first `holdout` of them
    become the holdout, and folds are dealt like cards. So a group's place depends on the seed and
    on which groups there are, not on the order of the rows, and each stratum's share in a fold is
    exact to one group.

    Args:
        frame: The table, n rows with the rule's columns.
        rule: The rule to split by.
        seed: Seed of the keyed hash; another seed, another split.

    Returns:
        n rows sorted by key: the key, `fold` (0..4; dealt within train and within holdout), `split`
        ("train" or "holdout"). Join it by key.

    Raises:
        DataError: Keys repeat, or the rows of a group differ in stratum.
    """
    if not frame[rule.key].is_unique:
        repeated = frame[rule.key][frame[rule.key].duplicated()].iloc[0]
        raise DataError(f"{rule.key}: expected unique keys, found {repeated!r} more than once")
    stratum = frame.groupby(list(rule.strata), observed=True).ngroup()
    groups = pd.DataFrame({"group": frame[rule.group], "stratum": stratum}).drop_duplicates()
    if not groups["group"].is_unique:
        mixed = groups["group"][groups["group"].duplicated()].iloc[0]
        raise DataError(f"{rule.group}: the rows of {mixed!r} differ in {', '.join(rule.strata)}")
    groups["order"] = [_keyed_hash(group, seed) for group in groups["group"]]
    groups = groups.sort_values(["stratum", "order"], kind="stable")
    rank = groups.groupby("stratum").cumcount()
    size = groups.groupby("stratum")["group"].transform("size")
    groups["split"] = np.where(rank < (size * rule.holdout).round(), "holdout", "train")
    groups = groups.sort_values(["split", "stratum", "order"], kind="stable")
    groups["fold"] = np.arange(len(groups)) % FOLDS
    place = groups.set_index("group")[["fold", "split"]]
    splits = pd.DataFrame(
        {
            rule.key: frame[rule.key],
            "fold": frame[rule.group].map(place["fold"]),
            "split": frame[rule.group].map(place["split"]),
        }
    )
    return splits.sort_values(rule.key, kind="stable").reset_index(drop=True)


def join_splits(frame: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Join `fold` and `split` to a frame, which keeps its order of rows.

    Args:
        frame: The table, n rows with the key column.
        splits: A result of `make_splits`; its first column is the key.

    Raises:
        DataError: The two don't hold the same keys.
    """
    key = splits.columns[0]
    if set(frame[key]) != set(splits[key]) or len(frame) != len(splits):
        raise DataError(
            f"{key}: the table ({len(frame):,} rows) and its splits ({len(splits):,} rows) hold "
            "different keys; make the splits anew from this table"
        )
    return frame.merge(splits, on=key, how="left", validate="one_to_one")


def straddling_groups(frame: pd.DataFrame, splits: pd.DataFrame, rule: SplitRule) -> list[str]:
    """Return groups with rows in more than one fold or on both sides; empty where all is well."""
    joined = join_splits(frame, splits)
    places = joined.groupby(rule.group)[["fold", "split"]].nunique().max(axis=1)
    return [str(group) for group in places.index[places > 1]]


def _keyed_hash(group: object, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}:{group}".encode(), digest_size=16).digest()
