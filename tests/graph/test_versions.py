"""Versions follow content and sources, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from churnsaver_assets.defs import versions
from churnsaver_assets.defs.versions import code_version, files_version, frame_version


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Modules a -> b -> deep.c, and d that nobody imports."""
    package = tmp_path / "package"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "deep" / "__init__.py").write_text("")
    (package / "a.py").write_text("import os\nfrom package.b import name\n")
    (package / "b.py").write_text("def name():\n    from package.deep import c\n")
    (package / "deep" / "c.py").write_text("x = 1\n")
    (package / "d.py").write_text("y = 1\n")
    monkeypatch.setattr(versions, "_ROOT", tmp_path)
    monkeypatch.setattr(versions, "_PACKAGES", ("package",))
    versions._imports.cache_clear()
    yield package
    versions._imports.cache_clear()


@pytest.mark.parametrize("changed", ["a.py", "b.py", "deep/c.py", "deep/__init__.py"])
def test_code_version_follows_imports_to_the_end(package: Path, changed: str) -> None:
    before = code_version("package.a")
    assert code_version("package.a") == before
    with (package / changed).open("a") as source:
        source.write("# another\n")
    assert code_version("package.a") != before


def test_code_version_is_that_of_what_is_imported_only(package: Path) -> None:
    before = code_version("package.a")
    (package / "d.py").write_text("y = 2\n")
    assert code_version("package.a") == before


def test_code_version_of_an_asset_sees_the_serving_code_it_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    source = versions._source

    def noting(module: str) -> Path | None:
        read.append(module)
        return source(module)

    monkeypatch.setattr(versions, "_source", noting)
    code_version("churnsaver_assets.defs.policy")
    assert "churnsaver_serving.runtime.learned" in read
    assert "churnsaver_serving.runtime.value" in read
    # Torch is imported inside the asset's function, and what needs it with it.
    assert "churnsaver_assets.decision.ppo.loss" in read


def test_code_version_of_nothing_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"churnsaver_assets\.no_such"):
        code_version("churnsaver_assets.no_such")


def test_files_version_sees_names_and_contents() -> None:
    version = files_version({"a": b"1", "b": b"2"})
    assert files_version({"b": b"2", "a": b"1"}) == version
    assert files_version({"a": b"2", "b": b"1"}) != version
    assert files_version({"a": b"1", "c": b"2"}) != version


@pytest.mark.parametrize(
    "other",
    [
        pd.DataFrame({"a": [1, 3], "b": ["x", "y"]}),
        pd.DataFrame({"a": [2, 1], "b": ["y", "x"]}),
        pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
        pd.DataFrame({"a": [1, 2], "c": ["x", "y"]}),
    ],
)
def test_frame_version_sees_values_order_types_and_names(other: pd.DataFrame) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert frame_version(frame.copy()) == frame_version(frame)
    assert frame_version(other) != frame_version(frame)


def test_frame_version_sees_the_label() -> None:
    frame = pd.DataFrame({"a": [1]})
    labelled = frame.copy()
    labelled.attrs["label"] = "sample"
    assert frame_version(labelled) != frame_version(frame)
