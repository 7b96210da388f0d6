"""The baselines' files: the same bytes, the same play once reloaded, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from churnsaver_assets.decision.baselines.files import (
    BASELINES_FILE,
    FOREST_FILE,
    TWO_MODEL_FILE,
    BaselineError,
    load_baselines,
    read_table,
)
from churnsaver_assets.decision.baselines.fitting import fit_baselines
from tests.support.decision.baselines import BUDGETS, NAMES, SPEC, played

if TYPE_CHECKING:
    from churnsaver_assets.decision.simulator.setting import Setting


def test_same_seed_same_bytes_another_seed_other_bytes(
    train: Setting, baseline_files: dict[str, bytes]
) -> None:
    assert fit_baselines(train, BUDGETS, SPEC, 42) == baseline_files
    assert fit_baselines(train, BUDGETS, SPEC, 43) != baseline_files


def test_the_files_are_json_and_ubjson(baseline_files: dict[str, bytes]) -> None:
    models = {TWO_MODEL_FILE.format(arm=arm) for arm in range(5)}
    assert set(baseline_files) == {BASELINES_FILE, FOREST_FILE} | models
    for name in (BASELINES_FILE, FOREST_FILE):
        assert msgspec.json.decode(baseline_files[name])


@pytest.mark.parametrize("budget", BUDGETS)
def test_reloaded_baselines_play_as_they_were_tuned(
    train: Setting, baseline_files: dict[str, bytes], budget: float
) -> None:
    """Only the same agent, model and parameters reach the same gain to the last digit."""
    tuning = next(
        one for one in read_table(baseline_files).budgets if one.budget_per_customer == budget
    )
    agents = load_baselines(baseline_files, budget)
    assert [agent.name for agent in agents] == NAMES
    for agent, tuned in zip(agents, tuning.baselines, strict=True):
        again = played(agent, train, budget, groups=1)
        assert (again.gain_usd[0], again.spent_usd[0]) == (tuned.gain_usd, tuned.spent_usd)


def test_a_budget_not_tuned_for_is_refused(baseline_files: dict[str, bytes]) -> None:
    with pytest.raises(BaselineError, match=r"no baselines for 2\.0 USD; tuned for \[1\.5, 6\.0\]"):
        load_baselines(baseline_files, 2.0)


@pytest.mark.parametrize("name", [BASELINES_FILE, FOREST_FILE, TWO_MODEL_FILE.format(arm=2)])
def test_missing_and_broken_files_are_named(baseline_files: dict[str, bytes], name: str) -> None:
    with pytest.raises(BaselineError, match="missing"):
        load_baselines(
            {key: baseline_files[key] for key in baseline_files if key != name}, BUDGETS[0]
        )
    with pytest.raises(BaselineError, match=name.replace(".", r"\.")):
        load_baselines(
            baseline_files | {name: baseline_files[name][: len(baseline_files[name]) // 2]},
            BUDGETS[0],
        )


def test_files_of_other_features_are_refused(baseline_files: dict[str, bytes]) -> None:
    table = msgspec.json.decode(baseline_files[BASELINES_FILE])
    table["features"] = ["p_churn"]
    with pytest.raises(BaselineError, match="learnt on"):
        load_baselines(baseline_files | {BASELINES_FILE: msgspec.json.encode(table)}, BUDGETS[0])
