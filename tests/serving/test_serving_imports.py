"""What importing the server loads, in a process of its own."""

import subprocess
import sys

import pytest

from tests.support.serving.process import ROOT

HEAVY = {"dagster", "trl", "peft", "gymnasium", "torch", "transformers", "sklearn", "pandas"}


@pytest.mark.parametrize("module", ["churnsaver_serving.app", "churnsaver_serving.__main__"])
def test_import_loads_nothing_of_training(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert module.removesuffix(".__main__") in loaded
    roots = {name.partition(".")[0] for name in loaded}
    assert not roots & (HEAVY | {"churnsaver_assets", "xgboost"})
