"""Runs the demo: sources, graph without text models, release, API, three customers decided.

The messages come from the vetted templates, or from the bank where `demo_text` has made one.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from churnsaver_assets.commands.api import (
    BY_SMS,
    EXAMPLES,
    ApiFailed,
    ask,
    request_body,
    running_api,
)
from churnsaver_assets.commands.graph import GraphFailed, Materialised, materialise, upstream_of
from churnsaver_assets.commands.report import print_decisions, print_metrics, print_where_next
from churnsaver_assets.commands.setup import Setup, run_command
from churnsaver_assets.common.atomic import write_text
from churnsaver_assets.data.errors import DataError, SourceUnavailable
from churnsaver_assets.data.load import load_sources
from churnsaver_assets.data.sources.environment import MODE_VARIABLE
from churnsaver_assets.data.sources.registry_tables import TABLE_SOURCES
from churnsaver_assets.defs.lib.io import RELEASE_ID
from churnsaver_assets.defs.lib.resources import ExperimentFile
from churnsaver_assets.experiments.spec import parse_experiment

AS_OF = datetime(2026, 9, 15, 15, 0, tzinfo=UTC)
"""The working day that the answers are of, so that they are the same whenever it is run."""

TARGETS = (
    "release",
    "data_catalog",
    "churn_risk_evaluation",
    "offer_acceptance_evaluation",
    "policy_evaluation",
    "uplift_validation",
    "shield_report",
)
"""What is made with all that is upstream of it: everything but the text models."""


class _Stages:
    """Counts the seconds spent in each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)


def choose_data(setup: Setup) -> None:
    """Take real data where a source answers; else the generated sample, and say so loudly.

    Raises:
        SourceUnavailable: no source answers, and real data were asked for by name.
        DataError: a file is not the pinned one, or a variable can't be used.
    """
    console, asked_for = setup.console, os.environ.get(MODE_VARIABLE)
    if asked_for == "sample":
        _announce_sample(console, f"{MODE_VARIABLE}=sample asks for it")
        return
    try:
        load_sources([*TABLE_SOURCES, *_text_sources(setup)])
    except SourceUnavailable as error:
        if asked_for:  # real data, by name: then nothing else will do
            raise
        _announce_sample(console, f"no source of the real data answers:\n{error}")


def _text_sources(setup: Setup) -> list[str]:
    """Return the names of the text data sets that the experiment asks for."""
    source = ExperimentFile(path=setup.experiment, profile=setup.profile).read()
    data = parse_experiment(source).text.data
    return [*data.sft_sources, *data.preference_sources]


def _announce_sample(console: Console, why: str) -> None:
    console.rule("[bold red]GENERATED SAMPLE, NOT REAL DATA", style="bold red")
    console.print(why, markup=False)
    console.print(
        "Every figure and decision below comes from generated customers and is labelled "
        "'data: sample'.\nFor the real thing, put the files in a folder and name it in "
        "CHURNSAVER_DATA_MIRROR.",
        style="bold red",
    )
    os.environ[MODE_VARIABLE] = "sample"
    os.environ["CHURNSAVER_ALLOW_SAMPLE"] = "1"


def run(setup: Setup, targets: tuple[str, ...] = TARGETS) -> dict[str, Any]:
    """Run the whole demo.

    Args:
        setup: The console, the home folder and what to run.
        targets: The assets that are made, with all that is upstream of them.

    Returns:
        What is written to `demo.json`.

    Raises:
        DataError: the data can't be had or used.
        GraphFailed: an asset could not be made, or a blocking check failed.
        ApiFailed: the API did not start, or refused a request.
    """
    console, stages = setup.console, _Stages()
    with stages.stage("sources"):
        console.print("[bold]1. Sources[/bold]")
        choose_data(setup)
    with stages.stage("graph"):
        console.print("[bold]2. Data, models, checks, release[/bold]")
        done, manifest, release = _build(setup, targets)
    print_metrics(console, manifest, done)
    console.print("[bold]3. API[/bold]")
    with stages.stage("api"):
        with _api(setup, release, AS_OF) as address:
            answers = [_asked(address, name) for name in EXAMPLES]
            by_sms = _asked(address, BY_SMS)
        with _api(setup, release, None) as address:
            answers_now = [_asked(address, name) for name in EXAMPLES]
    print_decisions(console, [*answers, by_sms], as_of=AS_OF, now=answers_now)
    return {
        "data": manifest["data"],
        "release_id": release.name,
        "metrics": manifest["metrics"],
        "as_of": AS_OF.date().isoformat(),
        "answers": answers,
        "answer_by_sms": by_sms,
        "answers_now": answers_now,
        "seconds": stages.seconds,
        "seconds_per_asset": done.seconds,
        "materialised": done.ran,
        "reused": done.reused,
        "checks": done.checks,
    }


@contextmanager
def _api(setup: Setup, release: Path, as_of: datetime | None) -> Iterator[str]:
    """Serve on a new ledger: the examples must not be in their cooldown yet."""
    ledger = setup.home / "demo-ledger.db"
    for old in setup.home.glob("demo-ledger.db*"):
        old.unlink()
    with running_api(release, ledger, setup.home / "demo-api.log", as_of=as_of) as address:
        yield address


def _asked(address: str, example: str) -> dict[str, Any]:
    answer = ask(address, example)
    return {"example": example, "request": request_body(example), "answer": answer}


def _build(setup: Setup, targets: tuple[str, ...]) -> tuple[Materialised, Mapping[str, Any], Path]:
    """Bring the graph up to date and find the release that it made.

    Returns:
        What ran, the release's manifest, and its directory.
    """
    from dagster import AssetKey, DagsterInstance

    from churnsaver_assets.definitions import build_defs

    defs = build_defs(str(setup.home), setup.experiment, setup.profile)
    with DagsterInstance.get() as instance:
        done = materialise(defs, instance, setup.console, only=upstream_of(defs, targets))
        made = cast(
            "dict[str, bytes]", defs.load_asset_value(AssetKey("release"), instance=instance)
        )
    release = setup.home / "releases" / made[RELEASE_ID].decode()
    manifest = json.loads((release / "manifest.json").read_bytes())
    pointer = release.parent / "CURRENT"
    current = pointer.read_text().strip() if pointer.exists() else "nothing"
    if current != release.name:
        setup.console.print(
            f"[bold yellow]CURRENT names release {current[:12]}; `make serve` serves that one, the "
            f"demo the graph's own, {release.name[:12]}[/]"
        )
    return done, manifest, release


def body(setup: Setup, targets: tuple[str, ...] = TARGETS) -> None:
    """Run the demo, write `demo.json` and say where to look next."""
    start = time.perf_counter()
    summary = run(setup, targets)
    summary["seconds"]["total"] = round(time.perf_counter() - start, 2)
    write_text(setup.home / "demo.json", json.dumps(summary, indent=2) + "\n")
    print_where_next(setup.console, setup.home, summary)


FAILURES = (DataError, GraphFailed, ApiFailed)


def main() -> int:
    """Run the command and return its exit status."""
    return run_command("The demo stopped", body, failures=FAILURES)


if __name__ == "__main__":
    sys.exit(main())
