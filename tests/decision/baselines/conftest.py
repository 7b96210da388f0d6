"""Baselines fitted and tuned once for all tests here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.decision.baselines.files import Tuning, to_files
from churnsaver_assets.decision.baselines.fitting import fit_log_models
from churnsaver_assets.decision.baselines.tuning import tune_baselines
from tests.support.decision.baselines import CUSTOMERS, DAILY, NEW_SHARE, PACING, SPEC
from tests.support.decision.living import living_setting

if TYPE_CHECKING:
    from churnsaver_assets.decision.baselines.parameters import LogModels
    from churnsaver_assets.decision.baselines.tuning import TunedBaseline
    from churnsaver_assets.decision.simulator.setting import Setting


@pytest.fixture(scope="session")
def train() -> Setting:
    """Make the customers that `models` are fitted on, over two months."""
    return living_setting(CUSTOMERS, 61, seed=1)


@pytest.fixture(scope="session")
def models(train: Setting) -> LogModels:
    return fit_log_models(train, SPEC, 42)


@pytest.fixture(scope="session")
def tuned(train: Setting, models: LogModels) -> tuple[TunedBaseline, ...]:
    return tune_baselines(train, DAILY, models, SPEC, pacing=PACING, new_share=NEW_SHARE, seed=42)


@pytest.fixture(scope="session")
def baseline_files(models: LogModels, tuned: tuple[TunedBaseline, ...]) -> dict[str, bytes]:
    """Pack the baselines. Shared by all tests: copy before changing them."""
    return to_files(models, (Tuning(DAILY, tuned),), 42)
