"""Runs the demo: sources, graph, release, API, three customers."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from churnsaver_assets.commands.api import EXAMPLES, ApiFailed, ask, request_body, running_api
from churnsaver_assets.commands.graph import GraphFailed, Materialised, materialise
from churnsaver_assets.commands.report import print_decisions, print_metrics, print_where_next
from churnsaver_assets.data.errors import DataError, SourceUnavailable
from churnsaver_assets.data.load import load_raw_files
from churnsaver_assets.data.load_text import load_text_sources
from churnsaver_assets.data.sources.environment import MODE_VARIABLE
from churnsaver_assets.defs.lib.resources import ExperimentFile
from churnsaver_assets.experiments.profiles import DEFAULT_PROFILE
from churnsaver_assets.experiments.spec import parse_experiment

# Columns where the output is no terminal: the tables are wider than the usual 80.
_LOG_WIDTH = 120


class _Stages:
    """Seconds spent in each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)


def choose_data(console: Console) -> None:
    """Real data where a source answers; else the generated sample, said loudly.

    Raises:
        SourceUnavailable: no source answers, and real data were asked for by name.
        DataError: a file is not the pinned one, or a variable can't be used.
    """
    asked_for = os.environ.get(MODE_VARIABLE)
    if asked_for == "sample":
        _announce_sample(console, f"{MODE_VARIABLE}=sample asks for it")
        return
    try:
        load_raw_files()
        load_text_sources(_text_sources())
    except SourceUnavailable as error:
        if asked_for:  # real data, by name: then nothing else will do
            raise
        _announce_sample(console, f"no source of the real data answers:\n{error}")


def _text_sources() -> list[str]:
    """Names of the text data sets that the experiment asks for."""
    data = parse_experiment(
        ExperimentFile(path=os.environ.get("CHURNSAVER_EXPERIMENT", ""), profile=_profile()).read()
    ).text.data
    return [*data.sft_sources, *data.preference_sources]


def _profile() -> str:
    return os.environ.get("CHURNSAVER_PROFILE") or DEFAULT_PROFILE


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


def run(console: Console, home: Path) -> dict[str, Any]:
    """The whole demo; returns what it writes to `demo.json`."""
    stages = _Stages()
    with stages.stage("sources"):
        console.print("[bold]1. Sources[/bold]")
        choose_data(console)
    with stages.stage("graph"):
        console.print("[bold]2. Data, models, checks, release[/bold]")
        done, manifest, release = _build(console, home)
    print_metrics(console, manifest, done)
    ledger = home / "demo-ledger.db"
    for old in home.glob("demo-ledger.db*"):  # the examples must not be in their cooldown yet
        old.unlink()
    console.print("[bold]3. API[/bold]")
    with stages.stage("api"), running_api(release, ledger, home / "demo-api.log") as address:
        answers = [
            {"example": name, "request": request_body(name), "answer": ask(address, name)}
            for name in EXAMPLES
        ]
    print_decisions(console, answers)
    return {
        "data": manifest["data"],
        "release_id": release.name,
        "metrics": manifest["metrics"],
        "answers": answers,
        "seconds": stages.seconds,
        "seconds_per_asset": done.seconds,
        "materialised": done.ran,
        "reused": done.reused,
        "checks": done.checks,
    }


def _build(console: Console, home: Path) -> tuple[Materialised, dict[str, Any], Path]:
    """Bring the graph up to date; what ran, and the release that it made."""
    from dagster import AssetKey, DagsterInstance

    from churnsaver_assets.definitions import build_defs

    defs = build_defs(
        str(home),
        os.environ.get("CHURNSAVER_EXPERIMENT", ""),
        _profile(),
    )
    with DagsterInstance.get() as instance:
        done = materialise(defs, instance, console)
        made = cast(
            "dict[str, bytes]", defs.load_asset_value(AssetKey("release"), instance=instance)
        )
    release = home / "releases" / made["release_id"].decode()
    try:
        manifest = json.loads((release / "manifest.json").read_bytes())
    except FileNotFoundError as error:
        raise GraphFailed(
            f"release {release.name} was made and is gone from {release.parent}; materialise the "
            "asset `release` again (`make ui`)"
        ) from error
    pointer = release.parent / "CURRENT"
    current = pointer.read_text().strip() if pointer.exists() else "nothing"
    if current != release.name:
        console.print(
            f"[bold yellow]CURRENT names release {current[:12]}; `make serve` serves that one, the "
            f"demo the graph's own, {release.name[:12]}[/]"
        )
    return done, manifest, release


def main() -> int:
    """Entry point; the exit status."""
    console = Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    home = Path(os.environ.setdefault("CHURNSAVER_HOME", str(Path(".churnsaver").resolve())))
    home.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))
    start = time.perf_counter()
    try:
        summary = run(console, home)
    except (DataError, GraphFailed, ApiFailed) as error:
        console.print(f"[bold red]The demo stopped:[/bold red] {type(error).__name__}")
        console.print(str(error), markup=False)
        return 1
    summary["seconds"]["total"] = round(time.perf_counter() - start, 2)
    target = home / "demo.json"
    target.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print_where_next(console, home, summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
