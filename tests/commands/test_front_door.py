"""`make demo` as a newcomer runs it, in a checkout and a home whose paths are not plain."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands.test_setup import AWKWARD
from tests.support import ROOT
from tests.support.graph.experiment import small_experiment


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files in a folder with a blank in its path."""
    folder = tmp_path_factory.mktemp("front") / "check out"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if not name.startswith("tests/") and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def make(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make in the checkout, with this environment's Python in place of one of its own."""
    stamp = checkout.parent / "installed"
    stamp.touch()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CHURNSAVER_HOME", "DAGSTER_HOME", "MAKEFLAGS", "MAKELEVEL"}
    }
    return subprocess.run(
        ["make", f"VENV={sys.prefix}", f"STAMP={stamp}", *arguments],
        cwd=checkout,
        env=environment | {"PYTHONPATH": str(checkout)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_alone_lists_the_commands(checkout: Path) -> None:
    done = make(checkout)
    assert done.returncode == 0, done.stderr
    assert "demo-text" in done.stdout


def _as_in_the_demo(experiment: Path) -> None:
    """Leave out of an experiment what the demo's profile leaves out."""
    content = yaml.safe_load(experiment.read_text())
    content["churn_risk"]["rivals"] = False
    content["offer_acceptance"] |= {"rivals": False, "temporal": False}
    experiment.write_text(yaml.safe_dump(content))


@pytest.mark.slow
def test_make_demo_works_and_leaves_all_state_in_the_home(checkout: Path) -> None:
    experiment, home = checkout.parent / "small experiment.yaml", checkout.parent / AWKWARD
    small_experiment(experiment, checkout.parent / "no language model")
    _as_in_the_demo(experiment)
    before = {path.name for path in checkout.iterdir()}
    done = make(
        checkout,
        "demo",
        CHURNSAVER_HOME=str(home),
        CHURNSAVER_DATA="sample",
        CHURNSAVER_EXPERIMENT=str(experiment),
        CHURNSAVER_PROFILE="local",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in checkout.iterdir()} - {"__pycache__"} == before
    assert {path.name for path in checkout.parent.iterdir()} == {
        "check out",
        "installed",
        experiment.name,
        AWKWARD,
    }
    assert {path.name for path in home.iterdir()} == {
        "assets",
        "checkpoints",
        "dagster",
        "demo-api.log",
        "demo-ledger.db",
        "demo.json",
        "releases",
    } | {path.name for path in home.glob("demo-ledger.db-*")}
    summary: dict[str, Any] = json.loads((home / "demo.json").read_text())
    assert summary["as_of"] == "2026-09-15"
    assert [one["example"] for one in summary["answers"]] == ["at_risk", "in_between", "loyal"]
    assert len(summary["answers_now"]) == len(summary["answers"])
    assert summary["answers"][0]["answer"]["release"]["id"] == summary["release_id"]
    assert not {"sft_model", "ppo_text_model", "message_bank"} & set(summary["materialised"])
    rungs = {
        one["answer"]["message"]["rung"] for one in summary["answers"] if one["answer"]["message"]
    }
    assert rungs <= {"template"}
