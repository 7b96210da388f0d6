"""Fixtures of the text tests: hardware settings and the packaged shield."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.experiments.text_spec import HardwareSpec

if TYPE_CHECKING:
    from churnsaver_serving.runtime.shield.shield import Shield


@pytest.fixture(scope="session")
def hardware() -> HardwareSpec:
    """Return settings of one core, without half precision: small models gain nothing by it."""
    return HardwareSpec(
        device="cpu", threads=1, bf16=False, gradient_checkpointing=False, quantisation="none"
    )


@pytest.fixture(scope="session")
def shield() -> Shield:
    """Load the shield with the packaged rules."""
    from churnsaver_serving.runtime.shield.rules import default_rules
    from churnsaver_serving.runtime.shield.shield import Shield

    return Shield.from_bytes(default_rules())
