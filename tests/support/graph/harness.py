"""A real asset graph on the generated sample, and ways to change one artefact in it."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import yaml
from rich.console import Console
from upath import UPath

from churnsaver_assets.commands import demo
from churnsaver_assets.commands.graph import Materialised, materialise, upstream_of
from churnsaver_assets.data.sources.raw import pack_sources, unpack_sources
from churnsaver_assets.definitions import build_defs
from churnsaver_serving.runtime.engine.release import Release, load_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Graph:
    """The graph with all its state below one folder, in a profile."""

    folder: Path
    profile: str = "local"  # the experiment file as it is

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def experiment(self) -> Path:
        return self.folder / "experiment.yaml"

    @cached_property
    def defs(self) -> dg.Definitions:
        """Of paths alone; what stands in the experiment is read by each run."""
        return build_defs(str(self.home), str(self.experiment), self.profile)

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        storage = self.folder / "dagster"
        storage.mkdir(exist_ok=True)
        quiet = {"telemetry": {"enabled": False}}
        with dg.DagsterInstance.local_temp(str(storage), overrides=quiet) as instance:
            yield instance

    def run(self, *names: str, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
        """Materialise these assets with their checks; everything where none is named."""
        with self.instance() as instance:
            return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
                run_config=QUIET,
                instance=instance,
                asset_selection=[dg.AssetKey(name) for name in names] or None,
                raise_on_error=raise_on_error,
            )

    def load(self, name: str) -> Any:
        """The stored value of an asset."""
        with self.instance() as instance:
            return self.defs.load_asset_value(dg.AssetKey(name), instance=instance)

    def version(self, name: str) -> str:
        """The data version that an asset was last recorded with."""
        with self.instance() as instance:
            found = instance.fetch_materializations(dg.AssetKey(name), limit=1).records[0]
        assert found.asset_materialization is not None
        return str(found.asset_materialization.tags["dagster/data_version"])

    def overwrite(self, name: str, value: Any) -> None:
        """Put another value where an asset's is stored, behind Dagster's back."""
        key = (
            "tables"
            if hasattr(value, "columns")
            else "files"
            if isinstance(value, dict)
            else "models"
        )
        manager = self.defs.resources[key].create_io_manager(dg.build_init_resource_context())
        manager.handle_output(dg.build_output_context(asset_key=dg.AssetKey(name)), value)

    def replace(self, name: str, value: Any, version: str) -> None:
        """Another value of an asset, recorded as Dagster records one."""
        self.overwrite(name, value)
        key = dg.AssetKey(name)
        with self.instance() as instance:
            before = instance.fetch_materializations(key, limit=1).records[0].asset_materialization
            assert before is not None
            kept = dict(before.tags or {})
            instance.report_runless_asset_event(
                dg.AssetMaterialization(key, tags=kept | {"dagster/data_version": version})
            )

    def change_source(self, name: str, edit: Callable[[bytes], bytes]) -> str:
        """Another source file, recorded as Dagster records one; its sha256."""
        source = self.load(f"{name}_source")
        raw = unpack_sources(source)[name]
        content = edit(raw.content)
        changed = dataclasses.replace(
            raw,
            files=dict.fromkeys(raw.files, content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        self.overwrite(f"{name}_source", pack_sources({name: changed}))
        key = dg.AssetKey(f"{name}_source")
        with self.instance() as instance:
            before = instance.fetch_materializations(key, limit=1).records[0].asset_materialization
            code = {"dagster/code_version": before.tags["dagster/code_version"]}
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    key, tags=code | {"dagster/data_version": f"{raw.label}-{changed.sha256}"}
                )
            )
        return changed.sha256

    def bring_up_to_date(self, *, text: bool = True) -> Materialised:
        """What `make demo` does with the graph, but for the sources, which stay as they are.

        Args:
            text: Whether the text models are made, too, as `make demo-text` does.
        """
        with self.instance() as instance:
            return materialise(
                self.defs,
                instance,
                Console(quiet=True),
                roots=[dg.AssetKey("experiment")],
                only=None if text else upstream_of(self.defs, demo.TARGETS),
            )

    def edit_experiment(self, **changes: Any) -> None:
        """Change values in the experiment file; keys are dotted paths with `__` for the dot."""
        content = yaml.safe_load(self.experiment.read_bytes())
        for path, value in changes.items():
            *parents, last = path.split("__")
            at = content
            for parent in parents:
                at = at[parent]
            at[last] = value
        self.experiment.write_text(yaml.safe_dump(content))

    def release(self) -> Release:
        """The current release, verified."""
        root = UPath(self.home / "releases")
        return load_release(root / (root / "CURRENT").read_text().strip())

    def copy(self, folder: Path) -> Graph:
        """The same graph in another folder, free to be changed."""
        shutil.copytree(self.folder, folder)
        return dataclasses.replace(self, folder=folder)


@dataclass(frozen=True)
class Changed:
    """A graph that was changed somewhere and brought up to date, and what ran."""

    graph: Graph
    done: Materialised
