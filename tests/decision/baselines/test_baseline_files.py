"""The baselines' files: the same bytes, the same play once reloaded, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.baselines.files import (
    BASELINES_FILE,
    FOREST_FILE,
    TWO_MODEL_FILE,
    BaselineError,
    Tuning,
    read_log_models,
    read_table,
    to_files,
)
from churnsaver_assets.decision.baselines.fitting import fit_log_models
from churnsaver_assets.decision.baselines.parameters import (
    Random,
    TreeUplift,
    TwoModelUplift,
    build_policies,
)
from tests.support.decision.baselines import DAILY, SPEC, first_day

if TYPE_CHECKING:
    from churnsaver_assets.decision.baselines.parameters import LogModels
    from churnsaver_assets.decision.baselines.tuning import TunedBaseline
    from churnsaver_assets.decision.simulator.setting import Setting


def test_same_seed_same_bytes_another_seed_other_bytes(train: Setting, models: LogModels) -> None:
    again = to_files(fit_log_models(train, SPEC, 42), (), 42)
    assert again == to_files(models, (), 42)
    assert to_files(fit_log_models(train, SPEC, 43), (), 43) != again


def test_the_files_are_json_and_ubjson(baseline_files: dict[str, bytes]) -> None:
    arms = {TWO_MODEL_FILE.format(arm=arm) for arm in range(5)}
    assert set(baseline_files) == {BASELINES_FILE, FOREST_FILE} | arms
    for name in (BASELINES_FILE, FOREST_FILE):
        assert msgspec.json.decode(baseline_files[name])


def test_what_was_tuned_is_read_again(
    baseline_files: dict[str, bytes], tuned: tuple[TunedBaseline, ...]
) -> None:
    table = read_table(baseline_files)
    assert table.tunings == (Tuning(DAILY, tuned),)
    assert table.tuned(DAILY) == tuned
    for other in (Conditions("monthly", 2.0), Conditions("daily", 2.0, 0.1)):
        with pytest.raises(BaselineError, match="no baselines for"):
            table.tuned(other)


def test_reloaded_models_judge_alike(
    train: Setting, models: LogModels, baseline_files: dict[str, bytes]
) -> None:
    again, seen = read_log_models(baseline_files), first_day(train, 0.3)
    assert again.posterior == models.posterior
    for parameters in (TreeUplift(None), TwoModelUplift(0.2), Random(0.1)):
        values = []
        for one in (models, again):
            policy = build_policies(parameters, one, groups=2, seed=42)
            assert not isinstance(policy, list)
            values.append(policy.preferences(seen))
        np.testing.assert_array_equal(values[0], values[1])


@pytest.mark.parametrize("name", [BASELINES_FILE, FOREST_FILE, TWO_MODEL_FILE.format(arm=2)])
def test_missing_and_broken_files_are_named(baseline_files: dict[str, bytes], name: str) -> None:
    with pytest.raises(BaselineError, match="missing"):
        read_log_models({key: baseline_files[key] for key in baseline_files if key != name})
    broken = baseline_files[name][: len(baseline_files[name]) // 2]
    with pytest.raises(BaselineError, match=name.replace(".", r"\.")):
        read_log_models(baseline_files | {name: broken})


def test_files_of_other_features_are_refused(baseline_files: dict[str, bytes]) -> None:
    table = msgspec.json.decode(baseline_files[BASELINES_FILE])
    table["features"] = ["p_churn"]
    with pytest.raises(BaselineError, match="learnt on"):
        read_table(baseline_files | {BASELINES_FILE: msgspec.json.encode(table)})
