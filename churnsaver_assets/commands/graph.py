"""Materialises what is not up to date, with progress on the terminal."""

import logging
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import cast
from uuid import uuid4

from dagster import (
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    DagsterEventType,
    DagsterInstance,
    Definitions,
    EventLogEntry,
)
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from churnsaver_assets.defs.lib.optional import optional_keys
from churnsaver_assets.defs.lib.sources import READS_FILES
from churnsaver_assets.defs.lib.unsynced import unsynced

# Quiet: the progress bar and, on failure, the exception say what a person needs.
_RUN_CONFIG = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

_DESCRIPTION = 48


class GraphFailed(Exception):
    """A step or a blocking check failed: names it and says where to look."""


@dataclass(slots=True)
class Materialised:
    """A record of what ran and what was reused.

    Attributes:
        ran: The assets that were materialised, in order.
        reused: The assets that were up to date.
        seconds: The seconds of each step that ran, by its name.
        checks: Whether each check that was evaluated passed, by "asset:check".
    """

    ran: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    checks: dict[str, bool] = field(default_factory=dict)


def materialise(
    defs: Definitions,
    instance: DagsterInstance,
    console: Console,
    *,
    roots: Iterable[AssetKey] | None = None,
    only: AbstractSet[AssetKey] | None = None,
) -> Materialised:
    """Bring the graph up to date.

    The roots (experiment file, sources) and whatever else reads files run always: they are cheap
    and it is they that notice that a file has changed. Then whatever is unsynced, upstream before
    downstream, until nothing is: whether an asset is, shows only once all that is upstream of it
    has run.

    Args:
        defs: The graph.
        instance: The instance that has the graph's records.
        console: The console that shows the progress.
        roots: The assets that are run whether up to date or not; None runs the roots and what
            reads files.
        only: The assets that are brought up to date, with all that is upstream of any of them;
            None brings all of them.

    Raises:
        GraphFailed: a step or a blocking check failed.
    """
    done = Materialised()
    assets = cast("Iterable[AssetsDefinition]", defs.assets)
    every = AssetSelection.all().resolve(assets)
    if only is not None:
        every &= only
    with Progress(
        TextColumn("  {task.description:<48}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        watch = _Watch(done, progress, progress.add_task("checking the sources", total=len(every)))
        first = _outermost().resolve(assets) if roots is None else set(roots)
        _run(defs, instance, first & every, watch)
        while pending := unsynced(defs, instance) & every:
            if repeated := {key.to_user_string() for key in pending} & set(done.ran):
                raise GraphFailed(f"still out of date after running: {', '.join(sorted(repeated))}")
            _run(defs, instance, _first_of(pending, defs), watch)
        progress.update(watch.bar, completed=len(every), description="graph up to date")
    done.reused = sorted({key.to_user_string() for key in every} - set(done.ran))
    return done


def upstream_of(defs: Definitions, names: Iterable[str]) -> set[AssetKey]:
    """Return the assets of these names with all that is needed to make them.

    What an asset can do without (`optional`) is not among it.
    """
    graph = defs.resolve_asset_graph()
    found: set[AssetKey] = set()
    ahead = [AssetKey(name) for name in names]
    while ahead:
        key = ahead.pop()
        if key not in found:
            found.add(key)
            node = graph.get(key)
            ahead += node.parent_keys - optional_keys(node.metadata)
    return found


def _outermost() -> AssetSelection:
    """Select the roots, and what reads files although it comes from something."""
    (tag,) = READS_FILES
    return AssetSelection.all().roots() | AssetSelection.tag(tag, READS_FILES[tag]).upstream()


def _first_of(pending: AbstractSet[AssetKey], defs: Definitions) -> set[AssetKey]:
    """Return those of the pending assets that nothing pending is upstream of.

    With each come the assets that are made in one step with it.
    """
    graph = defs.resolve_asset_graph()
    first = {key for key in pending if not graph.get_ancestor_asset_keys(key) & pending}
    return {sibling for key in first for sibling in graph.get(key).execution_set_asset_keys}


@dataclass(slots=True)
class _Watch:
    """Turns a run's events into progress and notes."""

    done: Materialised
    progress: Progress
    bar: TaskID

    def __call__(self, entry: EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:  # a log line: long steps say how far they are
            if int(entry.level) >= logging.INFO:
                self.progress.update(self.bar, description=entry.user_message[:_DESCRIPTION])
                if not self.progress.console.is_terminal:  # there the bar shows at the end alone
                    self.progress.console.print(f"  {entry.user_message}", markup=False)
            return
        if event.event_type == DagsterEventType.STEP_START:
            self.progress.update(self.bar, description=str(event.step_key))
        elif event.event_type == DagsterEventType.ASSET_MATERIALIZATION:
            self.done.ran.append(str(event.asset_key and event.asset_key.to_user_string()))
            self.progress.advance(self.bar)
        elif event.event_type == DagsterEventType.STEP_SUCCESS:
            seconds = event.step_success_data.duration_ms / 1000
            self.done.seconds[str(event.step_key)] = round(seconds, 2)
        elif event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            result = event.asset_check_evaluation_data
            name = f"{result.asset_key.to_user_string()}:{result.check_name}"
            self.done.checks[name] = result.passed


def _run(
    defs: Definitions, instance: DagsterInstance, keys: AbstractSet[AssetKey], watch: _Watch
) -> None:
    run_id = str(uuid4())
    instance.add_event_listener(run_id, watch)
    try:
        defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config=_RUN_CONFIG,
            instance=instance,
            asset_selection=sorted(keys),
            run_id=run_id,
        )
    except Exception as error:
        failed = [name for name, passed in watch.done.checks.items() if not passed]
        raise GraphFailed(
            f"run {run_id} failed"
            + (f" at the checks {', '.join(failed)}" if failed else f": {error}")
            + "; `make ui` shows its log"
        ) from error
